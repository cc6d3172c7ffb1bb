"""Files of each card: what a configuration may say, the creator takes; what that refuses, so does this."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

from orders import validators
from orders.models import Configuration
from orders.recipe import recipe
from workers.contract import CARD_FILE_BYTES, MAX_CARD_FILES, MAX_SERIAL, fill_in
from workers.creator.recipe import CardFile, read_recipe
from workers.errors import JobError
from workers.imaging.fat_names import check_name


def file(to: str = "serial.txt", content: str = "{serial}") -> dict[str, str]:
    return {"to": to, "content": content}


def read(per_card: list[dict[str, str]]) -> tuple[CardFile, ...]:
    described = Configuration(admin_password="admin-password", language="en", per_card=per_card)
    return read_recipe(recipe(described, [], size=8_000_000_000)).per_card


@pytest.mark.parametrize(
    "per_card",
    [
        [],
        [file()],
        [file(content="{serial}\n"), file("conf/hostname", "hotspot-{suffix}")],
        [file("conf/a"), file("conf/b"), file("conf2")],
        [file(content="Carte : {serial}\n\t« École » #1: 'x' \"y\" é 学\n")],
        [file(f"f{number}") for number in range(MAX_CARD_FILES)],
        [file("a" * 100)],
        [file(content="x" * (CARD_FILE_BYTES - MAX_SERIAL) + "{serial}")],
        [file(content="{suffix}: {no}")],
        [file(content="Hôtel\u00a0: {serial}\u202f!")],
        [file("conf/offspot.yaml"), file("offspot.yaml.txt")],
    ],
)
def test_what_is_accepted_is_understood(per_card):
    validators.per_card(per_card)
    assert [{"to": each.to, "content": each.content} for each in read(per_card)] == per_card


@pytest.mark.parametrize(
    ("per_card", "words"),
    [
        ([file("../serial")], "no name"),
        ([file("/serial")], "no name"),
        ([file("a/")], "no name"),
        ([file("")], "no name"),
        ([file("a.")], "no name"),
        ([file("série.txt")], "no name"),
        ([file("a\n")], "no name"),
        ([file("a" * 101)], "up to 100 letters"),
        ([file("Offspot.YAML")], "not offspot.yaml"),
        ([file("offspot.yaml/x")], "not offspot.yaml"),
        ([file("OFFSPOT.yaml/x/y")], "not offspot.yaml"),
        ([file(content="always the same")], "same on all cards"),
        ([file(content="")], "same on all cards"),
        ([file(content="{serial}" * 13)], "at most 512 fit"),
        ([file(content="x" * (CARD_FILE_BYTES - MAX_SERIAL + 1) + "{serial}")], "at most 512 fit"),
        ([file(content="é" * 240 + "{serial}")], "at most 512 fit"),
        ([file("a"), file("A")], "there twice"),
        ([file("conf"), file("CONF/a")], "another file's folder"),
        ([file("conf/a"), file("conf")], "another file's folder"),
        ([file(f"f{number}") for number in range(MAX_CARD_FILES + 1)], "at most 8 files"),
    ],
)
def test_what_the_creator_refuses_is_refused_before(per_card, words):
    with pytest.raises(ValidationError, match=words):
        validators.per_card(per_card)
    with pytest.raises(JobError):
        read(per_card)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "serial.txt",
        {"to": "a", "content": "{serial}"},
        ["a"],
        [{"to": "a"}],
        [{**file(), "mode": "0600"}],
        [{"to": 1, "content": "{serial}"}],
        [{"to": "a", "content": None}],
        [file(content="{serial}\0")],
        [file(content="{serial}\ud800")],
        [file(content="{serial}\r\n")],
        [file(content="{serial}\x1b[2J")],
    ],
)
def test_what_is_no_list_of_files_is_refused(value):
    with pytest.raises(ValidationError):
        validators.per_card(value)


@settings(deadline=None)
@given(st.text(alphabet="aZ09._-/ é\n", max_size=12), st.text(max_size=20))
def test_no_name_and_no_content_gets_through_that_the_creator_does_not_take(to, told):
    per_card = [file(to, f"{told}{{serial}}")]
    try:
        validators.per_card(per_card)
    except ValidationError:
        return
    assert [{"to": each.to, "content": each.content} for each in read(per_card)] == per_card
    assert all(check_name(part) for part in to.split("/"))
    assert len(fill_in(per_card[0]["content"], "X" * MAX_SERIAL).encode()) <= CARD_FILE_BYTES
