"""Every page for everybody, found from the URL configuration: a new one is looked at without a line here.

axe-core finds nothing serious, in light and in dark, on a desk and on a phone; the browser asks nobody but
us; the policy is strict; written from right to left, nothing sticks out.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

import pytest
from playwright.sync_api import Page, Request

from imager.accounts.models import User
from tests import factories as make
from tests.factories import PASSWORD
from tests.integration.test_isolation import filled, routes, values
from workers.contract import Kind

__all__ = ["values"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
FINDINGS = """rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})
  .then(found => found.violations.filter(v => ['serious', 'critical'].includes(v.impact))
    .map(v => `${v.id}: ${v.nodes.slice(0, 3).map(n => n.html.slice(0, 160)).join(' | ')}`))"""
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
NOT_PAGES = ("api/v1/", "i18n/", "d/<")
API_PAGES = {"api/v1/docs/", "api/v1/redoc/"}
ELSEWHERE = ("data:", "blob:")
REFUSED = ("Loading the image 'https://cdn.redoc.ly/", "Applying inline style violates")


def addresses(values: dict[str, str]) -> Iterator[str]:
    """Each page's, with objects of the school and its line."""
    for route, _entry in routes():
        if not route.startswith((*NOT_PAGES, "admin/")) or route in API_PAGES:
            yield filled(route, values)


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


def visit(page: Page, url: str, here: str) -> list[str]:
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
    return [f"{url}: {words}" for words in (*wrong, *looked_at(page, ours=not url.startswith("/api/")))]


def looked_at(page: Page, *, ours: bool) -> Iterator[str]:
    """Findings in both schemes and widths, and from right to left."""
    for scheme, width in (("light", 1280), ("dark", 360)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate(AXE)
        yield from (f"{scheme} {width}: {words}" for words in page.evaluate(FINDINGS, RULES))
    if ours:
        page.evaluate("document.documentElement.dir = 'rtl'")
        yield from (f"right to left: {words}" for words in page.evaluate(STICKS_OUT))


@pytest.fixture(params=["member", "staff", "nobody"])
def visitor(request, school) -> User | None:
    return {"member": school.member, "staff": school.staff, "nobody": None}[request.param]


def test_every_page(enter, visitor, values, rich, live_server, complaints):
    page = enter(visitor)
    if visitor:
        page.goto("/accounts/reauthenticate/?next=/account/")
        page.fill("input[name=password]", PASSWORD)
        page.click("main form button")
        page.wait_for_url("**/account/")
    wrong: list[str] = []
    seen = 0
    for url in addresses(values):
        wrong += visit(page, url, live_server.url)
        if url == "/api/v1/redoc/":  # it wants its maker's logo, and two styles without this answer's number
            complaints[:] = [said for said in complaints if not said.startswith(REFUSED)]
        seen += page.url.endswith(url)
    assert not wrong, "\n".join(wrong)
    assert seen >= (20 if visitor else 5)
