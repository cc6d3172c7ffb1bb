"""What the hosts of a large service have done: tasks, attempts, cards, files, and what they cost."""

from __future__ import annotations

import uuid
from typing import Any

from django.utils import timezone

from benchmarks.filling import copies, fill

HOSTS = 20  # of each kind
SLOTS = 6  # of each writer
BUILT = "o.status NOT IN ('placed', 'creating', 'canceled')"
WRITTEN = "CASE o.status WHEN 'failed' THEN 'failed' WHEN 'downloading' THEN 'waiting'"
TROUBLE = """'{"fault": "card", "code": "card_bad", "message": "The card is bad."}'::jsonb"""


def settle(order: Any) -> str:
    """Everything of the orders that are there; `order` is the first. The name of a writer."""
    creator, slot = settle_hosts(order.organization.channel)
    settle_tasks(order, creator, slot)
    settle_files(order)
    settle_units(order)
    return str(slot.host.name)


def settle_hosts(channel: Any) -> tuple[Any, Any]:
    """The first creator, and the first slot of the first writer."""
    from imager.accounts.models import Role, User
    from tasks_app.models import Host, Slot

    hosts = [
        Host.objects.create(
            name=f"{kind}-{n}", kind=kind, channel=channel, last_seen_at=timezone.now(),
            account=User.objects.create_user(f"{kind}-{n}@crowd.example", None, role=Role(kind)),
        )
        for kind in ("creator", "writer") for n in range(1, HOSTS + 1)
    ]  # fmt: skip
    first = Slot.objects.create(host=hosts[HOSTS], name="1", card_bytes=8_000_000_000)
    place = f"{first.host_id} + n / {SLOTS}"
    copies(first, HOSTS * SLOTS - 1, host_id=place, name=f"(1 + n % {SLOTS})::text")
    return hosts[0], first


def settle_tasks(order: Any, creator: Any, slot: Any) -> None:
    """One that built each image, one that wrote each card, an attempt at each, and the cards."""
    from tasks_app.models import Attempt, Card, Task

    now = timezone.now()
    times = {"created_at": "o.created_at", "queued_at": "o.created_at", "not_before": "o.created_at"}
    build = Task.objects.create(
        order=order, kind="create", channel=order.organization.channel, host=creator, status="done",
        attempt=1, started_at=now, ended_at=now, result={"image_size": 4_000_000_000}, spec={"name": "crowd"},
    )  # fmt: skip
    over = {
        "started_at": "o.created_at + interval '1 hour'",
        "ended_at": f"CASE WHEN {BUILT} THEN o.created_at + interval '2 hours' END",
    }
    status = f"CASE WHEN {BUILT} THEN 'done' WHEN o.status = 'canceled' THEN 'canceled' ELSE 'queued' END"
    host = f"CASE WHEN {BUILT} THEN {creator.pk} + o.number / 10 % {HOSTS} END"
    one = {"id": "gen_random_uuid()", "order_id": "o.id", **times, **over}
    fill(
        build, "FROM orders_order o WHERE o.id <> %s", [order.pk], {**one, "status": status, "host_id": host}
    )
    write = Task.objects.create(
        order=order, kind="write", unit=1, channel=order.organization.channel, host=slot.host, status="done",
        attempt=1, started_at=now, ended_at=now, spec={"name": "crowd"},
    )  # fmt: skip
    written = f"{WRITTEN} WHEN 'writing' THEN 'waiting' ELSE 'done' END"
    ended = "CASE WHEN o.status NOT IN ('downloading', 'writing') THEN o.created_at + interval '1 day' END"
    fill(
        write,
        f"FROM orders_order o WHERE o.id <> %s AND o.kind = 'physical' AND {BUILT}",
        [order.pk],
        {**one, "status": written, "host_id": f"{slot.host_id} + o.number / 10 % {HOSTS}", "ended_at": ended},
    )
    attempt = Attempt.objects.create(
        task=build, attempt=1, host=creator, claim_id=uuid.uuid4(), ended_at=now, outcome="done"
    )
    fill(
        attempt,
        "FROM tasks_app_task o WHERE o.id <> %s AND o.status IN ('done', 'failed')",
        [build.pk],
        {
            "task_id": "o.id",
            "host_id": "o.host_id",
            "claim_id": "gen_random_uuid()",
            "started_at": "o.started_at",
            "ended_at": "o.ended_at",
            "outcome": "o.status",
            "trouble": f"CASE WHEN o.status = 'failed' THEN {TROUBLE} END",
        },
    )
    card = Card.objects.create(
        serial="C0", task=write, attempt=1, order=order, unit=1, host=slot.host, slot=slot,
        verdict="accepted", ended_at=now,
        card_bytes=8_000_000_000, written_bytes=4_000_000_000, write_rate=2e7, read_rate=8e7,
    )  # fmt: skip
    number = "orders_order.number"
    fill(
        card,
        "FROM tasks_app_task o JOIN orders_order ON orders_order.id = o.order_id"
        " WHERE o.id <> %s AND o.kind = 'write' AND o.status IN ('done', 'failed')",
        [write.pk],
        {
            "serial": f"'C' || {number}",
            "certificate_key": f"'k' || {number}",
            "verdict": "CASE o.status WHEN 'done' THEN 'accepted' ELSE 'bad' END",
            "task_id": "o.id",
            "order_id": "o.order_id",
            "host_id": "o.host_id",
            "slot_id": f"{slot.pk} + (o.host_id - {slot.host_id}) * {SLOTS} + {number} / 200 % {SLOTS}",
            "permitted_at": "o.started_at",
            "ended_at": "o.ended_at",
        },
    )


