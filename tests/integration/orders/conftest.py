"""An organization that orders, and the hosts that work for it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import pytest
from rest_framework.test import APIClient

from imager.accounts.models import Organization, User
from orders.models import Configuration, Content, Media, Order
from orders.services import Recipient, place
from tasks_app import services as tasks
from tasks_app.models import Host, Slot, Task
from tests import factories as make
from tests.doubles.no_broker import no_broker
from warehouse import services as warehouse
from warehouse.models import Warehouse
from workers.contract import ARTIFACT_SUFFIXES, TORRENT_SUFFIX, Kind

__all__ = ["no_broker"]

IMAGE_SIZE = 1_000_000
RECIPIENT = Recipient(
    name="Awa Diop", email="awa@example.org", phone="+223 20 22 52 29", address="Rue 17\nBamako", country="ML"
)


@dataclass(frozen=True)
class School:
    """An organization with people, a configuration and two contents."""

    organization: Organization
    member: User
    staff: User
    configuration: Configuration
    card: Media
    download: Media

    def place(self, **fields) -> Order:
        """An order that is accepted: one card, unless told otherwise."""
        kind = fields.get("kind", "physical")
        defaults = {
            "by": self.member,
            "kind": kind,
            "media": self.card if kind == "physical" else self.download,
            "quantity": 1,
            "recipient": RECIPIENT if kind == "physical" else None,
        }
        return place(fields.pop("configuration", self.configuration), **{**defaults, **fields})[0]


class Line:
    """The hosts, doing what they do over the protocol, through the services behind it."""

    def __init__(self) -> None:
        self.creator = make.host(Host.Kind.CREATOR)
        self.writer = make.host(Host.Kind.WRITER)

    def task(self, order: Order, kind: Kind, unit: int = 0) -> Task:
        return order.tasks.get(kind=kind, unit=unit)

    def claim(self, task: Task) -> Task:
        host = self.creator if task.kind == Kind.CREATE else self.writer
        tasks.claim(task.pk, host, make.claim_body())
        task.refresh_from_db()
        return task

    def report(self, task: Task, **fields) -> str:
        return tasks.report(task.pk, task.host, make.report_body(attempt=task.attempt, **fields))

    def publish(self, task: Task) -> None:
        suffixes = (*ARTIFACT_SUFFIXES, TORRENT_SUFFIX) if task.spec.get("torrent") else ARTIFACT_SUFFIXES
        files = [{"name": task.spec["name"] + s, "size": 10, "sha256": "cd" * 32} for s in suffixes]
        tasks.publish(task_id=task.pk, attempt=task.attempt, files=files)
        tasks.published(task_id=task.pk, attempt=task.attempt)

    def build(self, order: Order) -> Task:
        task = self.claim(self.task(order, Kind.CREATE))
        self.publish(task)
        self.report(task, outcome="done", result={"image_size": IMAGE_SIZE})
        return task

    def download(self, order: Order) -> Task:
        task = self.claim(self.task(order, Kind.DOWNLOAD))
        self.report(task, outcome="done", result={})
        return task

    def insert(self, order: Order, unit: int) -> Task:
        """A card in a slot, confirmed, claimed and permitted."""
        slot = make.slot(self.writer, name=f"S{Slot.objects.count()}")
        confirmed = tasks.confirm(slot, diskseq=slot.diskseq, boot_id=slot.boot_id, by="operator")
        assert (confirmed.order_id, confirmed.unit) == (order.pk, unit)
        task = self.claim(confirmed)
        body = {
            "slot": slot.name,
            "diskseq": slot.diskseq,
            "boot_id": slot.boot_id,
            "card_bytes": slot.card_bytes,
        }
        tasks.permit(task.pk, self.writer, {"event_id": str(uuid.uuid4()), "attempt": task.attempt, **body})
        return task

    def write(self, order: Order, unit: int) -> Task:
        task = self.insert(order, unit)
        self.report(task, outcome="done", result={"slot": "A"})
        return task

    def fail(self, task: Task, message: str = "The base image is missing.") -> None:
        self.report(task, outcome="failed", trouble={"fault": "job", "code": "broken", "message": message})


@pytest.fixture
def school(db, settings) -> School:
    settings.SUPPORT_EMAIL = "support@example.org"
    organization = make.organization(name="École", email="ecole@example.org")
    contents = [
        Content.objects.create(
            ident=f"kiwix:{name}",
            title=name.title(),
            url=f"https://zim.example/{name}.zim",
            size=1_000_000,
            path=f"/data/zims/{name}.zim",
            sha256="ab" * 32,
        )
        for name in ("wikipedia", "gutenberg")
    ]
    configuration = make.configuration(
        organization, name="Library", wifi_password="wifi-canary-1", admin_password="admin-canary-2"
    )
    configuration.contents.set(contents)
    return School(
        organization,
        make.user(organization=organization, email="amina@example.org"),
        make.staff(email="staff@example.org"),
        configuration,
        make.media(Media.Kind.PHYSICAL),
        make.media(Media.Kind.VIRTUAL),
    )


@pytest.fixture
def stranger(db) -> User:
    """A member of another organization."""
    return make.user(email="stranger@example.org")


@pytest.fixture
def line(db, tmp_path) -> Line:
    defaults = {"host": "127.0.0.1", "port": 2121, "local_root": str(tmp_path)}
    Warehouse.objects.update_or_create(slug="main", defaults=defaults)
    return Line()


@pytest.fixture
def api():
    """`api(user)`: an API client of that user."""

    def client(user: User | None) -> APIClient:
        made = APIClient()
        made.force_authenticate(user)
        return made

    return client


def published(order: Order) -> list[str]:
    return [file.name for file in warehouse.published_files(owner=order.pk)]
