"""No page and no list of the API asks the database more for three rows than for one.

The addresses come from the URL configuration: a new one is asked without a line here.
"""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from imager.accounts.models import User
from orders import keeping
from orders.models import Configuration, Content
from tests import factories as make
from tests.integration.orders.conftest import Line, School
from tests.integration.staff.test_every_admin import world
from tests.integration.test_isolation import filled, line, routes, school, values

__all__ = ["line", "school", "values"]

pytestmark = pytest.mark.django_db

MOST = 30  # questions, whatever the page
ELSEWHERE = ("admin/", "accounts/logout")  # the admin has a test of its own


def more(school: School, line: Line, n: int) -> None:
    """One more of everything, of the school itself where members are to see it."""
    world(school, line, n)
    make.address(school.organization, name=f"Address {n}")
    saved = make.configuration(school.organization, name=f"Configuration {n}")
    saved.contents.set(school.configuration.contents.all())
    for number in range(2):
        saved.name = f"Configuration {n}, saved again {number}"
        keeping.keep(saved, by=school.member)
    hotspot = Configuration.objects.get(pk=school.configuration.pk)
    hotspot.ssid = f"Hotspot {n}"
    keeping.keep(hotspot, by=school.member)
    make.user(organization=school.organization)


def asked(user: User, addresses: list[str]) -> dict[str, tuple[int, str]]:
    """Questions per page that there is for this person."""
    client, counted = Client(), {}
    client.force_login(user)
    for address in addresses:
        first = client.get(address)  # what is kept for the next time is kept
        kind = first.headers.get("Content-Type", "")
        if first.status_code != 200 or not kind.startswith(("text/html", "application/json")):
            continue
        with CaptureQueriesContext(connection) as questions:
            client.get(address)
        counted[address] = len(questions), "\n".join(query["sql"][:300] for query in questions)
    return counted


@pytest.mark.parametrize("who", ["member", "staff"])
def test_no_list_asks_more_for_three_than_for_one(school, line, values, who):
    user = getattr(school, who)
    addresses = [filled(route, values) for route, _entry in routes() if not route.startswith(ELSEWHERE)]
    school.configuration.contents.set(Content.objects.available())  # what has vanished cannot be ordered
    more(school, line, 2)
    few = asked(user, addresses)
    for n in (4, 6):  # even ones bring no second station, to which work would go
        more(school, line, n)
    many = asked(user, addresses)
    grown = {
        page: f"{few[page][0]} → {count}\n{told}"
        for page, (count, told) in many.items()
        if count > few[page][0]
    }
    assert not grown, "\n\n".join(f"{page}: {told}" for page, told in grown.items())
    assert {page: count for page, (count, _told) in many.items() if count > MOST} == {}
    assert len(many) >= {"member": 25, "staff": 35}[who]
