"""R9: three schedulers at the same moment ring each bell once, and end each lost attempt once."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from tasks_app import bells, services
from tasks_app.models import Attempt, Task
from tasks_app.services import sweeping
from tests import factories as make
from tests.together import PATIENCE, alone, together

pytestmark = pytest.mark.django_db(transaction=True)

TASKS = 12


class Broker:
    """Its edge: remembers for whom a bell was rung."""

    def __init__(self) -> None:
        self.rung: Counter[str] = Counter()

    def send_task(self, _name: str, *, kwargs: dict[str, Any], **_: object) -> None:
        self.rung[kwargs["task"]] += 1


def test_r09_three_schedulers_ring_each_bell_once():
    """The first has taken its bells, and its commit is not there yet, when the others look."""
    tasks = [make.task() for _ in range(TASKS)]
    broker = Broker()

    def ring() -> int:
        return bells.ring_tasks(broker)  # type: ignore[arg-type]

    with ThreadPoolExecutor(2) as pool, transaction.atomic():
        first = ring()
        others = [pool.submit(alone, ring) for _ in range(2)]
        assert [other.result(PATIENCE) for other in others] == [0, 0]
    assert (first, ring()) == (TASKS, 0)
    assert broker.rung == {str(task.pk): 1 for task in tasks}


def test_r09_three_sweeps_end_each_lost_attempt_once():
    host = make.host()
    tasks = [make.task() for _ in range(TASKS)]
    for task in tasks:
        services.claim(task.pk, host, make.claim_body())
    long_ago = timezone.now() - timedelta(days=1)
    Task.objects.update(lease_expires_at=long_ago, reclaim_at=long_ago)

    ended = together(*[sweeping.reclaim] * 3)

    assert sum(ended) + sweeping.reclaim() == TASKS
    assert set(Task.objects.values_list("status", "lost_attempts")) == {("queued", 1)}
    assert Attempt.objects.filter(outcome="lost").count() == TASKS
    went = [list(task.moves.values_list("went_to", flat=True)) for task in tasks]
    assert went == [["queued", "running", "queued"]] * TASKS
