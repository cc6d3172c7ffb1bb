"""Every page: well nested, no inline script or style, labelled controls, and readable colours."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest
from django.conf import settings
from django.test import RequestFactory, override_settings
from django.urls import reverse
from django.views import defaults

from tests import factories as make
from tests.integration.pages.conftest import Page
from workers.contract import Kind

CSS = Path(settings.ROOT) / "imager" / "static" / "imager" / "imager.css"


@pytest.fixture
def pages(school, line, browse) -> dict[str, Page]:
    """Every page in its richest state, for staff and for nobody."""
    staff, nobody = browse(school.staff), browse(None)
    order = school.place(quantity=2)
    line.build(order)
    line.download(order)
    task = line.insert(order, 1)
    make.slot(line.writer, "X", contents="photos")
    line.report(task, outcome="done", result={"read_back_sha256": "ab" * 32, "write_rate": 2e7})
    verified = task.cards.get()
    task = line.insert(order, 2)
    failed, download = school.place(), school.place(kind="virtual")
    line.fail(line.claim(line.task(failed, Kind.CREATE)))
    line.build(download)
    assert task.slot
    urls = {
        "home": "/",
        "orders": "/orders/",
        "order_new": f"/orders/new/?configuration={school.configuration.pk}",
        "order": order.get_absolute_url(),
        "failed": failed.get_absolute_url(),
        "download": download.get_absolute_url(),
        "configurations": "/configurations/",
        "configuration": f"/configurations/{school.configuration.pk}/",
        "stations": "/station/",
        "station": f"/station/{line.writer.name}/",
        "hosts": "/staff/hosts/",
        "log": reverse("attempt_log", args=[task.pk, task.attempt]),
        "log of a failure": reverse("attempt_log", args=[line.task(failed, Kind.CREATE).pk, 1]),
        "password": reverse("account_change_password"),
        "logout": reverse("account_logout"),
        "certificate": f"/c/{verified.certificate_key}",
        "cards": "/staff/cards/",
        "labels": f"/orders/{order.pk}/labels/",
        "404": "/nothing/here/",
    }
    found = {name: staff.get(url).text for name, url in urls.items()}
    found["order_new wrong"] = staff.post("/orders/new/", {}).text
    found["configuration wrong"] = staff.post("/configurations/new/", {}).text
    found["login"] = nobody.get(reverse("account_login")).text
    found["login wrong"] = nobody.post(reverse("account_login"), {"login": "x", "password": "y"}).text
    found["reset"] = nobody.get(reverse("account_reset_password")).text
    return {name: Page(text) for name, text in found.items()}


def executed(page):
    """Scripts, without blocks of data: no browser runs those."""
    return [script for script in page.all("script") if script.get("type") != "application/json"]


def test_each_page_holds_to_the_rules(pages):
    for name, page in pages.items():
        assert page.all("html")[0]["lang"] == "en", name
        assert len(page.all("h1")) == 1, name
        assert len(page.all("main")) == 1, name
        assert page.all("a", href="#main"), name
        assert not page.all("style"), name
        for tag, attrs in page.tags:
            assert "style" not in attrs, (name, tag)
            inline = [attribute for attribute in attrs if attribute.startswith("on")]
            assert not inline, (name, tag, inline)
            assert not (attrs.get("href") or "").startswith("javascript:"), name
        scripts = executed(page)
        assert scripts, name
        assert all((script.get("src") or "").startswith("/static/") for script in scripts), name


def test_nothing_comes_from_elsewhere(pages):
    for name, page in pages.items():
        for tag in ("script", "link", "img", "use"):
            for attrs in executed(page) if tag == "script" else page.all(tag):
                address = attrs.get("src") or attrs.get("href") or ""
                assert address.startswith("/"), (name, tag, address)


def test_ids_are_unique_and_references_lead_somewhere(pages):
    for name, page in pages.items():
        ids = [attrs["id"] for _, attrs in page.tags if attrs.get("id")]
        assert len(ids) == len(set(ids)), (name, sorted({i for i in ids if ids.count(i) > 1}))
        for tag, attrs in page.tags:
            for attribute in ("for", "aria-labelledby", "aria-describedby"):
                for ident in (attrs.get(attribute) or "").split():
                    assert ident in ids, (name, tag, attribute, ident)


def test_each_control_has_a_name_for_those_who_cannot_see(pages):
    for name, page in pages.items():
        labelled = {attrs.get("for") for attrs in page.all("label")}
        for tag in ("input", "select", "textarea"):
            for attrs in page.all(tag):
                if attrs.get("type") == "hidden":
                    continue
                assert attrs.get("id") in labelled or attrs.get("aria-label"), (name, tag, attrs)
        for tag in ("progress", "meter", "nav"):
            assert all(attrs.get("aria-label") for attrs in page.all(tag)), (name, tag)


def test_each_form_that_posts_has_its_token(pages):
    for name, page in pages.items():
        for form in re.findall(r"<form\b.*?</form>", page.html, re.DOTALL):
            if 'method="post"' in form:
                assert "csrfmiddlewaretoken" in form, name


def test_the_policy_allows_nothing_inline(pages, staff):
    policy = staff.get("/")["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_caches_tell_parts_from_pages(school, line, staff):
    order = school.place()
    for url in (
        "/orders/",
        "/orders/new/",
        order.get_absolute_url(),
        "/configurations/new/",
        f"/station/{line.writer.name}/",
    ):
        assert "HX-Request" in staff.get(url)["Vary"], url


def test_the_page_of_our_own_mistakes_needs_no_database():
    request = RequestFactory().get("/")
    with override_settings(DEBUG=False):
        page = Page(defaults.server_error(request).content.decode())
    assert "went wrong on our side" in page.words


def test_a_bad_request_has_a_page(rf):
    page = Page(defaults.bad_request(rf.get("/"), ValueError("x")).content.decode())
    assert "did not understand" in page.words


def test_a_download_that_ended_says_so(school, line, browse):
    order = school.place(kind="virtual")
    line.build(order)
    order.refresh_from_db()
    from orders import services

    services.expire(order)
    answer = browse(None).get(f"/d/{order.download_token}/{order.image_name}.img.zst")
    assert answer.status_code == 410
    assert "This download has ended" in Page(answer.text).words


def schemes() -> dict[str, dict[str, str]]:
    """The colours by name, for light and for dark."""
    blocks = re.findall(r":root \{(.*?)\n\s*\}", CSS.read_text(), re.DOTALL)
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in blocks[:2])
    return {"light": light, "dark": {**light, **dark}}


def luminance(colour: str) -> float:
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, 1.4.3."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


TEXT_ON = [
    *product(("ink", "dim", "brand"), ("paper", "sheet")),
    *[(tone, f"{tone}-soft") for tone in ("good", "warn", "bad", "info")],
    *product(("ink", "dim"), ("good-soft", "warn-soft", "bad-soft", "info-soft", "brand-soft")),
    *product(("good", "warn", "bad", "info"), ("sheet",)),
    ("brand-ink", "brand"),
    ("top-ink", "top"),
    ("bad", "paper"),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXT_ON)
def test_text_can_be_read_on_its_ground(scheme, text, ground):
    colours = schemes()[scheme]
    assert contrast(colours[text], colours[ground]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_edges_of_controls_can_be_seen(scheme):
    colours = schemes()[scheme]
    assert contrast(colours["edge"], colours["sheet"]) >= 3
    assert contrast(colours["brand"], colours["rule"]) >= 3


def test_contrast_itself_is_computed_right():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


PHYSICAL = re.compile(
    r"(?<![-\w])((margin|padding|border)-(left|right)|left|right|(text-align|float): (left|right))\b"
    r"(?=[-\w]*\s*[:;])"
)


def test_styles_know_no_left_and_right():
    """Logical properties alone: a language that is written from right to left turns the whole page."""
    found = [
        f"{number}: {match.group()}"
        for number, line in enumerate(CSS.read_text().splitlines(), 1)
        for match in PHYSICAL.finditer(line)
    ]
    assert not found


@pytest.mark.parametrize(("language", "way"), [("en", "ltr"), ("ar", "rtl")])
def test_the_page_says_which_way_it_is_written(language, way):
    from django.template.loader import render_to_string
    from django.utils import translation

    with translation.override(language):
        page = Page(render_to_string("404.html", request=RequestFactory().get("/")))
    assert page.all("html")[0]["dir"] == way
