"""Every pair of states: legal moves move and leave a row, all others raise and leave nothing."""

from __future__ import annotations

from itertools import product

import pytest
from django.db import IntegrityError, transaction

from imager.lifecycle import IllegalMove, LostRace, move
from tasks_app.lifecycle import MOVES, TaskStatus
from tasks_app.models import Task
from tests import factories as make

pytestmark = pytest.mark.django_db

# what would hurt most, written down apart from the table
NEVER = [
    ("done", "running"),
    ("done", "queued"),
    ("done", "failed"),
    ("done", "canceled"),
    ("canceled", "queued"),
    ("canceled", "running"),
    ("waiting", "running"),
    ("queued", "done"),
    ("failed", "done"),
    ("failed", "running"),
]


def at(status: str) -> Task:
    task = make.task()
    fields = {"status": status}
    if status == "running":
        host = make.host()
        fields |= {
            "host": host,
            "attempt": 1,
            "lease_expires_at": task.created_at,
            "reclaim_at": task.created_at,
        }
    Task.objects.filter(pk=task.pk).update(**fields)
    task.refresh_from_db()
    return task


@pytest.mark.parametrize(("came_from", "went_to"), list(product(TaskStatus.values, TaskStatus.values)))
def test_every_pair(came_from, went_to):
    task = at(came_from)
    rows = task.moves.count()
    fields = {}
    if went_to == "running":
        fields = {
            "host": make.host(),
            "attempt": 1,
            "lease_expires_at": task.created_at,
            "reclaim_at": task.created_at,
        }

    if went_to in MOVES[came_from]:
        move(task, went_to, table=MOVES, by="test", note="why", **fields)
        last = task.moves.last()
        assert (last.came_from, last.went_to, last.by, last.note) == (came_from, went_to, "test", "why")
    else:
        with pytest.raises(IllegalMove):
            move(task, went_to, table=MOVES, by="test")
        task.refresh_from_db()
        assert task.status == came_from
        assert task.moves.count() == rows


@pytest.mark.parametrize(("came_from", "went_to"), NEVER)
def test_what_must_never_be(came_from, went_to):
    assert went_to not in MOVES[came_from]


def test_a_lost_race_changes_nothing():
    task = make.task()
    stale = Task.objects.get(pk=task.pk)
    move(task, "canceled", table=MOVES, by="first")

    with pytest.raises(LostRace):
        move(stale, "canceled", table=MOVES, by="second")

    assert task.moves.filter(went_to="canceled").count() == 1
    assert stale.status == "queued"


def test_the_database_knows_the_states_and_that_running_is_leased():
    task = make.task()
    for fields in ({"status": "banana"}, {"status": "running"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Task.objects.filter(pk=task.pk).update(**fields)
