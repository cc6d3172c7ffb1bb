"""No page is wider than a small phone, in either scheme; pictures for people to look at."""

from __future__ import annotations

import pytest

from orders import services
from tests.browser.conftest import shoot
from workers.contract import Kind

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def urls(school, line) -> dict[str, str]:
    school.configuration.name = "AnExtraordinarilyLongConfigurationNameWithoutAnySpaceInIt" * 2
    school.configuration.name = school.configuration.name[:100]
    school.configuration.save()
    order, failed, download = school.place(quantity=3), school.place(), school.place(kind="virtual")
    line.build(order)
    line.download(order)
    line.write(order, 1)
    line.fail(line.claim(line.task(failed, Kind.CREATE)), "https://zim.example/" + "x" * 200)
    line.build(download)
    services.cancel(school.place(), by=school.staff)
    return {
        "home": "/",
        "orders": "/orders/",
        "order-form": f"/orders/new/?configuration={school.configuration.pk}",
        "order-page": order.get_absolute_url(),
        "order-failed": failed.get_absolute_url(),
        "order-download": download.get_absolute_url(),
        "configurations": "/configurations/",
        "configuration": f"/configurations/{school.configuration.pk}/",
        "stations": "/station/",
        "station": f"/station/{line.writer.name}/",
        "password": "/accounts/password/change/",
        "nothing": "/nothing/",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_scrolls_sideways(enter, school, urls, width, scheme, complaints):
    page = enter(school.staff, width=width, scheme=scheme)
    too_wide = {}
    for name, url in urls.items():
        page.goto(url)
        shoot(page, f"{name}-{scheme}-{width}")
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if over > 0:
            too_wide[name] = over
    complaints[:] = [words for words in complaints if "404" not in words]  # the page that is not there
    assert not too_wide


def test_the_order_page_on_paper(enter, school, urls):
    page = enter(school.staff)
    page.goto(urls["order-page"])
    page.emulate_media(media="print")
    assert not page.locator("header.top").is_visible()
    assert not page.locator("#actions").is_visible()
    assert page.locator("address").is_visible()
    assert page.locator("#cards").is_visible()
    shoot(page, "order-page-print")
