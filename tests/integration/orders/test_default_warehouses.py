"""Where images go: as the organization has it, else its channel, else the site."""

from __future__ import annotations

import pytest

from orders.models import Order
from tasks_app import services as tasks
from tests import factories as make
from tests.integration.orders.conftest import Line, School
from warehouse.models import StoredFile, Warehouse
from workers.contract import ARTIFACT_SUFFIXES, TORRENT_SUFFIX, Kind

pytestmark = pytest.mark.django_db


def store(slug: str) -> Warehouse:
    return Warehouse.objects.create(slug=slug, host=f"{slug}.example", port=21, secret_hash=slug)


def door(line: Line, order: Order) -> str:
    """The host that the builder's ticket leads to."""
    task = line.claim(line.task(order, Kind.CREATE))
    return tasks.ticket(task.pk, line.creator, attempt=task.attempt)["host"]


@pytest.mark.parametrize(
    ("organization", "channel", "cards", "downloads"),
    [
        ({}, {}, "127.0.0.1", "127.0.0.1"),
        ({}, {"warehouse": "a", "public_warehouse": "b"}, "a.example", "b.example"),
        ({"warehouse": "c"}, {"warehouse": "a", "public_warehouse": "b"}, "c.example", "b.example"),
        ({"public_warehouse": "c"}, {}, "127.0.0.1", "c.example"),
        ({"warehouse": "shut"}, {"warehouse": "a"}, "a.example", "127.0.0.1"),
    ],
)
def test_who_decides(school: School, line: Line, organization, channel, cards, downloads):
    stores = {slug: store(slug) for slug in ("a", "b", "c", "shut")}
    Warehouse.objects.filter(slug="shut").update(active=False)
    for one, chosen in ((school.organization, organization), (school.organization.channel, channel)):
        for name, slug in chosen.items():
            setattr(one, name, stores[slug])
        one.save()
    assert door(line, school.place()) == cards
    assert door(line, school.place(kind="virtual")) == downloads


def test_one_that_is_shut_meanwhile_is_left_out(school: School, line: Line):
    school.organization.warehouse = store("a")
    school.organization.save()
    order = school.place()
    Warehouse.objects.filter(slug="a").update(active=False)
    assert door(line, order) == "127.0.0.1"


def test_the_files_are_known_where_they_are_published(school: School, line: Line, client):
    """The warehouse that asks is the one that has them, whatever the default is by then."""
    from warehouse.services import set_secret

    order = school.place(kind="virtual")
    task = line.claim(line.task(order, Kind.CREATE))
    elsewhere = store("elsewhere")
    files = [
        {"name": task.spec["name"] + suffix, "size": 10, "sha256": "cd" * 32}
        for suffix in (*ARTIFACT_SUFFIXES, TORRENT_SUFFIX)
    ]
    answer = client.post(
        "/api/v1/warehouse/publish",
        {"task": str(task.pk), "attempt": task.attempt, "files": files},
        content_type="application/json",
        headers={"Authorization": f"Warehouse elsewhere:{set_secret(elsewhere)}"},
    )
    assert answer.status_code == 200, answer.content
    assert set(StoredFile.objects.values_list("warehouse__slug", flat=True)) == {"elsewhere"}


def test_builders_are_told_by_their_ticket_alone(school: School, line: Line):
    school.organization.warehouse = store("a")
    school.organization.save()
    task = line.task(school.place(), Kind.CREATE)
    assert task.spec["warehouse"] == "a"
    assert "warehouse" not in tasks.claim(task.pk, line.creator, make.claim_body())["spec"]
