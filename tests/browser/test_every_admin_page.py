"""axe-core finds nothing serious on any page of the admin: each list, a page of each model, what actions ask.

The models come from the admin itself: a new one is looked at without a line here.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.urls import reverse
from playwright.sync_api import Page

from orders.models import Order
from tests.browser.test_every_page import looked_at
from tests.integration.staff.test_every_admin import MODELS, most_connected, world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# What asks before it acts: by the list alone, with a form of its own, with a list of hosts, and Django's own.
ASKING = {
    "admin:tasks_app_host_changelist": "drain",
    "admin:orders_order_changelist": "ship_orders",
    "admin:tasks_app_task_changelist": "relocate",
    "admin:orders_address_changelist": "delete_selected",
}


# Choosers have their name a moment after the page has come.
NAMED = "() => [...document.querySelectorAll('select.admin-autocomplete')].every(one => one.labels[0].id)"


@pytest.fixture
def page(enter, school, line) -> Page:
    """A page of somebody who may do everything, where there is something of everything."""
    world(school, line, 1)
    ready = school.place()
    line.build(ready)
    line.download(ready)
    line.write(ready, 1)
    return enter(school.staff)


def addresses(organization: int) -> Iterator[str]:
    yield from ("/admin/", "/admin/orders/", "/admin/password_change/")
    yield reverse("admin:accounts_organization_grant", args=[organization])
    yield reverse("admin:accounts_organization_history", args=[organization])
    yield reverse("admin:accounts_organization_delete", args=[organization])
    for model in MODELS:
        base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{base}_changelist")
        yield reverse(f"{base}_change", args=[most_connected(model).pk])
    for name in ("accounts_user", "accounts_invitation", "orders_content"):
        yield reverse(f"admin:{name}_add")


def ask(page: Page, name: str, action: str) -> None:
    """Go as far as the question."""
    ready = f"?id__exact={Order.objects.get(status='ready_to_ship').pk}" if action == "ship_orders" else ""
    page.goto(reverse(name) + ready)
    page.locator("input.action-select").first.check()
    page.select_option("select[name=action]", action)
    page.click("button[name=index]")
    page.wait_for_selector("input[name=confirmed], input[name=post]", state="attached")


def test_every_page_of_the_admin(page, school):
    wrong = []
    for url in addresses(school.organization.pk):
        answer = page.goto(url)
        assert answer
        assert answer.status == 200, f"{url}: {answer.status}"
        page.wait_for_function(NAMED)
        wrong += [f"{url}: {words}" for words in looked_at(page, ours=False)]
    assert not wrong, "\n".join(wrong)


def test_what_actions_ask(page):
    wrong = []
    for name, action in ASKING.items():
        ask(page, name, action)
        wrong += [f"{action}: {words}" for words in looked_at(page, ours=False)]
    assert not wrong, "\n".join(wrong)
