"""Choosing contents: without JavaScript by steps that send the whole form, with it in parts of the page."""

from __future__ import annotations

import pytest
from django.utils import timezone

from orders.models import Configuration, Content
from tests import factories as make
from tests.integration.pages.conftest import HTMX, Page

NEW = "/configurations/new/"


def content(name: str, title: str, **fields) -> Content:
    publisher, flavour = fields.pop("publisher", "openZIM"), fields.pop("flavour", "maxi")
    return Content.objects.create(
        ident=f"{publisher}:{name}:{flavour}",
        name=name,
        title=title,
        publisher=publisher,
        flavour=flavour,
        url=f"https://zim.example/{name}.zim",
        path=f"/data/contents/zims/{publisher}_{name}_{flavour}.zim",
        **{"size": 5_000_000, "languages": ["eng"], **fields},
    )


@pytest.fixture
def catalogue(school) -> dict[str, Content]:
    made = [
        content("medicine_fr", "Médecine", languages=["fra"], category="wikipedia", size=9_000_000),
        content("medicine_en", "Medicine", category="wikipedia"),
        content("physics_mul", "Physics", languages=["eng", "fra"], category="phet"),
        content("magoe", "Magoé", languages=["fra"], kind="app", flavour=""),
    ]
    return {one.name: one for one in made}


@pytest.fixture
def url(school) -> str:
    return f"/configurations/{school.configuration.pk}/"


def found(answer) -> list[str]:
    return [one.title for one in answer.context["picker"].page]


def chosen(answer) -> list[str]:
    return [one.content.title for one in answer.context["picker"].chosen]


def step(client, url, value="search", **fields):
    return client.post(url, {"pick": value, "pick_language": "", "name": "Typed", **fields})


@pytest.mark.parametrize(
    ("asked", "titles"),
    [
        ({"pick_text": "MEDEC"}, ["Médecine"]),
        ({"pick_text": "médicine"}, ["Medicine", "Médecine"]),
        ({"pick_text": "medicine wiki"}, ["Medicine", "Médecine"]),
        ({"pick_language": "fra"}, ["Magoé", "Médecine", "Physics"]),
        ({"pick_language": "fra", "pick_category": "phet"}, ["Physics"]),
        ({"pick_kind": "app"}, ["Magoé"]),
        ({"pick_category": "wikipedia", "pick_order": "small"}, ["Medicine", "Médecine"]),
        ({"pick_category": "wikipedia", "pick_order": "large"}, ["Médecine", "Medicine"]),
        ({"pick_text": "100%"}, []),
        ({"pick_text": "_edicine"}, []),
        ({"pick_text": "\x00medicine\\", "pick_kind": "' OR 1=1"}, []),
        ({"pick_text": "x" * 5000}, []),
    ],
)
def test_searching(member, catalogue, asked, titles):
    assert found(step(member, NEW, **asked)) == titles


def test_the_first_look_is_in_the_hotspots_language(member, catalogue, school, url):
    Configuration.objects.update(language="fr")
    answer = member.get(url)
    assert found(answer) == ["Magoé", "Médecine", "Physics"]
    Page(answer.text)
    Content.objects.update(languages=["bam"])
    assert len(found(member.get(url))) == 6


def test_what_is_chosen_stays_chosen_across_searches_and_is_not_saved(member, catalogue, school, url):
    kept = [one.pk for one in school.configuration.contents.all()]
    answer = step(member, url, f"add:{catalogue['magoe'].pk}", contents=kept, pick_text="mag")
    assert chosen(answer) == ["Gutenberg", "Magoé", "Wikipedia"]
    assert found(answer) == ["Magoé"]
    boxes = Page(answer.text).all("input", name="contents", type="hidden")
    keys = [box["value"] for box in boxes]

    answer = step(member, url, contents=keys, pick_text="nothing like this")
    assert (chosen(answer), found(answer)) == (["Gutenberg", "Magoé", "Wikipedia"], [])
    answer = step(member, url, f"remove:{kept[0]}", contents=keys)
    assert len(chosen(answer)) == 2
    assert school.configuration.contents.count() == 2
    assert answer.context["count"] == 2


