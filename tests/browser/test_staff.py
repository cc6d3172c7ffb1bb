"""Staff in a real browser: a failed order, parcels, the admin in light and dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from orders import desk
from orders.models import Order
from tests import factories as make
from tests.browser.conftest import shoot
from workers.contract import Kind

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def wide(page: Page) -> int:
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def test_staff_handle_a_failed_order(enter, school, line):
    order = school.place(quantity=2)
    school.place()
    line.fail(line.claim(line.task(order, Kind.CREATE)), "The base image is missing.")
    clerk = make.clerk("support", name="Fatou")
    page = enter(clerk)

    page.goto("/admin/orders/order/?status__exact=failed")
    shoot(page, "staff-failed-orders")
    page.click(f"text={order.number}")
    shoot(page, "staff-failed-order-admin")
    page.click(".field-page a")
    expect(page.locator("h1")).to_contain_text(f"#{order.number}")
    expect(page.locator(".desk")).to_contain_text("Members see nothing of this")
    expect(page.get_by_text("The base image is missing.").first).to_be_visible()
    page.fill("#note", "The mirror was down; it is back.")
    page.click("text=Keep the note")
    expect(page.locator(".notes")).to_contain_text("The mirror was down")
    page.select_option("#priority", label="urgent")
    page.click("text=Set the priority")
    expect(page.locator("#messages")).to_contain_text("The priority is set.")
    page.click("text=Change the address before shipping")
    page.fill("#id_address", "Avenue 3\nKayes")
    shoot(page, "staff-address")
    page.click("text=Send the cards there")
    expect(page.locator("address")).to_contain_text("Kayes")
    shoot(page, "staff-desk")
    page.locator("#actions").get_by_role("button", name="Try again").click()
    expect(page.locator("#messages")).to_contain_text("goes on where it stopped")
    order.refresh_from_db()
    assert (order.status, order.priority) == ("creating", 10)
    assert order.recipient_address.split() == ["Avenue", "3", "Kayes"]

    page.check("#free")
    page.click("text=Make it again")
    expect(page.locator("#messages")).to_contain_text("Made again")
    assert Order.objects.count() == 3


def test_parcels_are_shipped_from_the_list(enter, school, line):
    orders = [school.place(), school.place()]
    for order in orders:
        line.build(order)
        line.download(order)
        line.write(order, 1)
    page = enter(make.clerk("operator"))
    page.goto("/admin/orders/order/?status__exact=ready_to_ship")
    page.check("#action-toggle")
    page.select_option("select[name=action]", "ship_orders")
    page.click("button[name=index]")
    shoot(page, "staff-ship")
    for order in orders:
        page.fill(f"#id_tracking_{order.pk}", f"DHL {order.number}")
    page.click("input[type=submit][value='Ship orders']")
    expect(page.locator(".messagelist")).to_contain_text("Done for 2")
    assert set(Order.objects.values_list("status", flat=True)) == {"shipped"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_how_the_staff_side_looks(enter, school, line, scheme, width, complaints):
    order = school.place(quantity=2)
    line.build(order)
    line.download(order)
    line.write(order, 1)
    failed = school.place(kind="virtual")
    line.fail(line.claim(line.task(failed, Kind.CREATE)))
    desk.note(failed, "The mirror was down; it is back.", by=school.staff)
    page = enter(school.staff, width=width, scheme=scheme)
    too_wide = {}
    for name, url in {
        "admin": "/admin/",
        "admin-orders": "/admin/orders/order/",
        "admin-order": f"/admin/orders/order/{order.pk}/change/",
        "admin-organization": f"/admin/accounts/organization/{school.organization.pk}/change/",
        "admin-user": f"/admin/accounts/user/{school.member.pk}/change/",
        "admin-tasks": "/admin/tasks_app/task/",
        "admin-host": f"/admin/tasks_app/host/{line.writer.pk}/change/",
        "statistics": "/staff/statistics/",
        "health": "/staff/health/",
        "order-desk": failed.get_absolute_url(),
        "address": f"/staff/orders/{order.pk}/address/",
    }.items():
        page.goto(url)
        shoot(page, f"staff-{name}-{scheme}-{width}")
        if not name.startswith("admin") and (over := wide(page)) > 0:
            too_wide[name] = over
    assert not too_wide
