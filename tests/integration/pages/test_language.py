"""The language of the pages: the switch, and a French that leaves no English behind."""

from __future__ import annotations

import re

import pytest
from django.utils import translation

from imager.accounts.models import User
from tests import factories as make
from tests.integration.pages.conftest import HTMX, Page
from workers.contract import Step

SWITCH = "/i18n/setlang/"


def test_everybody_can_switch_even_before_the_login(browse, db):
    client = browse(None)
    assert "Log in" in client.get("/accounts/login/").text
    answer = client.post(SWITCH, {"language": "fr", "next": "/accounts/login/"}, follow=True)
    page = Page(answer.text)
    assert page.all("html")[0]["lang"] == "fr"
    assert "Se connecter" in page.words


def test_the_switch_is_kept_at_the_account(member, school, browse):
    assert "Hello" in member.get("/").text
    assert "Bonjour" in member.post(SWITCH, {"language": "fr", "next": "/"}, follow=True).text
    assert User.objects.get(pk=school.member.pk).language == "fr"
    assert "Bonjour" in browse(school.member).get("/").text
    assert "Hello" in member.post(SWITCH, {"language": "en", "next": "/"}, follow=True).text


def test_switching_keeps_the_person_logged_in(member, school):
    epoch = school.member.token_epoch
    member.post(SWITCH, {"language": "fr"})
    school.member.refresh_from_db()
    assert school.member.token_epoch == epoch
    assert member.get("/").status_code == 200


@pytest.mark.parametrize("junk", ["", "xx", "<script>", "fr' OR 1=1", "x" * 1000])
def test_a_language_that_we_do_not_speak_changes_nothing(member, school, junk):
    assert member.post(SWITCH, {"language": junk, "next": "/"}).status_code in {204, 302}
    school.member.refresh_from_db()
    assert school.member.language == ""
    assert "Hello" in member.get("/").text


def test_the_switch_leads_nowhere_else(member):
    answer = member.post(SWITCH, {"language": "fr", "next": "https://evil.example/"})
    assert "evil" not in answer.get("Location", "")


def test_the_organization_speaks_for_those_who_did_not_choose(browse, db):
    client = browse(make.user(organization=make.organization(language="fr")))
    assert "Bonjour" in client.get("/").text
    assert Page(client.get("/orders/", headers=HTMX).text).words.startswith("0 commande")


ENGLISH = re.compile(
    r"\b(the|and|card|cards|order|orders|is|are|of|with|placed|waiting|slot|erase|take|size|sent|"
    r"download|name|needs|nothing|save|delete|search|done|queue|left|failed|wrong|password)\b",
    re.IGNORECASE,
)
NAMES = re.compile(r"Library|Wikipedia|Gutenberg|Imager Service|Kiwix Hotspot|microSD|\S+@\S+|user \d+")


def french(client, url: str, **how) -> str:
    """The words of a page but for names and countries."""
    text = re.sub(r"<select.*?</select>", "", client.get(url, **how).text, flags=re.DOTALL)
    page = Page(text)
    extra = [
        attrs[key]
        for _, attrs in page.tags
        for key in ("aria-label", "placeholder", "title")
        if attrs.get(key)
    ]
    return NAMES.sub("", " ".join([page.words, *extra]))


def test_french_pages_have_no_english_leftovers(school, line, browse):
    User.objects.filter(pk=school.staff.pk).update(language="fr")
    staff = browse(school.staff)
    order = school.place(quantity=3)
    with translation.override("fr"):
        line.build(order)
        line.download(order)
        line.write(order, 1)
        running = line.insert(order, 2)
    progress = {"done": 1, "total": 4, "rate": 5.0, "eta": 100.0}
    body = make.report_body(running.attempt, step=Step.WRITING.value, progress=progress)
    line.report(running, **{key: body[key] for key in ("step", "progress")})
    make.slot(line.writer, "X", contents="photos")
    make.slot(line.writer, "Y", present=False, diskseq=None)
    make.slot(line.writer, "Z", disabled=True)
    queued = school.place(kind="virtual")
    done = school.place(kind="virtual")
    line.build(done)
    urls = [
        "/",
        "/orders/",
        "/orders/?q=nothinglikethis",
        f"/orders/new/?configuration={school.configuration.pk}",
        order.get_absolute_url(),
        queued.get_absolute_url(),
        done.get_absolute_url(),
        "/configurations/",
        f"/configurations/{school.configuration.pk}/",
        "/station/",
        f"/station/{line.writer.name}/",
        "/accounts/password/change/",
        "/nothing-here/",
    ]
    leftovers = {}
    for url in urls:
        words = french(staff, url)
        words = words.replace("nothinglikethis", "")
        for host in (line.creator, line.writer):
            words = words.replace(host.name, "")
        found = {match[0] for match in ENGLISH.finditer(words)}
        if found:
            leftovers[url] = found
    assert not leftovers


def test_the_hunt_for_leftovers_finds_english(staff, school, line):
    order = school.place()
    assert {"the", "order", "queue"} <= {
        word.lower() for word in ENGLISH.findall(french(staff, order.get_absolute_url()))
    }


def test_errors_are_french_too(school, browse):
    User.objects.filter(pk=school.member.pk).update(language="fr")
    answer = browse(school.member).post("/orders/new/", {"kind": "physical", "quantity": "99"})
    words = Page(answer.text).words
    assert "est vide : remplissez-le." in words
    assert not answer.context["form"].errors.get("kind")
    order = school.place()
    client = browse(school.member)
    client.post(f"{order.get_absolute_url()}cancel/")
    again = client.post(f"{order.get_absolute_url()}cancel/", follow=True)
    assert "ne peut plus être annulée" in Page(again.text).words
