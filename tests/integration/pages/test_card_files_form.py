"""The files of each card in the form of a configuration."""

from __future__ import annotations

import pytest

from orders.models import Configuration
from tests.integration.pages.conftest import Page
from tests.integration.pages.test_configuration_pages import NEW, filled, url

__all__ = ["filled", "url"]

SERIAL = {"to": "serial.txt", "content": "{serial}\n"}


def row(number: int, to: str, content: str) -> dict[str, str]:
    return {f"per_card-{number}-to": to, f"per_card-{number}-content": content}


def stored() -> list[dict[str, str]]:
    return Configuration.objects.latest("pk").per_card


def test_rows_that_are_filled_in_are_saved_and_shown_again(member, filled):
    member.post(
        NEW, filled(**row(0, " serial.txt ", "{serial}\r\n"), **row(1, "", ""), **row(2, "x/y", "{suffix}"))
    )
    assert stored() == [SERIAL, {"to": "x/y", "content": "{suffix}"}]

    page = Page(member.get(f"/configurations/{Configuration.objects.latest('pk').pk}/").text)
    assert page.by_id("id_per_card-0-to")["value"] == "serial.txt"
    assert page.by_id("id_per_card-1-to")["value"] == "x/y"
    assert [attrs["value"] for attrs in page.all("input", type="text") if "per_card" in attrs["name"]][
        2:
    ] == ["", ""]
    assert "Different on each card" in page.words
    assert "{serial} becomes the card's serial number" in page.words


def test_a_content_that_begins_with_a_line_end_keeps_it(member, filled):
    """HTML drops the first line end of a text area; the page writes one more."""
    member.post(NEW, filled(**row(0, "a", "\r\n{serial}")))
    html = member.get(f"/configurations/{Configuration.objects.latest('pk').pk}/").text
    assert ">\n\n{serial}</textarea>" in html.replace("\r\n", "\n")


def test_emptied_rows_are_gone_but_a_form_without_rows_changes_nothing(member, school, url, filled):
    Configuration.objects.update(per_card=[SERIAL])
    member.post(url, filled(admin_password=""))
    assert stored() == [SERIAL]
    member.post(url, filled(admin_password="", **row(0, "", ""), **row(1, "", "")))
    assert stored() == []


@pytest.mark.parametrize(
    ("to", "content", "words"),
    [
        ("", "{serial}", "has no name"),
        ("../x", "{serial}", "no name for a file of each card"),
        ("serial.txt", "", "same on all cards"),
        ("serial.txt", "all the same", "Put {serial} or {suffix}"),
        ("serial.txt", "{serial}" * 20, "at most 512 fit"),
        ("serial.txt", "{serial}\x07", "cannot be shown"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(member, filled, to, content, words):
    answer = member.post(NEW, filled(**row(0, to, content), **row(1, "b", "{suffix}")))
    assert answer.context["form"].errors.keys() == {"per_card"}
    page = Page(answer.text)
    page.by_id("id_per_card_error")
    assert [1 for _, attrs in page.tags if "id_per_card_error" in (attrs.get("aria-describedby") or "")]
    assert words in page.words
    assert page.by_id("id_per_card-0-to")["value"] == to
    assert page.by_id("id_per_card-1-to")["value"] == "b"


def test_choosing_contents_keeps_what_was_typed(member, school, url, filled):
    """Without JavaScript the picker's buttons send the whole form, and save nothing."""
    answer = member.post(url, {**filled(**row(0, "a", "same")), "pick": "search"})
    page = Page(answer.text)
    assert page.by_id("id_per_card-0-to")["value"] == "a"
    assert "same on all cards" not in page.words
    assert stored() == []


def test_eight_files_have_no_room_for_more(member, school, url):
    Configuration.objects.update(per_card=[{"to": f"f{n}", "content": "{serial}"} for n in range(8)])
    page = Page(member.get(url).text)
    assert page.by_id("id_per_card-7-to")["value"] == "f7"
    assert 'name="per_card-8-to"' not in page.html


def test_in_french(member, school, url):
    member.post("/i18n/setlang/", {"language": "fr"})
    text = member.get(url).text
    assert "Différent sur chaque carte" in text


def test_a_version_tells_them(member, school, url, filled):
    member.post(url, filled(admin_password="", **row(0, "serial.txt", "{serial}")))
    answer = member.get(f"{url}versions/1/")
    assert "serial.txt: {serial}" in Page(answer.text).words


def test_what_is_typed_is_never_markup(member, filled):
    member.post(NEW, filled(**row(0, "a", "</textarea><b>{serial}")))
    html = member.get(f"/configurations/{Configuration.objects.latest('pk').pk}/").text
    assert "</textarea><b>" not in html
