"""A sign of life: one statement, whatever it carries; nothing strange gets in, nothing old stays."""

from __future__ import annotations

import json
import threading

import psycopg
import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from imager.accounts.models import User
from imager.accounts.tokens import AccessToken
from imager.api import Problem
from tasks_app import prepared, services
from tasks_app.api.authentication import _account
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Host, Slot, Task
from tests import factories as make
from tests.doubles.front import FrontClient
from workers.contract import PROTOCOL, Kind

pytestmark = pytest.mark.django_db


def state(name: str, **fields):
    defaults = {"present": True, "size": 8_000_000_000, "diskseq": 7, "model": "reader", "contents": "FAT"}
    return {"name": name, **defaults, "problem": "", **fields}


def beat_of(kind: str, *slots, **fields):
    body = {
        "kind": kind,
        "boot_id": "b",
        "version": "9",
        "protocol": PROTOCOL,
        "free_bytes": 5,
        "running": [],
    }
    return {**body, **({"slots": list(slots)} if slots else {}), **fields}


def calling(host: Host) -> FrontClient:
    client = FrontClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.of(host.account)}")
    return client


@pytest.mark.parametrize("slots", [0, 1, 3])
def test_a_beat_is_one_statement(django_assert_num_queries, monkeypatch, slots):
    host = make.host("writer")
    body = beat_of("write", *(state(name) for name in "ABC"[:slots]))
    statements = []
    run = prepared.row
    monkeypatch.setattr(prepared, "row", lambda *given: statements.append(given[0]) or run(*given))
    with django_assert_num_queries(0):  # none but the prepared one
        answer = calling(host).post("/api/v1/hosts/me/beat", body)
    assert len(statements) == 1

    assert answer.json() == {"ring": [], "drain": False, "keep": []}
    host.refresh_from_db()
    assert (host.boot_id, host.version, host.free_bytes) == ("b", "9", 5)
    assert abs(timezone.now() - host.last_seen_at).total_seconds() < 3600
    assert host.slots.count() == slots


def test_slots_keep_what_people_and_cards_said_of_them():
    host = make.host("writer")
    make.slot(host, "A", disabled=True, used_diskseq=3, used_boot_id="old")

    services.beat(host, beat_of("write", state("A", model="m" * 300, contents="c" * 600, problem="p" * 600)))

    slot = Slot.objects.get()
    assert (slot.disabled, slot.used_diskseq, slot.used_boot_id) == (True, 3, "old")
    assert (slot.present, slot.card_bytes, slot.diskseq, slot.boot_id) == (True, 8_000_000_000, 7, "b")
    assert [len(text) for text in (slot.model, slot.contents, slot.problem)] == [200, 500, 500]


def test_a_slot_that_is_named_no_more_is_empty_and_its_neighbours_at_other_hosts_are_not():
    host, other = make.host("writer"), make.host("writer")
    for writer in (host, other):
        services.beat(writer, beat_of("write", state("A"), state("B")))
    services.beat(host, beat_of("write", state("B", diskseq=None)))
    services.beat(host, beat_of("download"))  # says nothing of slots: nothing changes

    gone = Slot.objects.get(host=host, name="A")
    assert (gone.present, gone.diskseq, gone.card_bytes, gone.contents) == (False, None, 0, "")
    assert Slot.objects.get(host=host, name="B").present
    assert Slot.objects.filter(host=other, present=True).count() == 2


def test_no_slots_left_is_not_the_same_as_no_word_about_slots():
    host = make.host("writer")
    services.beat(host, beat_of("write", state("A")))

    services.beat(host, beat_of("write", slots=[]))

    assert not Slot.objects.get().present


def test_the_bell_names_what_is_ready_first_come_first_served_and_no_more_than_twenty():
    creator, elsewhere = make.host(), make.host(channel=make.channel("elsewhere"))
    tasks = [make.task() for _ in range(22)]
    Task.objects.filter(pk=tasks[0].pk).update(not_before=timezone.now() + timezone.timedelta(days=2))
    Task.objects.filter(pk=tasks[5].pk).update(priority=1)

    ring = services.beat(creator, beat_of("create"))["ring"]

    assert ring[:3] == [str(tasks[n].pk) for n in (5, 1, 2)]
    assert len(ring) == 20
    assert str(tasks[0].pk) not in ring
    assert services.beat(elsewhere, beat_of("create")) == {"ring": [], "drain": False}


def test_a_downloader_hears_of_downloads_and_a_writer_of_cards():
    host = make.host("writer")
    download = make.task(kind=Kind.DOWNLOAD, host=host)
    write = make.task(download.order, Kind.WRITE, unit=1, host=host)
    make.task(kind=Kind.DOWNLOAD, host=make.host("writer"))

    kept = [str(download.order_id)]
    assert services.beat(host, beat_of("download")) == {
        "ring": [str(download.pk)], "drain": False, "keep": kept,
    }  # fmt: skip
    assert services.beat(host, beat_of("write"))["ring"] == [str(write.pk)]


@pytest.mark.parametrize("word", ["draining", "disabled"])
def test_a_host_that_shall_take_nothing_hears_of_nothing_even_if_asked_a_moment_ago(word):
    host = make.host()
    make.task()
    Host.objects.filter(pk=host.pk).update(**{word: True})  # our copy is older

    assert services.beat(host, beat_of("create")) == {"ring": [], "drain": True}


