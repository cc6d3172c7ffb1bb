"""Phone numbers and what is written of a recipient."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.utils import translation

from orders import countries, phones
from orders.recipients import Recipient, lines, recipient_errors


@pytest.mark.parametrize(
    ("text", "country", "dialled"),
    [
        ("+223 20 22 52 29", "", "+223 20 22 52 29"),
        ("+22320225229", "FR", "+223 20 22 52 29"),
        ("20 22 52 29", "ML", "+223 20 22 52 29"),
        ("01 42 68 53 00", "FR", "+33 1 42 68 53 00"),
        ("(202) 456-1111", "US", "+1 202-456-1111"),
        ("", "ML", ""),
        ("  ", "", ""),
    ],
)
def test_numbers_are_written_with_their_countrys_code(text, country, dialled):
    assert phones.international(text, country) == dialled


@pytest.mark.parametrize(
    ("text", "country"),
    [
        ("20 22 52 29", ""),
        ("12", "ML"),
        ("call me", "ML"),
        ("+", ""),
        ("+999 1234567", ""),
        ("1" * 200, "FR"),
    ],
)
def test_what_nobody_can_dial_is_refused_with_an_example(text, country):
    with pytest.raises(ValidationError, match=r"for example \+\d"):
        phones.international(text, country)


def test_the_example_is_one_of_the_country():
    with pytest.raises(ValidationError, match=r"\+33 "):
        phones.international("12", "FR")


def test_an_endless_extension_is_refused():
    with pytest.raises(ValidationError, match="At most 30"):
        phones.international("+223 20 22 52 29 ext. 123456789", "")


def test_a_tidy_recipient_has_no_space_around_and_a_number_for_abroad():
    tidy = Recipient(name=" Awa ", phone="20225229", address="Rue 17\n", country="ML").tidy()
    assert (tidy.name, tidy.phone, tidy.address) == ("Awa", "+223 20 22 52 29", "Rue 17")


def test_a_wrong_country_does_not_hide_behind_the_phone():
    errors = recipient_errors(Recipient(name="A", phone="1", address="B", country="XX"), needed=True)
    assert errors.keys() == {"recipient_phone", "recipient_country"}


def test_the_lines_on_the_parcel():
    assert lines("Rue 17\n\nPorte 3", "BP 5", "Bamako") == ["Rue 17", "Porte 3", "BP 5 Bamako"]
    assert lines("Rue 17", "", "Bamako") == ["Rue 17", "Bamako"]
    assert lines("Rue 17\nBamako", "", "") == ["Rue 17", "Bamako"]


def test_countries_are_named_and_sorted_in_the_readers_language():
    with translation.override("fr"):
        names = list(countries.names().values())
        assert countries.name_of("DE") == "Allemagne"
        assert names.index("Égypte") < names.index("Fidji")
    assert countries.name_of("DE") == "Germany"
