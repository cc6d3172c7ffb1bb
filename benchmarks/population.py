"""Many hosts at once, as rows: enrolled, with access tokens, some of them at work."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from workers.contract import PROTOCOL

WRITER_SLOTS = ("A", "B")


@dataclass(frozen=True)
class Simulated:
    """One host as its requests need it."""

    number: int
    kind: str
    token: str
    task: str  # the task it works at, or ""

    def beat(self) -> dict[str, Any]:
        """What it says of itself every few seconds."""
        body: dict[str, Any] = {
            "kind": "create" if self.kind == "creator" else "write",
            "boot_id": f"boot-{self.number}",
            "version": "0.1.0",
            "protocol": PROTOCOL,
            "free_bytes": 100_000_000_000,
            "running": [self.task] if self.task else [],
            "attempts": [{"task": self.task, "attempt": 1}] if self.task else [],
        }
        return body | (
            {"slots": [self._slot(name) for name in WRITER_SLOTS]} if self.kind == "writer" else {}
        )

    def report(self, done: int) -> dict[str, Any]:
        """How far its task is."""
        progress = {"done": done, "total": 10_000_000_000, "rate": 5e6, "eta": 600.0}
        return {"event_id": str(uuid.uuid4()), "attempt": 1, "step": "building", "progress": progress}

    def _slot(self, name: str) -> dict[str, Any]:
        facts = {"size": 31_914_983_424, "diskseq": 40 + self.number, "model": "Generic SD/MMC"}
        return {"name": name, "present": True, "contents": "FAT “boot”, ext4 “root”", "problem": "", **facts}


def settle(count: int, *, busy_every: int, lease: float) -> list[Simulated]:
    """`count` hosts, creators and writers; every `busy_every`th builds, its lease lasts `lease` s."""
    from imager.accounts.models import Channel, User
    from imager.accounts.tokens import AccessToken
    from tasks_app.models import Host

    channel = Channel.objects.get(slug="main")
    accounts = User.objects.bulk_create(
        User(email=f"load-{n}@hosts.invalid", name=f"load-{n}", role=_kind(n)) for n in range(count)
    )
    hosts = Host.objects.bulk_create(
        Host(name=f"load-{n}", kind=_kind(n), channel=channel, account=account, signing_key="ab" * 32)
        for n, account in enumerate(accounts)
    )
    busy = [host for host in hosts if host.kind == "creator"][:: max(1, busy_every // 2)]
    tasks = dict(zip((host.pk for host in busy), _builds(busy, lease), strict=True))
    return [
        Simulated(n, host.kind, str(AccessToken.of(host.account)), str(tasks.get(host.pk, "")))
        for n, host in enumerate(hosts)
    ]


def _kind(number: int) -> str:
    return "writer" if number % 2 else "creator"


def _builds(hosts: list[Any], lease: float) -> list[uuid.UUID]:
    """A running build for each host, claimed now."""
    from imager import clock
    from imager.accounts.models import Organization
    from orders.models import Media, Order
    from tasks_app.models import Attempt, Task

    organization = Organization.objects.earliest("pk")
    media = Media.objects.filter(kind="virtual").earliest("pk")
    at = clock.now()
    orders = Order.objects.bulk_create(
        Order(
            organization=organization,
            kind="virtual",
            media=media,
            name=f"load {host.name}",
            image_name=host.name,
            recipe="base: {}\n",
            status="creating",
        )
        for host in hosts
    )
    times = {
        "lease_expires_at": at + timedelta(seconds=lease),
        "reclaim_at": at + timedelta(minutes=15),
        "deadline_at": at + timedelta(hours=36),
        "progress_at": at,
        "started_at": at,
    }
    tasks = Task.objects.bulk_create(
        Task(
            order=order,
            kind="create",
            channel_id=host.channel_id,
            status="running",
            host=host,
            attempt=1,
            spec={"name": host.name},
            **times,
        )
        for order, host in zip(orders, hosts, strict=True)
    )
    Attempt.objects.bulk_create(
        Attempt(task=task, attempt=1, host=host, boot_id="boot", claim_id=uuid.uuid4())
        for task, host in zip(tasks, hosts, strict=True)
    )
    return [task.pk for task in tasks]