def settle_files(order: Any) -> None:
    """An image each, removed unless it can be downloaded."""
    from warehouse.models import StoredFile, Warehouse

    kept = "o.status IN ('available', 'downloading', 'writing')"
    first = StoredFile.objects.create(
        warehouse=Warehouse.objects.earliest("pk"), owner=order.pk, task=uuid.uuid4(), attempt=1,
        name="crowd-0.img.zst", size=2_000_000_000, sha256="0" * 64, status="removed",
    )  # fmt: skip
    fill(
        first,
        f"FROM orders_order o WHERE o.id <> %s AND {BUILT}",
        [order.pk],
        {
            "owner": "o.id",
            "task": "gen_random_uuid()",
            "name": "o.image_name || '.img.zst'",
            "sha256": "encode(sha256(o.id::text::bytea), 'hex')",
            "status": f"CASE WHEN {kept} THEN 'published' ELSE 'removed' END",
            "granted_at": "o.created_at",
            "published_at": "o.created_at",
            "removed_at": f"CASE WHEN NOT {kept} THEN o.created_at + interval '9 days' END",
        },
    )


def settle_units(order: Any) -> None:
    """Two entries of each order in the ledger of its organization."""
    from imager.accounts.models import UnitEntry

    grant = UnitEntry.objects.create(
        organization=order.organization, number=1, kind="grant", units=1000, held=0, balance=1000, reserved=0,
        limited=False, by="staff@crowd.example", note="a beginning",
    )  # fmt: skip
    fill(
        grant,
        "FROM (SELECT o.id, o.organization_id, o.created_at, way.*, 1 + row_number() OVER"
        " (PARTITION BY o.organization_id ORDER BY o.number, way.held DESC) AS line"
        " FROM orders_order o, (VALUES ('reserve', -10, 10), ('charge', 0, -10)) way(kind, units, held)) o",
        [],
        {
            "organization_id": "o.organization_id",
            "number": "o.line",
            "kind": "o.kind",
            "units": "o.units",
            "held": "o.held",
            "reserved": "greatest(0, o.held)",
            "order_id": "o.id",
            "round": "1",
            "by": "''",
            "note": "''",
            "at": "o.created_at",
        },
    )
