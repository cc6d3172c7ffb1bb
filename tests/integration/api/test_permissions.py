"""Every operation of the API × everybody who may come: `permissions.txt` says what each of them is answered.

The operations come from the API's own description. A new one without a row is red, and the message holds
the row as the server answers now: read it, and put it into the table if that is what is meant.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from imager.accounts import invitations
from imager.accounts.models import Invitation, Organization, User
from imager.accounts.tokens import AccessToken
from orders import keeping
from orders.models import Address, Order, Upload
from tasks_app import services as tasks
from tasks_app.models import Host
from tests import factories as make
from tests.integration.orders.conftest import line, school
from warehouse.models import Warehouse
from workers.contract import Kind

__all__ = ["line", "school"]

pytestmark = pytest.mark.django_db

TABLE = Path(__file__).with_name("permissions.txt")
METHODS = ("get", "post", "put", "patch", "delete")
PREFIX = "/api/v1"
MEMBERS_ONLY = {"disabled", "expired", "closed"}  # each is asked; the table has one column for the three
COLUMNS = [
    *("nobody", "member", "foreign", "lonely", "staff"),
    *("creator", "creator2", "writer", "writer2", "warehouse", "barred"),
]

ADDRESS = {
    "name": "School",
    "recipient": "Awa Diop",
    "street": "Rue 17",
    "city": "Bamako",
    "country": "ML",
}

Headers = dict[str, str]


class World:
    """A school with objects in the states that operations need, and everybody who may come."""

    def __init__(self, school, line) -> None:
        self.school, self.line = school, line
        make.warehouse()
        Warehouse.objects.update(secret_hash=hashlib.sha256(b"secret").hexdigest())
        self.placed, self.failed, self.ready = school.place(), school.place(), school.place()
        running = line.claim(line.task(self.failed, Kind.CREATE))
        line.fail(running)
        self.queued = line.task(self.placed, Kind.CREATE)
        self.running = line.claim(line.task(school.place(), Kind.CREATE))
        line.build(self.ready)
        line.download(self.ready)
        line.write(self.ready, 1)
        self.available = school.place(kind="virtual")
        line.build(self.available)
        written = school.place()
        line.build(written)
        line.download(written)
        slot = make.slot(line.writer)
        self.card = line.claim(tasks.confirm(slot, diskseq=slot.diskseq, boot_id=slot.boot_id, by="operator"))
        self.address = Address.objects.create(organization=school.organization, **ADDRESS)
        keeping.keep(school.configuration, by=school.member)
        facts = {
            "size": 1,
            "unpacked": 1,
            "sha256": "ab" * 32,
            "file": "logo/x",
            "name": "x.png",
            "kind": "logo",
        }
        self.upload = Upload.objects.create(organization=school.organization, **facts)
        self.invitation = invitations.invite(
            Invitation(organization=school.organization, email="new@example.org"), by=school.staff
        )
        self.headers = dict(self._people())

    def _people(self) -> list[tuple[str, Headers]]:
        school, line = self.school, self.line
        other = make.channel("other")
        closed = make.user(organization=make.organization(slug="closed"))
        disabled, expired = make.user(), make.user()
        hosts = [
            ("creator", line.creator),
            ("creator2", make.host(Host.Kind.CREATOR, channel=other)),
            ("writer", line.writer),
            ("writer2", make.host(Host.Kind.WRITER, channel=other)),
        ]
        people = [
            ("nobody", {}),
            *((name, bearer(host.account)) for name, host in hosts),
            ("member", bearer(school.member)),
            ("foreign", bearer(make.user())),
            ("lonely", bearer(make.user(organization=None))),
            ("staff", bearer(school.staff)),
            ("warehouse", {"authorization": "Warehouse main:secret"}),
            ("closed", bearer(closed)),
            ("disabled", bearer(disabled)),
            ("expired", bearer(expired)),
        ]
        Organization.objects.filter(pk=closed.organization_id).update(active=False)
        User.objects.filter(pk=disabled.pk).update(is_active=False)
        User.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(days=1))
        return people

    def path(self, operation: str) -> str:
        """The address, with the school's own objects."""
        path = operation.partition(" ")[2]
        values = {
            "{task}": (self.card if path.endswith("/permit") else self.running).pk,
            "orders/{id}": f"orders/{self._order(operation).pk}",
            "configurations/{id}": f"configurations/{self.school.configuration.pk}",
            "{number}": self.school.configuration.versions.latest("number").number,
            "{slug}": self.school.organization.slug,
            "invitations/{id}": f"invitations/{self.invitation.pk}",
            "uploads/{id}": f"uploads/{self.upload.pk}",
            "addresses/{id}": f"addresses/{self.address.pk}",
        }
        if path.endswith("/claim"):
            values["{task}"] = self.queued.pk
        for place, value in values.items():
            path = path.replace(place, str(value))
        assert "{" not in path, f"{operation}: say in `World.path` what stands there"
        return PREFIX + path

    def _order(self, operation: str) -> Order:
        return {"retry": self.failed, "ship": self.ready, "expire": self.available}.get(
            operation.split("/")[-2], self.placed
        )

    def body(self, operation: str) -> dict[str, Any]:
        """A body that is accepted from whoever may send it; for operations without one, none."""
        make_body: Callable[[World], dict[str, Any]] | None = BODIES.get(operation)
        return make_body(self) if make_body else {}

    def answer(self, operation: str, who: str) -> int:
        """What `who` is answered; nothing that it did is kept."""
        method, path, body = operation.partition(" ")[0].lower(), self.path(operation), self.body(operation)
        with transaction.atomic():
            client = APIClient(headers=self.headers[who])
            answer = getattr(client, method)(path, body if method != "get" else None)
            transaction.set_rollback(True)
        return answer.status_code

    def row(self, operation: str) -> list[str]:
        """What everybody is answered, by column."""
        barred = {self.answer(operation, who) for who in MEMBERS_ONLY}
        found = [str(self.answer(operation, who)) for who in COLUMNS[:-1]]
        return [*found, "/".join(sorted(map(str, barred)))]


