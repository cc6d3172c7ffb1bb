"""Every page for everybody, found from the URL configuration: a new one is looked at without a line here.

axe-core finds nothing serious, in light on a desk and in dark on a phone, and on pages with a layout of their
own the other way round, too; the browser asks nobody but us; the policy is strict; on a phone nothing sticks
out, from left to right and from right to left; whoever goes by keyboard sees where they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

import pytest
from playwright.sync_api import Page, Request, expect

from imager.accounts.models import User
from tests import factories as make
from tests.browser.test_order import RECIPIENT
from tests.factories import PASSWORD
from tests.integration.test_isolation import filled, routes, values
from workers.contract import Kind

__all__ = ["values"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# It preloads style sheets to look for locked orientations; those of others that import some do not stand it.
FINDINGS = """([rules, preload]) =>
  axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations'], preload})
  .then(found => found.violations.filter(v => ['serious', 'critical'].includes(v.impact))
    .map(v => `${v.id}: ${v.nodes.slice(0, 3).map(n => n.html.slice(0, 160)).join(' | ')}`))"""
# A colour that still fades from one scheme to the other is none that anybody has to read.
FADED = """() => document.getAnimations().filter(each => each.effect.getComputedTiming().endTime < Infinity)
  .forEach(each => each.finish())"""
# What no scrolling reaches, or what makes the page scroll sideways. Words for readers alone do not count.
STICKS_OUT = """() => {
  const page = document.documentElement, wide = page.clientWidth, out = [];
  if (page.scrollWidth > wide) out.push(`the page is ${page.scrollWidth - wide} px too wide`);
  for (const part of document.querySelectorAll('main *, header *')) {
    if (part.closest('.sr, .skip, [hidden], details:not([open]) > :not(summary)')) continue;
    let box = part, scrolls = false;
    while ((box = box.parentElement)) scrolls ||= getComputedStyle(box).overflowX !== 'visible';
    const {left, right, width} = part.getBoundingClientRect();
    if (!scrolls && width && (left < -1 || right > wide + 1)) out.push(part.outerHTML.slice(0, 120));
  }
  return out.slice(0, 3);
}"""
# What can be reached with the keyboard, but nobody sees that it was. Some show it on their label.
UNSEEN_FOCUS = """() => [...document.querySelectorAll(
    'main :is(a[href], button, input, select, textarea, summary), header :is(a, button, summary)'
  )].filter(part => part.checkVisibility({visibilityProperty: true}) && !part.disabled).filter(part => {
    part.focus();
    const seen = shown => shown && getComputedStyle(shown).outlineStyle !== 'none';
    return document.activeElement !== part || !(seen(part) || seen(part.closest('label')));
  }).slice(0, 3).map(part => part.outerHTML.slice(0, 120))"""
PAIRS = (("light", 1280), ("dark", 360))
ALL_PAIRS = (("dark", 1280), ("light", 360), *PAIRS)
# Names of the pages with a layout of their own, by who has most to see there.
LAYOUTS = {
    "member": {
        "home", "orders", "order_new", "order", "configurations", "configuration", "configuration_version",
        "contents", "content", "addresses", "address", "units", "profile",
    },
    "staff": {
        "home", "order", "order_labels", "order_address", "statistics", "card_statistics", "hosts",
        "stations", "station", "health_page", "attempt_log",
    },
    None: {"account_login", "certificate"},
}  # fmt: skip
NOT_PAGES = ("api/v1/", "i18n/", "d/<")
API_PAGES = {"api/v1/docs/", "api/v1/redoc/"}
ELSEWHERE = ("data:", "blob:")
REFUSED = ("Loading the image 'https://cdn.redoc.ly/", "Applying inline style violates")


def addresses(values: dict[str, str]) -> Iterator[tuple[str | None, str]]:
    """Each page's name and address, with objects of the school and its line."""
    for route, entry in routes():
        if not route.startswith((*NOT_PAGES, "admin/")) or route in API_PAGES:
            yield entry.name, filled(route, values)


@pytest.fixture
def rich(values, school, line) -> None:
    """Objects in many more states, so that pages have something to show."""
    whole = make.configuration(school.organization, name="Second library")
    whole.contents.set(school.configuration.contents.available())  # nothing of it has vanished
    built, failed = school.place(configuration=whole, quantity=2), school.place(configuration=whole)
    line.build(built)
    line.download(built)
    line.insert(built, 1)
    line.fail(line.claim(line.task(failed, Kind.CREATE)))
    make.slot(line.writer, "X", contents="photos")