def test_a_step_keeps_what_was_typed_and_complains_about_nothing(member, catalogue, url):
    answer = step(member, url, f"add:{catalogue['magoe'].pk}", admin_password="typed-just-now", ssid="x" * 40)
    page = Page(answer.text)
    assert not answer.context["form"].errors
    assert page.by_id("id_name")["value"] == "Typed"
    assert page.by_id("id_admin_password")["value"] == "typed-just-now"
    assert page.by_id("id_ssid")["value"] == "x" * 40
    assert "value" not in page.by_id("id_wifi_password")


def test_pages_of_the_catalogue(member, school):
    for number in range(60):
        content(f"n{number}", f"Number {number:02}")
    answer = step(member, NEW, "page:2", pick_text="number")
    assert found(answer)[0] == "Number 25"
    assert "Page 2 of 3" in Page(answer.text).words
    answer = step(member, NEW, f"add:{Content.objects.get(name='n30').pk}", pick_text="number", pick_page="2")
    assert found(answer)[0] == "Number 25"
    assert found(step(member, NEW, pick_text="number", pick_page="2"))[0] == "Number 00"  # another search
    assert found(step(member, NEW, "page:junk", pick_text="number"))[0] == "Number 00"


@pytest.mark.parametrize(
    "value", ["add:", "add:x", "add:999999", "remove:-1", "replace:7", "nonsense", "add:" + "9" * 40]
)
def test_junk_steps_change_nothing(member, school, url, value):
    kept = [one.pk for one in school.configuration.contents.all()]
    assert chosen(step(member, url, value, contents=[*kept, "junk"])) == ["Gutenberg", "Wikipedia"]


def test_htmx_gets_parts(member, catalogue):
    body = {"pick": f"add:{catalogue['magoe'].pk}", "pick_language": ""}
    picked = member.post(NEW, body, headers={**HTMX, "HX-Target": "picker"})
    assert "<html" not in picked.text
    page = Page(picked.text)
    page.by_id("picker")
    assert page.by_id("total")["hx-swap-oob"] == "true"
    assert page.by_id(f"pick-{catalogue['magoe'].pk}")["value"].startswith("remove:")  # keeps the focus
    answer = member.post(NEW, {"pick_text": "magoe"}, headers={**HTMX, "HX-Target": "found"})
    page = Page(answer.text)
    page.by_id("found")
    assert not page.all("fieldset")


def test_what_is_missing_is_marked_kept_and_cannot_be_chosen_anew(member, catalogue, school, url):
    gone = catalogue["medicine_en"]
    Content.objects.filter(pk=gone.pk).update(missing_since=timezone.now())
    assert "Medicine" not in found(step(member, NEW))

    school.configuration.contents.add(gone)
    answer = member.get(url)
    words = Page(answer.text).words
    assert "One content is no longer available. The hotspot cannot be ordered until" in words
    assert chosen(answer)[0] == "Medicine"

    saved = {
        "name": "Library",
        "ssid": "Library",
        "domain": "library",
        "admin_account": "admin",
        "language": "en",
        "timezone": "UTC",
        "contents": [gone.pk],
    }
    version = Page(answer.text).all("input", name="version")
    if version:
        saved["version"] = version[0]["value"]
    member.post(url, saved)
    assert list(school.configuration.contents.all()) == [gone]  # nothing is dropped silently
    answer = member.post(NEW, {**saved, "admin_password": "secret-1"})
    assert answer.context["form"].errors.keys() == {"contents"}


