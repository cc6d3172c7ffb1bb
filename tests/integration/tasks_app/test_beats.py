"""Beats hold the leases of attempts and bring the cancel; the short way and the long one say the same."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import OperationalError, connection
from django.test import RequestFactory
from django.utils import timezone, translation

from imager.accounts.models import User
from imager.accounts.tokens import AccessToken
from tasks_app import middleware, prepared, services
from tasks_app.api.bodies import is_beat
from tasks_app.api.views import BeatView
from tasks_app.models import Host, RefusedReport, Slot, Task
from tasks_app.services import pace
from tests import factories as make
from tests.doubles.front import FrontClient
from workers.contract import PROTOCOL, Kind

pytestmark = pytest.mark.django_db

BEAT = "/api/v1/hosts/me/beat"


def beat_of(kind="create", **fields):
    body = {
        "kind": kind,
        "boot_id": "b",
        "version": "9",
        "protocol": PROTOCOL,
        "free_bytes": 5,
        "running": [],
    }
    return {**body, **fields}


def held(*tasks, attempt=1):
    return [{"task": str(task.pk), "attempt": attempt} for task in tasks]


def calling(host):
    return FrontClient(HTTP_AUTHORIZATION=f"Bearer {AccessToken.of(host.account)}")


@pytest.fixture
def host():
    return make.host()


@pytest.fixture
def task(host):
    """At work on `host`, with a lease that is nearly over."""
    task = make.task()
    services.claim(task.pk, host, make.claim_body())
    soon = timezone.now() + timedelta(seconds=5)
    Task.objects.filter(pk=task.pk).update(lease_expires_at=soon, reclaim_at=soon)
    task.refresh_from_db()
    return task


class TestAttempts:
    def test_a_beat_renews_the_leases_of_all_attempts(self, host, task):
        second = make.task()
        services.claim(second.pk, host, make.claim_body())
        Task.objects.filter(pk=second.pk).update(lease_expires_at=task.lease_expires_at)

        answer = services.beat(host, beat_of(attempts=held(task, second)))

        assert answer["answers"] == {}
        for renewed in Task.objects.filter(pk__in=[task.pk, second.pk]):
            assert renewed.lease_expires_at > task.lease_expires_at + timedelta(seconds=60)
            assert renewed.reclaim_at > task.reclaim_at + timedelta(seconds=600)

    def test_a_lease_that_is_fresh_is_not_written_again(self, host, task):
        services.beat(host, beat_of(attempts=held(task)))
        before = Task.objects.get(pk=task.pk).lease_expires_at
        services.beat(host, beat_of(attempts=held(task)))
        assert Task.objects.get(pk=task.pk).lease_expires_at == before

    def test_a_cancel_is_answered_and_the_lease_held_until_the_host_says_that_it_stopped(self, host, task):
        services.cancel_tasks(task.order, by="x")
        answer = services.beat(host, beat_of(attempts=held(task)))
        assert answer["answers"] == {str(task.pk): "cancel"}
        assert Task.objects.get(pk=task.pk).lease_expires_at > task.lease_expires_at

    @pytest.mark.parametrize("why", ["attempt", "host", "status", "unknown"])
    def test_what_is_over_is_stale_and_nothing_is_renewed(self, host, task, why):
        attempts = held(task, attempt=2 if why == "attempt" else 1)
        asks = make.host() if why == "host" else host
        if why == "status":
            Task.objects.filter(pk=task.pk).update(status="queued")
        if why == "unknown":
            attempts = [{"task": str(uuid.uuid4()), "attempt": 1}]

        answer = services.beat(asks, beat_of(attempts=attempts))

        assert answer["answers"] == {attempts[0]["task"]: "stale"}
        assert Task.objects.get(pk=task.pk).lease_expires_at == task.lease_expires_at
        assert not RefusedReport.objects.exists()

    def test_a_beat_without_attempts_is_answered_as_ever(self, host, task):
        assert services.beat(host, beat_of()) == {"ring": [], "drain": False}

    def test_the_pace_keeps_within_a_short_lease(self, settings):
        settings.TASK_LEASE = 6
        assert [pace.at_work(running) for running in (0, 100, 1000)] == [1, 1, 2]

    def test_the_pace_is_slower_the_more_are_at_work(self):
        assert [pace.at_work(running) for running in (0, 1, 100, 1000, 10**6)] == [1, 1, 1, 10, 15]
        assert [pace.waiting(hosts) for hosts in (0, 1, 3500, 7000, 10**6)] == [5, 5, 5, 10, 15]


@pytest.mark.django_db(transaction=True)
def test_a_task_that_is_locked_neither_blocks_the_beat_nor_looks_over(host, task):
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM tasks_app_task WHERE id = %s FOR UPDATE", [task.pk])
        answer = services.beat(host, beat_of(attempts=held(task)))
    finally:
        other.rollback()
        other.close()
    assert answer["answers"] == {}
    assert Task.objects.get(pk=task.pk).lease_expires_at == task.lease_expires_at, "the next beat renews it"


def test_a_slot_that_is_as_it_was_is_not_written():
    host = make.host("writer")
    slot = {"name": "A", "present": True, "size": 7, "diskseq": 1, "model": "", "contents": "", "problem": ""}
    services.beat(host, beat_of("write", slots=[slot]))
    before = Slot.objects.get().seen_at
    services.beat(host, beat_of("write", slots=[slot]))
    assert Slot.objects.get().seen_at == before
    services.beat(host, beat_of("write", slots=[{**slot, "diskseq": 2}]))
    assert Slot.objects.get().seen_at > before
    Slot.objects.update(seen_at=timezone.now() - timedelta(minutes=2))
    services.beat(host, beat_of("write", slots=[{**slot, "diskseq": 2}]))
    assert Slot.objects.get().seen_at > before, "and now and then even if it is as it was"


class TestShortWay:
    @pytest.fixture
    def long_way(self, monkeypatch):
        """The calls of the view behind."""
        calls = []
        view = BeatView.post
        monkeypatch.setattr(BeatView, "post", lambda *given: calls.append(1) or view(*given))
        return calls

    def test_a_usual_beat_never_sees_the_view(self, host, task, long_way):
        ready = make.task()
        answer = calling(host).post(BEAT, beat_of(attempts=held(task)))
        assert answer.status_code == 200
        assert answer["Content-Type"] == "application/json"
        assert answer.json() == {
            "ring": [str(ready.pk)],
            "drain": False,
            "answers": {},
            "pace": 1,
            "every": 5,
        }
        assert long_way == []

    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            ({"protocol": PROTOCOL + 1}, 426, "protocol"),
            ({"kind": "write"}, 403, "not_yours"),
            ({"kind": "dance"}, 400, "invalid"),
            ({"surprise": 1}, 400, "invalid"),
            ({"free_bytes": -1}, 400, "invalid"),
            ({"boot_id": ""}, 400, "invalid"),
            ({"running": ["x"]}, 400, "invalid"),
            ({"attempts": [{"task": "x", "attempt": 1}]}, 400, "invalid"),
            ({"attempts": [{"task": str(uuid.uuid4()), "attempt": 0}]}, 400, "invalid"),
            ({"attempts": [{"task": str(uuid.uuid4()), "attempt": 2**31}]}, 400, "invalid"),
            ({"attempts": [{"task": str(uuid.uuid4())}]}, 400, "invalid"),
            ({"attempts": [{"task": str(uuid.uuid4()), "attempt": 1}] * 101}, 400, "invalid"),
        ],
    )
    def test_the_unusual_is_worded_by_the_view(self, host, change, status, code):
        answer = calling(host).post(BEAT, beat_of(**change))
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer["Content-Type"] == "application/problem+json"
        assert Host.objects.get(pk=host.pk).last_seen_at is None

    @pytest.mark.parametrize("by", ["the short way", "the long way"])
    def test_r22_an_older_worker_is_told_to_be_upgraded_and_what_it_is_at_goes_on(
        self, host, task, settings, by
    ):
        settings.MIN_HOST_VERSION = "9.1"
        more = {"boot_id": " b "} if by == "the long way" else {}
        answer = calling(host).post(BEAT, beat_of(version="9.0.9", attempts=held(task), **more))
        assert (answer.status_code, answer.json()["code"]) == (426, "version")
        assert "needed is 9.1 or newer. Upgrade the host" in answer.json()["detail"]
        assert services.report(task.pk, host, make.report_body()) == "go"
        assert calling(host).post(BEAT, beat_of(version="9.1", **more)).status_code == 200

    def test_what_the_view_corrects_is_corrected(self, host, long_way):
        answer = calling(host).post(BEAT, beat_of(boot_id=" b ", version="1\u20282"))
        assert answer.status_code == 200
        assert Host.objects.get(pk=host.pk).boot_id == "b"
        assert long_way == [1]

    @pytest.mark.parametrize(
        "why", ["epoch", "inactive", "ended", "person", "no_host", "expired", "garbage", "none"]
    )
    def test_who_may_not_is_refused_at_once_though_the_token_was_good_a_moment_ago(self, host, why):
        client = calling(host)
        assert client.post(BEAT, beat_of()).status_code == 200
        account = User.objects.filter(pk=host.account_id)
        status = 401
        if why == "epoch":
            account.update(token_epoch=9)
        elif why == "inactive":
            account.update(is_active=False)
        elif why == "ended":
            account.update(expires_at=timezone.now() - timedelta(seconds=1))
        elif why == "person":
            account.update(role="staff")
            status = 403
        elif why == "no_host":
            Host.objects.filter(pk=host.pk).delete()
            status = 403
        elif why == "expired":
            token = AccessToken.of(host.account)
            token.set_exp(from_time=timezone.now() - timedelta(hours=3))
            client = FrontClient(HTTP_AUTHORIZATION=f"Bearer {token}")
        else:
            client = FrontClient(HTTP_AUTHORIZATION="Bearer x" if why == "garbage" else "")
        seen = Host.objects.filter(pk=host.pk).values_list("last_seen_at", flat=True).first()

        assert client.post(BEAT, beat_of()).status_code == status
        assert Host.objects.filter(pk=host.pk).values_list("last_seen_at", flat=True).first() == seen

    @pytest.mark.parametrize("sent", [b"", b"{", b"[]", b"\xff", b'"x"', b"null"])
    def test_no_json_is_no_beat(self, host, sent):
        answer = calling(host).generic("POST", BEAT, sent, content_type="application/json")
        assert answer.status_code == 400

    def test_a_get_is_refused_as_ever(self, host):
        assert calling(host).get(BEAT).status_code == 405

    def test_a_database_that_fails_once_costs_the_long_way(self, host, monkeypatch, long_way):
        run, failures = prepared.row, iter([OperationalError("the connection is gone")])

        def once(*given):
            for failure in failures:
                raise failure
            return run(*given)

        monkeypatch.setattr(prepared, "row", once)
        assert calling(host).post(BEAT, beat_of()).status_code == 200
        assert long_way == [1]

    @pytest.mark.parametrize(
        "body",
        [None, [], "x", 1, {}, beat_of(protocol=True), beat_of(free_bytes=True), beat_of(free_bytes=1.0),
         beat_of(slots=None), beat_of(slots=[{"name": "A"}]), beat_of(running=[1])],
    )  # fmt: skip
    def test_what_is_no_beat(self, body):
        assert not is_beat(body)


class TestMachineCalls:
    def test_a_host_s_call_has_no_session_and_no_language_of_the_last_visitor(self, host):
        with translation.override("fr"):
            answer = calling(host).post(f"/api/v1/tasks/{uuid.uuid4()}/report", make.report_body())
            assert answer.json()["detail"] == "There is no such task."
            assert translation.get_language() == "fr"
        assert "Set-Cookie" not in answer

    def test_its_answer_tells_its_length_so_that_a_cut_one_is_seen(self, host):
        for path in (BEAT, f"/api/v1/tasks/{uuid.uuid4()}/report"):
            answer = calling(host).post(path, beat_of())
            assert int(answer["Content-Length"]) == len(answer.content) > 0

    def test_by_another_name_we_are_not_called(self, host, settings):
        settings.ALLOWED_HOSTS = ["here.example"]
        assert calling(host).post(BEAT, beat_of(), HTTP_HOST="elsewhere.example").status_code == 400

    @pytest.mark.parametrize("path", ["/", "/api/v1/orders/", "/api/v1/hosts/nothing-here"])
    def test_everything_else_goes_the_whole_way(self, path):
        request = RequestFactory().get(path)
        request.user = AnonymousUser()
        assert middleware.MachineCalls(lambda _: "the whole way")(request) == "the whole way"


def test_a_writer_s_beat_of_downloads_keeps_what_it_needs(host):
    writer = make.host("writer")
    task = make.task(kind=Kind.DOWNLOAD, host=writer)
    answer = calling(writer).post(BEAT, beat_of("download"))
    assert answer.json() == {"ring": [str(task.pk)], "drain": False, "keep": [str(task.order_id)]}