def visit(page: Page, url: str, here: str, *, own_layout: bool) -> list[str]:
    """What is wrong with the page at `url`; nothing, if it is none for this visitor."""
    probe = page.request.get(url, max_redirects=0)
    if probe.status != 200 or not probe.headers.get("content-type", "").startswith("text/html"):
        return []
    asked: list[str] = []

    def came(request: Request) -> None:
        asked.append(request.url)

    def failed(request: Request) -> None:
        if request.failure != "csp":  # what the policy forbids is never sent
            asked.append(request.url)

    page.on("requestfinished", came)
    page.on("requestfailed", failed)
    page.goto(url)
    if url.startswith("/api/"):
        page.wait_for_selector("#swagger .opblock-tag, #redoc h1")
    page.remove_listener("requestfinished", came)
    page.remove_listener("requestfailed", failed)
    wrong = [f"asks {other}" for other in asked if not other.startswith((here, *ELSEWHERE))]
    if not asked:
        wrong.append("nothing was seen of its requests")
    policy = probe.headers.get("content-security-policy", "")
    if "default-src 'self'" not in policy or "unsafe" in policy:
        wrong.append(f"policy: {policy or 'none'}")
    pairs = ALL_PAIRS if own_layout else PAIRS
    wrong += looked_at(page, pairs, ours=not url.startswith("/api/"))
    return [f"{url}: {words}" for words in wrong]


def looked_at(page: Page, pairs: tuple[tuple[str, int], ...] = PAIRS, *, ours: bool) -> Iterator[str]:
    """Findings in both schemes and widths, and on a phone, the last, in both directions."""
    page.evaluate(AXE)
    for scheme, width in pairs:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate(FADED)
        yield from (f"{scheme} {width}: {words}" for words in page.evaluate(FINDINGS, [RULES, ours]))
    for way in ("ltr", "rtl") if ours else ():
        page.evaluate(f"document.documentElement.dir = '{way}'")
        yield from (f"{way}: {words}" for words in page.evaluate(STICKS_OUT))
    if ours:
        page.keyboard.press("Tab")
        yield from (f"nobody sees the focus on {part}" for part in page.evaluate(UNSEEN_FOCUS))


def summary(page: Page) -> list[str]:
    """What is wrong with the order form that is sent back, and with the summary after it."""
    page.goto("/orders/new/")
    page.select_option("#id_configuration", label="Second library")
    expect(page.locator("#summary")).to_contain_text("Second library")
    page.get_by_role("button", name="Continue to the summary").click()
    expect(page.locator("#id_recipient_name_error")).to_be_visible()
    wrong = [f"form: {words}" for words in looked_at(page, ALL_PAIRS, ours=True)]
    for field, value in RECIPIENT.items():
        page.fill(f"#id_recipient_{field}", value)
    page.select_option("#id_recipient_country", "ML")
    page.get_by_role("button", name="Continue to the summary").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Is this right?")
    return wrong + [f"summary: {words}" for words in looked_at(page, ALL_PAIRS, ours=True)]


@pytest.fixture(params=["member", "staff", "nobody"])
def visitor(request, school) -> User | None:
    return {"member": school.member, "staff": school.staff, "nobody": None}[request.param]


def test_every_page(enter, visitor, school, values, rich, live_server, complaints):
    page = enter(visitor)
    if visitor:
        page.goto("/accounts/reauthenticate/?next=/account/")
        page.fill("input[name=password]", PASSWORD)
        page.click("main form button")
        page.wait_for_url("**/account/")
    wrong: list[str] = []
    seen = 0
    layouts = LAYOUTS[visitor and visitor.role]
    for name, url in addresses(values):
        wrong += visit(page, url, live_server.url, own_layout=name in layouts)
        if url == "/api/v1/redoc/":  # it wants its maker's logo, and two styles without this answer's number
            complaints[:] = [said for said in complaints if not said.startswith(REFUSED)]
        seen += page.url.endswith(url)
    if visitor == school.member:
        wrong += summary(page)
    assert not wrong, "\n".join(wrong)
    assert seen >= (20 if visitor else 5)
