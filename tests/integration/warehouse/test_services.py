"""Tickets, and the way of a file: granted, published, removed."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import jwt
import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from imager.accounts.keys import key_ring
from imager.api import Problem
from warehouse import services
from warehouse.ftp import tickets
from warehouse.models import StoredFile, Warehouse
from workers.contract import ARTIFACT_SUFFIXES, FileFacts, Right

Status = StoredFile.Status


def image(stem: str = "school", **changes: Any) -> list[FileFacts]:
    return [
        {"name": stem + suffix, "size": 10 + n, "sha256": f"{n:02x}" * 32, **changes}  # type: ignore[typeddict-item]
        for n, suffix in enumerate(ARTIFACT_SUFFIXES)
    ]


@pytest.fixture
def main() -> Warehouse:
    return Warehouse.objects.create(slug="main", host="ftp.example", port=2121, tls=True, secret_hash="x")


@pytest.fixture
def ids() -> dict[str, Any]:
    return {"task": uuid.uuid4(), "owner": uuid.uuid4()}


def is_refused(status: int, code: str) -> Any:
    return pytest.raises(Problem, check=lambda p: (p.status_code, p.detail.code) == (status, code))


def states() -> set[str]:
    return set(StoredFile.objects.values_list("status", flat=True))


@pytest.mark.django_db
class TestTicket:
    def ticket(self, right: Right, **changes: Any) -> Any:
        self.asked = {
            "task": uuid.uuid4(),
            "attempt": 3,
            "order": uuid.uuid4(),
            "max_bytes": 12345,
            **changes,
        }
        return services.ticket(right=right, **self.asked)

    @pytest.mark.parametrize("right", [Right.STORE, Right.READ])
    def test_the_ftp_server_understands_it(self, main: Warehouse, right: Right) -> None:
        ticket = self.ticket(right)
        keys = key_ring().public.get
        read = tickets.verify(ticket["password"], user=ticket["user"], find_key=keys, now=time.time())
        assert (read.task, read.attempt, read.order) == (
            str(self.asked["task"]), 3, str(self.asked["order"]),
        )  # fmt: skip
        assert (read.right, read.max_bytes) == (right, 12345)

    def test_where_and_how(self, main: Warehouse) -> None:
        ticket = self.ticket(Right.STORE)
        assert (ticket["host"], ticket["port"], ticket["tls"]) == ("ftp.example", 2121, True)
        assert ticket["user"] == f"{self.asked['task']}.3"
        assert (ticket["right"], ticket["expires_in"]) == ("store", 600)

    def test_claims(self, main: Warehouse) -> None:
        text = self.ticket(Right.STORE)["password"]
        ring = key_ring()
        claims = jwt.decode(text, ring.public[ring.kid], ["EdDSA"], audience="warehouse", issuer="imager")
        assert set(claims) == {
            "task", "attempt", "order", "right", "folder", "max_bytes", "iat", "exp", "jti", "iss", "aud",
        }  # fmt: skip
        assert claims["exp"] - claims["iat"] == 600
        assert claims["folder"] == f"{self.asked['task']}.3"

    def test_reading_goes_to_the_warehouse_that_has_the_image(self, main: Warehouse, ids, settings) -> None:
        services.grant(attempt=1, files=image(), **ids)
        services.confirm(task=ids["task"], attempt=1)
        Warehouse.objects.create(slug="new", host="new.example", port=21, secret_hash="y")
        settings.WAREHOUSE = "new"
        assert self.ticket(Right.READ, order=ids["owner"])["host"] == "ftp.example"
        assert self.ticket(Right.STORE)["host"] == "new.example"

    @pytest.mark.parametrize("make", [lambda: None, lambda: Warehouse.objects.update(active=False)])
    def test_no_active_warehouse(self, main: Warehouse, settings, make) -> None:
        if make() is None:
            settings.WAREHOUSE = "elsewhere"
        with is_refused(503, "no_warehouse"):
            self.ticket(Right.STORE)


@pytest.mark.django_db
@pytest.mark.usefixtures("main")
class TestPublishing:
    def test_the_way_of_a_file(self, ids) -> None:
        services.grant(attempt=1, files=image(), **ids)
        assert states() == {Status.PUBLISHING}
        assert services.published_files(owner=ids["owner"]) == []
        services.confirm(task=ids["task"], attempt=1)
        published = services.published_files(owner=ids["owner"])
        assert [file.name for file in published] == sorted(f["name"] for f in image())
        assert {(f.name, f.size, f.sha256) for f in published} == {
            (f["name"], f["size"], f["sha256"]) for f in image()
        }
        assert all(file.published_at and file.attempt == 1 and file.task == ids["task"] for file in published)
        assert published[0].path == f"images/{ids['owner']}/{published[0].name}"
        assert services.remove(owner=ids["owner"]) == 4
        assert services.published_files(owner=ids["owner"]) == []

    def test_asking_and_confirming_again_is_harmless(self, ids) -> None:
        for _ in range(2):
            services.grant(attempt=1, files=image(), **ids)
        for _ in range(2):
            services.confirm(task=ids["task"], attempt=1)
        at = {file.published_at for file in services.published_files(owner=ids["owner"])}
        services.grant(attempt=1, files=list(reversed(image())), **ids)
        services.confirm(task=ids["task"], attempt=1)
        assert StoredFile.objects.count() == 4
        assert {file.published_at for file in services.published_files(owner=ids["owner"])} == at

    def test_other_files_before_publishing_replace_the_first(self, ids) -> None:
        services.grant(attempt=1, files=image(), **ids)
        services.grant(attempt=1, files=image("other", size=99), **ids)
        assert {file.size for file in StoredFile.objects.all()} == {99}
        assert StoredFile.objects.count() == 4

    def test_other_files_after_publishing_are_refused(self, ids) -> None:
        services.grant(attempt=1, files=image(), **ids)
        services.confirm(task=ids["task"], attempt=1)
        with is_refused(409, "already_published"):
            services.grant(attempt=1, files=image(size=99), **ids)
        assert [file.size for file in services.published_files(owner=ids["owner"])] != [99] * 4

    def test_a_second_attempt_is_refused_once_another_is_published(self, ids) -> None:
        services.grant(attempt=1, files=image(), **ids)
        services.confirm(task=ids["task"], attempt=1)
        with is_refused(409, "already_published"):
            services.grant(attempt=2, files=image(), **ids)
        with is_refused(409, "already_published"):
            services.grant(attempt=2, files=image("other"), **ids)

    def test_of_two_granted_attempts_the_first_to_confirm_wins(self, ids) -> None:
        services.grant(attempt=1, files=image(), **ids)
        services.grant(attempt=2, files=image(), **ids)
        services.confirm(task=ids["task"], attempt=2)
        with is_refused(409, "already_published"):
            services.confirm(task=ids["task"], attempt=1)
        assert {file.attempt for file in services.published_files(owner=ids["owner"])} == {2}
        services.confirm(task=ids["task"], attempt=2)

    def test_no_confirming_without_leave_or_after_removal(self, ids) -> None:
        with is_refused(409, "not_granted"):
            services.confirm(task=ids["task"], attempt=1)
        services.grant(attempt=1, files=image(), **ids)
        services.remove(owner=ids["owner"])
        with is_refused(409, "not_granted"):
            services.confirm(task=ids["task"], attempt=1)
        assert states() == {Status.REMOVED}

    def test_orders_do_not_see_each_other(self, ids) -> None:
        services.grant(attempt=1, files=image(), **ids)
        services.confirm(task=ids["task"], attempt=1)
        other = uuid.uuid4()
        services.grant(task=uuid.uuid4(), attempt=1, owner=other, files=image())
        services.remove(owner=other)
        assert len(services.published_files(owner=ids["owner"])) == 4
        assert services.published_files(owner=other) == []

    @pytest.mark.parametrize(
        "files",
        [
            [],
            image()[:3],
            [*image(), image("other")[0]],
            [*image()[:3], image("other")[3]],
            [*image()[:3], image()[0]],
            image("../x"),
            image(".x"),
            image(""),
            image("a b"),
            image("x" * 200),
            image(sha256="AB" * 32),
            image(sha256="ab"),
            image(size=-1),
        ],
    )
    def test_what_is_no_image_is_refused(self, ids, files) -> None:
        with is_refused(422, "not_an_image"):
            services.grant(attempt=1, files=files, **ids)
        assert not StoredFile.objects.exists()

    @pytest.mark.parametrize(
        "more", [["school.img.zst.torrent"] * 2, ["other.img.zst.torrent"], ["school.torrent"]]
    )
    def test_a_torrent_of_something_else_is_refused(self, ids, more) -> None:
        files = [*image(), *({"name": name, "size": 1, "sha256": "ab" * 32} for name in more)]
        with is_refused(422, "not_an_image"):
            services.grant(attempt=1, files=files, **ids)

    def test_an_image_may_have_a_torrent(self, ids) -> None:
        files = [*image(), {"name": "school.img.zst.torrent", "size": 1, "sha256": "ab" * 32}]
        assert len(services.grant(attempt=1, files=files, **ids)) == 5

    def test_the_database_is_the_last_wall(self, main: Warehouse, ids) -> None:
        row = {"warehouse": main, **ids, "name": "x.img.zst", "size": 1, "sha256": "ab" * 32}
        StoredFile.objects.create(**row, attempt=1, status=Status.PUBLISHED)
        with pytest.raises(IntegrityError), transaction.atomic():
            StoredFile.objects.create(**row, attempt=1)
        with pytest.raises(IntegrityError), transaction.atomic():
            StoredFile.objects.create(**row, attempt=2, status=Status.PUBLISHED)


@pytest.mark.django_db
@pytest.mark.usefixtures("main")
class TestRemoved:
    def removed(self, minutes: int = 1) -> list[uuid.UUID]:
        return services.removed_since(timezone.now() - timedelta(minutes=minutes))

    def test_each_order_once(self, ids) -> None:
        services.grant(attempt=1, files=image(), **ids)
        assert self.removed() == []
        services.remove(owner=ids["owner"])
        assert services.remove(owner=ids["owner"]) == 0
        assert self.removed() == [ids["owner"]]

    def test_only_since_then(self, ids) -> None:
        services.grant(attempt=1, files=image(), **ids)
        services.remove(owner=ids["owner"])
        StoredFile.objects.update(removed_at=timezone.now() - timedelta(minutes=2))
        assert self.removed() == []
        assert self.removed(minutes=3) == [ids["owner"]]

    def test_never_an_order_that_has_got_a_new_image_since(self, ids) -> None:
        services.grant(attempt=1, files=image(), **ids)
        services.remove(owner=ids["owner"])
        services.grant(attempt=2, files=image(), **ids)
        assert self.removed() == []


@pytest.mark.django_db(transaction=True)
def test_two_confirmations_at_once_publish_one_attempt(main: Warehouse, ids) -> None:
    for attempt in (1, 2):
        services.grant(attempt=attempt, files=image(), **ids)
    together = Barrier(2)

    def confirm(attempt: int) -> bool:
        try:
            together.wait()
            services.confirm(task=ids["task"], attempt=attempt)
        except Problem:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        won = list(pool.map(confirm, (1, 2)))
    assert sorted(won) == [False, True]
    published = services.published_files(owner=ids["owner"])
    assert {file.attempt for file in published} == {won.index(True) + 1}
    assert len(published) == 4
