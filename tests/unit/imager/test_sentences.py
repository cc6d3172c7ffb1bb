"""Whatever Django says of a field, we name the field, the limit and what to do; what is ours stays ours."""

from __future__ import annotations

from typing import Any

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.utils import translation
from rest_framework import serializers

from imager import sentences as module
from imager.accounts.models import Organization, User
from imager.api.sentences import in_sentences
from imager.sentences import sentences

E_MAIL = "“X” must be an e-mail address, for example awa@example.org."
ADDRESS = "“X” must be an address of the web, for example https://example.org/a."
CHOICES = [("a", "Ah"), ("b", "Be")]
RARE = {  # in no form of ours
    "DurationField.overflow",
    "ImageField.invalid_image",
    "MultiValueField.incomplete",
    "MultiValueField.invalid",
}
MANY = [(str(n), f"No. {n}") for n in range(11)]


def said(field: forms.Field, value: Any, label: str = "x") -> list[str]:
    """What stands beside the field on a page."""
    field.label = label
    form = type("Form", (forms.Form,), {"x": field})({} if value is None else {"x": value})
    return list(form["x"].errors)


CASES: list[tuple[forms.Field, Any, str]] = [
    (forms.CharField(), None, "“X” is empty: fill it in."),
    (forms.CharField(max_length=3), "four", "“X” has at most 3 characters; here are 4: shorten it."),
    (forms.CharField(min_length=5), "four", "“X” has at least 5 characters; here are 4: lengthen it."),
    (forms.CharField(), "a\0b", "“X” holds a zero byte, which cannot be stored: take it out."),
    (forms.IntegerField(), "two", "“X” must be a whole number, for example 1."),
    (forms.IntegerField(min_value=1), "0", "“X” is at least 1: enter that or more."),
    (forms.IntegerField(max_value=9), "10", "“X” is at most 9: enter that or less."),
    (forms.FloatField(), "two", "“X” must be a number, for example 2.5."),
    (forms.DecimalField(), "two", "“X” must be a number, for example 2.5."),
    (forms.EmailField(), "awa@", E_MAIL),
    (forms.URLField(assume_scheme="https"), "not one", ADDRESS),
    (forms.DateField(), "tomorrow", "“X” must be a date, for example 2026-03-31."),
    (forms.TimeField(), "noon", "“X” must be a time, for example 14:30."),
    (forms.DateTimeField(), "now", "“X” must be a date and a time, for example 2026-03-31 14:30."),
    (forms.DurationField(), "long", "“X” must be a length of time, for example 1:30:00."),
    (forms.UUIDField(), "1", "“X” must be an identifier (a UUID)."),
    (forms.JSONField(), "{", "“X” must be JSON, for example {}."),
    (forms.SlugField(), "é", "“X” has letters without accents, digits, _ and - only: replace the others."),
    (forms.BooleanField(), None, "“X” is not ticked: tick it to go on."),
    (forms.FileField(), None, "“X” has no file: choose one."),
    (forms.ChoiceField(choices=CHOICES), None, "“X” has nothing chosen: choose from its list."),
    (forms.ChoiceField(choices=CHOICES), "c", "“X” must be one of Ah, Be: choose one of these."),
    (forms.ChoiceField(choices=MANY), "c", "“X” does not offer what was sent: choose from its list."),
    (forms.ChoiceField(choices=CHOICES[:1]), "c", "“X” does not offer what was sent: choose from its list."),
    (forms.MultipleChoiceField(choices=CHOICES), ["c"], "“X” must be one of Ah, Be: choose one of these."),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "sentence"), CASES)
def test_of_every_kind_of_field(field, value, sentence):
    with translation.override("en"):
        assert said(field, value) == [sentence]
    with translation.override("fr"):
        (french,) = said(field, value)
    assert "« X »" in french
    assert french != sentence