def test_what_is_missing_is_replaced_in_a_step(member, catalogue, school, url):
    gone = catalogue["medicine_en"]
    other = content("medicine_en", "Medicine", publisher="Kiwix")
    Content.objects.filter(pk=gone.pk).update(missing_since=timezone.now())
    answer = step(member, url, contents=[gone.pk])
    assert f"replace:{gone.pk}" in answer.text
    answer = step(member, url, f"replace:{gone.pk}", contents=[gone.pk, catalogue["magoe"].pk])
    assert {one.content.pk for one in answer.context["picker"].chosen} == {other.pk, catalogue["magoe"].pk}
    assert not answer.context["picker"].missing


def test_the_list_marks_what_is_missing_and_replaces_it_with_one_click(member, catalogue, school):
    gone, lost = catalogue["medicine_en"], catalogue["physics_mul"]
    other = content("medicine_en", "Medicine", flavour="nopic")
    Content.objects.filter(pk__in=[gone.pk, lost.pk]).update(missing_since=timezone.now())
    school.configuration.contents.set([gone, lost])
    page = Page(member.get("/configurations/").text)
    assert "2 contents are missing" in page.words
    target = f"/configurations/{school.configuration.pk}/replace/"
    assert page.all("form", method="post", action=target)

    assert member.get(target).status_code == 405
    words = Page(member.post(target, follow=True).text).words
    assert "“Medicine” is replaced by “Medicine nopic”." in words
    assert "Nothing comes close to “Physics”. Remove it in the configuration." in words
    assert set(school.configuration.contents.all()) == {other, lost}
    member.post(target)
    assert set(school.configuration.contents.all()) == {other, lost}


def test_strangers_replace_nothing(browse, catalogue, school, stranger):
    answer = browse(stranger).post(f"/configurations/{school.configuration.pk}/replace/")
    assert answer.status_code == 404


def test_a_configuration_with_missing_contents_cannot_be_ordered(school, catalogue):
    from django.core.exceptions import ValidationError

    school.configuration.contents.add(catalogue["magoe"])
    Content.objects.filter(name="magoe").update(missing_since=timezone.now())
    with pytest.raises(ValidationError) as refusal:
        school.place()
    assert refusal.value.message_dict == {
        "configuration": ["No longer available: Magoé. Replace or remove them in the configuration."]
    }


def test_query_counts_do_not_grow(member, school, url, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for batch in range(2):
        for number in range(20):
            content(f"b{batch}n{number}", f"Number {batch}{number}")
        school.configuration.contents.set(Content.objects.all())
        member.get(url)
        with CaptureQueriesContext(connection) as queries:
            member.get(url)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[0] <= 20


def test_the_catalogue_as_pages(member, staff, catalogue, school, stranger, browse):
    page = Page(member.get("/contents/?language=fra").text)
    assert "Magoé" in page.words
    assert "French" in page.words
    assert "Médecine" not in Page(member.get("/contents/?text=magoe&missing=1").text).words
    answer = member.get("/contents/?kind=app", headers={**HTMX, "HX-Target": "list"})
    assert "<html" not in answer.text
    assert "1 content" in Page(answer.text).words

    gone = catalogue["medicine_en"]
    Content.objects.filter(pk=gone.pk).update(missing_since=timezone.now())
    assert "Medicine" in Page(staff.get("/contents/?missing=1").text).words
    assert "Medicine" not in Page(member.get("/contents/?missing=1").text).words
    assert member.get(f"/contents/{gone.pk}/").status_code == 404
    school.configuration.contents.add(gone)
    words = Page(member.get(f"/contents/{gone.pk}/").text).words
    assert "It is no longer in the catalogue since" in words
    assert "Library" in words
    assert browse(stranger).get(f"/contents/{gone.pk}/").status_code == 404
    assert "Library" not in Page(browse(stranger).get(f"/contents/{catalogue['magoe'].pk}/").text).words


def test_configurations_of_others_are_not_told(staff, catalogue, member):
    other = make.configuration(name="Foreign")
    other.contents.add(catalogue["magoe"])
    path = f"/contents/{catalogue['magoe'].pk}/"
    assert "Foreign" in Page(staff.get(path).text).words
    assert "Foreign" not in Page(member.get(path).text).words