def test_finished_orders_are_not_kept_and_failed_ones_are():
    host = make.host("writer")
    for status in TaskStatus.values:
        task = make.task(kind=Kind.DOWNLOAD, host=host)
        fields = {"lease_expires_at": timezone.now(), "reclaim_at": timezone.now(), "attempt": 1}
        Task.objects.filter(pk=task.pk).update(status=status, **fields)

    kept = services.beat(host, beat_of("download"))["keep"]

    wanted = Task.objects.filter(status__in=["waiting", "queued", "running", "failed"])
    assert sorted(kept) == sorted(str(task.order_id) for task in wanted)


def test_a_host_that_was_deleted_meanwhile_is_told_so():
    host = make.host()
    Host.objects.filter(pk=host.pk).delete()
    with pytest.raises(Problem) as caught:
        services.beat(host, beat_of("create"))
    assert caught.value.status_code == 403


@pytest.mark.django_db(transaction=True)
def test_a_beat_does_not_wait_for_the_disk_and_what_follows_does():
    host = make.host()

    services.beat(host, beat_of("create"))

    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('synchronous_commit') = boot_val OR source <> 'session' "
                       "FROM pg_settings WHERE name = 'synchronous_commit'")  # fmt: skip
        assert cursor.fetchone() == (True,)


@pytest.mark.django_db(transaction=True)
def test_first_beats_at_once_make_each_slot_once_and_block_nobody():
    host, problems = make.host("writer"), []

    def go(names):
        try:
            services.beat(host, beat_of("write", *(state(name) for name in names)))
        except Exception as error:
            problems.append(error)
            raise
        finally:
            connection.close()

    threads = [threading.Thread(target=go, args=(names,)) for names in ("ABC", "CBA", "BAC", "ACB")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not problems
    assert sorted(host.slots.values_list("name", flat=True)) == ["A", "B", "C"]


@pytest.mark.django_db(transaction=True)
def test_a_host_whose_row_somebody_holds_is_told_to_come_again_after_one_wait():
    host = make.host()
    client = calling(host)
    held = psycopg.connect(**{**connection.get_connection_params(), "cursor_factory": psycopg.Cursor})
    with held, connection.cursor() as cursor:
        held.execute("SELECT FROM tasks_app_host WHERE id = %s FOR UPDATE", [host.pk])
        cursor.execute("SET lock_timeout = '50ms'")
        try:
            answer = client.post("/api/v1/hosts/me/beat", beat_of("create"))
        finally:
            connection.close()

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer["Content-Type"] == "application/problem+json"
    assert json.loads(answer.content)["code"] == "busy"


class TestWhoAsks:
    def test_the_one_query_gives_what_the_models_would(self, django_assert_num_queries):
        host = make.host("writer", operator_email="x@example.org")
        with django_assert_num_queries(1):
            user = _account(str(host.account_id))
            found = user.host
            assert found.account is user

        for built, wanted in ((user, User.objects.get(pk=user.pk)), (found, Host.objects.get(pk=host.pk))):
            assert type(built) is type(wanted)
            fields = [field.attname for field in type(wanted)._meta.concrete_fields]
            assert {name: getattr(built, name) for name in fields} == {
                name: getattr(wanted, name) for name in fields
            }

    @pytest.mark.parametrize("subject", ["0", "-1", "1 OR 1=1", "", None, "٣", "x"])
    def test_nobody(self, subject):
        make.host()
        assert _account(subject) is None

    def test_a_disabled_account_and_an_old_epoch_are_refused_at_once(self):
        host = make.host()
        client = calling(host)
        assert client.post("/api/v1/hosts/me/beat", beat_of("create")).status_code == 200

        User.objects.filter(pk=host.account_id).update(token_epoch=5)
        assert client.post("/api/v1/hosts/me/beat", beat_of("create")).status_code == 401

        client = calling(Host.objects.get(pk=host.pk))
        User.objects.filter(pk=host.account_id).update(is_active=False)
        assert client.post("/api/v1/hosts/me/beat", beat_of("create")).status_code == 401

    def test_people_and_hosts_without_a_row_may_not(self):
        person, host = make.staff(), make.host()
        Host.objects.filter(pk=host.pk).delete()
        for account in (person, User.objects.get(pk=host.account_id)):
            client = APIClient()
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.of(account)}")
            assert client.post("/api/v1/hosts/me/beat", beat_of("create")).status_code == 403


CHANGED_BY_SIGNS = {
    Host: {"last_seen_at", "boot_id", "version", "free_bytes"},
    Slot: {"seen_at", "present", "diskseq", "card_bytes", "contents", "problem", "model", "boot_id"},
    Task: {
        *("lease_expires_at", "reclaim_at", "step", "progress_at"),
        *("progress_done", "progress_total", "progress_rate", "progress_eta"),
    },
}


@pytest.mark.parametrize("model", CHANGED_BY_SIGNS)
def test_what_a_sign_of_life_changes_is_in_no_index(model):
    """Ten thousand hosts do it every few seconds: such an update writes one page and no index."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname, attname FROM pg_indexes "
            "JOIN pg_attribute ON attrelid = to_regclass(quote_ident(indexname)) WHERE tablename = %s",
            [model._meta.db_table],
        )
        found = cursor.fetchall()
    assert "id" in {column for _, column in found}, "the query finds indexes"
    assert [index for index, column in found if column in CHANGED_BY_SIGNS[model]] == []