def test_the_name_is_whatever_the_page_calls_it():
    with translation.override("en"):
        assert said(forms.CharField(), None, "100 %s <b>") == ["“100 %s <b>” is empty: fill it in."]
        shown = type("Form", (forms.Form,), {"x": forms.CharField(label="<b>")})({})["x"].errors
    assert "&lt;b&gt;" in str(shown)
    assert 'id="id_x_error"' in str(shown)  # what the control names in aria-describedby


def test_sentences_of_ours_stay():
    own = forms.CharField(max_length=2, error_messages={"max_length": "Two at most, not %(show_value)s."})
    assert said(own, "abc") == ["Two at most, not 3."]

    def check(value: str) -> None:
        raise ValidationError("Not this.", "invalid")

    assert said(forms.CharField(validators=[check]), "abc") == ["Not this."]


def test_every_refusal_of_djangos_fields_is_known():
    """One that Django adds is noticed."""
    kinds = [getattr(forms, name) for name in dir(forms) if name.endswith("Field")]
    assert {
        f"{kind.__name__}.{code}"
        for kind in kinds
        for code, message in vars(kind).get("default_error_messages", {}).items()
        if id(message) not in module._MADE
    } == RARE


def test_forms_of_others_too():
    from allauth.account.forms import LoginForm
    from django.contrib.auth.forms import AdminPasswordChangeForm

    with translation.override("en"):
        for form in (LoginForm({}), AdminPasswordChangeForm(User(), {})):
            told = [sentence for field in form.visible_fields() for sentence in field.errors]
            assert told
            assert all(sentence.endswith("is empty: fill it in.") for sentence in told)


def test_of_a_model():
    with translation.override("en"), pytest.raises(ValidationError) as refused:
        Organization(slug="é", name="x" * 101, language="tlh").clean_fields()
    assert sentences(refused.value) == {
        "slug": ["“slug” has letters without accents, digits, _ and - only: replace the others."],
        "name": ["“name” has at most 100 characters; here are 101: shorten it."],
        "language": ["“language” cannot be “tlh”: choose another value."],
        "channel": ["“channel” is empty: fill it in."],
    }


class Inner(serializers.Serializer):  # of the library's own kind: it tells nothing itself
    name = serializers.CharField(max_length=3)
    size = serializers.IntegerField(min_value=0)


class Outer(serializers.Serializer):
    one = Inner()
    many = Inner(many=True)
    numbers = serializers.ListField(child=serializers.IntegerField(max_value=9), allow_empty=False)
    by_name = serializers.DictField(child=serializers.EmailField())
    slug = serializers.SlugField(required=False)


def told(**body: Any) -> Any:
    good = {"one": {"name": "a", "size": 1}, "many": [], "numbers": [1], "by_name": {}}
    outer = Outer(data={**good, **body})
    assert not outer.is_valid()
    with translation.override("en"):
        return in_sentences(outer.errors, outer.fields)


def test_inside_of_bodies_by_api():
    assert told(one={"name": "long"}) == {
        "one": {
            "name": ["“name” has at most 3 characters: shorten it."],
            "size": ["“size” is missing: send it."],
        }
    }
    assert told(many=[{"name": "a", "size": 1}, {"name": "a", "size": -1}])["many"] == {
        1: {"size": ["“size” is at least 0: send that or more."]}
    }
    assert told(many={})["many"] == {"non_field_errors": ["“many” must be a list: [ … ]."]}
    assert told(numbers=[1, 10, "x"])["numbers"] == {
        1: ["“numbers[1]” is at most 9: send that or less."],
        2: ["“numbers[2]” must be a whole number, for example 1."],
    }
    assert told(numbers=[])["numbers"] == ["“numbers” is an empty list: put at least one entry in."]
    assert told(numbers="x")["numbers"] == ["“numbers” must be a list: [ … ]."]
    assert told(slug="é")["slug"] == [
        "“slug” has letters without accents, digits, _ and - only: replace the others."
    ]
    assert told(by_name=[])["by_name"] == ["“by_name” must be one object: { … }."]
    assert told(by_name={"awa": "awa@"})["by_name"] == {
        "awa": ["“by_name[awa]” must be an e-mail address, for example awa@example.org."]
    }