def bearer(account: User) -> Headers:
    return {"authorization": f"Bearer {AccessToken.of(account)}"}


def _files(world: World) -> dict[str, Any]:
    task = world.running
    names = [
        task.spec["name"] + suffix
        for suffix in (".img.zst", ".img.bmap", ".manifest.json", ".manifest.json.sig")
    ]
    files = [{"name": name, "size": 10, "sha256": "cd" * 32} for name in names]
    return {"task": str(task.pk), "attempt": task.attempt, "files": files}


def _permit(world: World) -> dict[str, Any]:
    slot = world.card.slot
    seen = {"diskseq": slot.diskseq, "boot_id": slot.boot_id, "card_bytes": slot.card_bytes}
    return {"event_id": str(uuid.uuid4()), "attempt": world.card.attempt, "slot": slot.name, **seen}


BODIES: dict[str, Callable[[World], dict[str, Any]]] = {
    "POST /shop/accounts/": lambda world: {},
    "POST /auth/token/": lambda world: {"email": world.school.member.email, "password": make.PASSWORD},
    "POST /auth/token/verify/": lambda world: {"token": str(AccessToken.of(world.school.member))},
    "POST /auth/token/refresh/": lambda world: {"refresh": "x"},
    "POST /orders/": lambda world: {
        "configuration": world.school.configuration.pk,
        "kind": "virtual",
        "media": world.school.download.pk,
        "confirm_duplicate": True,
    },
    "POST /orders/{id}/notes/": lambda world: {"text": "paid"},
    "POST /orders/{id}/prioritize/": lambda world: {"priority": "urgent"},
    "POST /orders/{id}/readdress/": lambda world: {
        "recipient_name": "Awa Diop",
        "recipient_address": "Rue 17",
        "recipient_country": "ML",
    },
    "POST /orders/{id}/ship/": lambda world: {"tracking": "by hand"},
    "POST /configurations/": lambda world: {"name": "New", "admin_password": "secret-word"},
    "POST /addresses/": lambda world: {**ADDRESS},
    "POST /invitations/": lambda world: {
        "organization": world.school.organization.slug,
        "email": "another@example.org",
    },
    "PATCH /account/": lambda world: {"name": "Renamed"},
    "PATCH /addresses/{id}/": lambda world: {"name": "Renamed"},
    "PATCH /configurations/{id}/": lambda world: {"name": "Renamed"},
    "POST /hosts/me/beat": lambda world: {
        "kind": "create",
        "boot_id": "boot",
        "version": "0.1.0",
        "protocol": make.PROTOCOL,
        "free_bytes": 1,
        "running": [],
    },
    "POST /tasks/{task}/claim": lambda world: dict(make.claim_body()),
    "POST /tasks/{task}/report": lambda world: dict(make.report_body()),
    "POST /tasks/{task}/release": lambda world: {"event_id": str(uuid.uuid4()), "attempt": 1},
    "POST /tasks/{task}/ticket": lambda world: {"attempt": 1},
    "POST /tasks/{task}/permit": _permit,
    "POST /warehouse/publish": _files,
    "POST /warehouse/published": _files,
}


def operations() -> list[str]:
    """Every operation that the description of the API holds."""
    schema = SchemaGenerator().get_schema(request=None, public=True)
    return sorted(
        f"{method.upper()} {path.removeprefix(PREFIX)}"
        for path, methods in schema["paths"].items()
        for method in methods
        if method in METHODS
    )


def table() -> dict[str, list[str]]:
    """The rows of permissions.txt, by operation."""
    lines = [line for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    cells = [line.split() for line in lines]
    assert cells[0][1:] == COLUMNS
    return {f"{method} {path}": answers for method, path, *answers in cells[1:]}


def written(operation: str, answers: list[str]) -> str:
    method, _space, path = operation.partition(" ")
    return f"{method:<6} {path:<49}" + "".join(f"{answer:>10}" for answer in answers)


def test_everybody_is_answered_as_the_table_says(school, line, settings):
    settings.SHOP_WEBHOOK_SECRETS = ["of-the-test"]
    known, now = table(), operations()
    world = World(school, line)
    rows = {operation: world.row(operation) for operation in now}
    wrong = [written(operation, row) for operation, row in rows.items() if known.get(operation) != row]
    gone = sorted(known.keys() - rows.keys())
    assert not wrong, "not what permissions.txt says:\n" + "\n".join(wrong)
    assert not gone, f"in permissions.txt, but no operation any more: {gone}"


def test_only_staff_members_hosts_and_warehouses_do_anything():
    """Read from the table, whatever the code thinks."""
    for operation, answers in table().items():
        row = dict(zip(COLUMNS, answers, strict=True))
        if not operation.split()[1].startswith(("/auth/", "/shop/")):
            assert row["nobody"] == row["barred"] == "401", operation
        for stranger in ("foreign", "lonely"):
            assert "{" not in operation or row[stranger] in {"401", "403", "404"}, operation


def test_a_hole_would_be_found(school, line, settings, monkeypatch):
    from orders import queries
    from orders.models import Order

    monkeypatch.setattr(queries, "visible_orders", lambda user: Order.objects.all())
    with pytest.raises(AssertionError, match=r"GET +/orders/\{id\}/"):
        test_everybody_is_answered_as_the_table_says(school, line, settings)
