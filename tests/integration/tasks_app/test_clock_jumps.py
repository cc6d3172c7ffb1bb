"""R21: the server's wall clock jumps by a day, forwards and back. Only the database's clock counts."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from tasks_app import services
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Attempt
from tasks_app.services import sweeping
from tests import factories as make
from workers.contract import PROTOCOL, Answer, Kind

pytestmark = pytest.mark.django_db

DAY = 86_400
BEAT = {"boot_id": "boot", "version": "0.1.0", "protocol": PROTOCOL, "free_bytes": 1, "running": []}


@pytest.fixture
def jump(monkeypatch) -> Callable[[int], None]:
    """The process's own clock is so many seconds ahead from now on."""
    now, seconds = timezone.now, time.time

    def ahead(by: int) -> None:
        monkeypatch.setattr(timezone, "now", lambda: now() + timedelta(seconds=by))
        monkeypatch.setattr(time, "time", lambda: seconds() + by)

    return ahead


KINDS = [Kind.CREATE, Kind.DOWNLOAD, Kind.WRITE]
CONFIRMED_ONCE = [Kind.CREATE, Kind.DOWNLOAD]  # a card that was given back must be confirmed anew


@pytest.fixture(params=KINDS)
def ready(request):
    """A task of each kind that may be claimed, and the host that may."""
    kind = request.param
    make.warehouse()
    if kind is Kind.CREATE:
        return make.task(), make.host()
    host = make.host("writer")
    if kind is Kind.DOWNLOAD:
        return make.task(kind=kind, host=host), host
    task, slot = make.task(kind=kind, host=host, unit=1, status=TaskStatus.WAITING), make.slot(host)
    services.confirm(slot, diskseq=slot.diskseq, boot_id=slot.boot_id, by="operator")
    return task, host


def beat(task, host) -> dict[str, str]:
    body = {**BEAT, "kind": task.kind, "attempts": [{"task": str(task.pk), "attempt": 1}]}
    return services.beat(host, body)["answers"]  # type: ignore[arg-type]


@pytest.mark.parametrize("claimed_at", [0, DAY, -DAY])
@pytest.mark.parametrize("swept_at", [DAY, -DAY])
def test_r21_no_attempt_is_lost_by_a_jump(jump, ready, claimed_at, swept_at):
    task, host = ready
    jump(claimed_at)
    told = services.claim(task.pk, host, make.claim_body())
    jump(swept_at)

    assert sweeping.reclaim() == 0
    assert services.report(task.pk, host, make.report_body()) is Answer.GO
    assert beat(task, host) == {}
    jump(-swept_at)
    assert sweeping.reclaim() == 0

    task.refresh_from_db()
    assert (task.status, task.attempt, task.lost_attempts) == (TaskStatus.RUNNING, 1, 0)
    assert task.reclaim_at - task.lease_expires_at < timedelta(hours=1)
    assert 0 < told["deadline"] < 40 * 3600
    assert list(Attempt.objects.values_list("outcome", flat=True)) == [""]


@pytest.mark.parametrize("ready", CONFIRMED_ONCE, indirect=True)
@pytest.mark.parametrize("by", [DAY, -DAY])
def test_r21_what_was_given_back_is_ready_at_once_whatever_the_clock_says(jump, ready, by):
    task, host = ready
    jump(by)
    services.claim(task.pk, host, make.claim_body())
    services.release(task.pk, host, event_id=uuid.uuid4(), attempt=1)
    jump(-by)

    assert services.claim(task.pk, host, make.claim_body())["attempt"] == 2
