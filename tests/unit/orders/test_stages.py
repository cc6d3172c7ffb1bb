"""The line of stages, from an order, its moves and its tasks."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from orders.lifecycle import MOVES, OrderStatus
from orders.models import Order, OrderMove
from orders.stages import PATHS, WORK, line
from tasks_app.queries import StageProgress
from workers.contract import Kind

S = OrderStatus


def order(kind: str, status: str, **fields: str) -> Order:
    return Order(kind=kind, status=status, **fields)


def moves(*statuses: str) -> list[OrderMove]:
    return [
        OrderMove(went_to=status, at=datetime(2026, 1, 1, hour, tzinfo=UTC))
        for hour, status in enumerate(statuses)
    ]


def task(kind: Kind, unit: int = 0) -> StageProgress:
    return StageProgress(uuid4(), kind, unit, "queued", "", 0, None, None, None, 1, "", "", 0, None)


def states(subject: Order, *statuses: str) -> list[str]:
    return [stage.state for stage in line(subject, moves(*statuses), [])]


@pytest.mark.parametrize("kind", PATHS)
def test_each_stage_is_behind_here_or_ahead(kind):
    path = PATHS[kind]
    for here, status in enumerate(path):
        found = states(order(kind, status), *path[: here + 1])
        assert found[:here] == ["done"] * here
        assert found[here] in {"now", "done"}
        ahead = [one for one in path[here + 1 :] if one != S.EXPIRED]  # nobody waits for that
        assert found[here + 1 :] == ["ahead"] * len(ahead)


def test_the_paths_follow_the_table_of_moves():
    for path in PATHS.values():
        for came_from, went_to in itertools.pairwise(path):
            assert went_to in MOVES[came_from]


def test_all_stages_but_the_stops_are_on_a_path():
    assert {status for path in PATHS.values() for status in path} == set(S) - {S.FAILED, S.CANCELED}


def test_an_order_that_arrived_has_nothing_going_on():
    assert states(order("physical", S.SHIPPED), *PATHS["physical"]) == ["done"] * 6
    assert states(order("virtual", S.AVAILABLE), S.PLACED, S.CREATING, S.AVAILABLE)[2] == "done"


def test_a_failure_is_shown_where_it_happened():
    failed = order("physical", S.FAILED, failed_stage=S.DOWNLOADING)
    assert states(failed, S.PLACED, S.CREATING, S.DOWNLOADING, S.FAILED)[:4] == [
        "done",
        "done",
        "failed",
        "ahead",
    ]


def test_a_cancel_after_a_failure_is_shown_at_the_last_stage():
    canceled = order("physical", S.CANCELED)
    assert states(canceled, S.PLACED, S.CREATING, S.FAILED, S.CANCELED)[:3] == ["done", "canceled", "ahead"]
    assert states(canceled)[0] == "canceled"  # without any history


def test_times_are_those_of_the_last_arrival_and_never_of_what_is_ahead():
    retried = order("physical", S.CREATING)
    stages = line(retried, moves(S.PLACED, S.CREATING, S.DOWNLOADING, S.FAILED, S.CREATING), [])
    assert [stage.at.hour if stage.at else None for stage in stages] == [0, 4, None, None, None, None]


def test_tasks_are_shown_below_their_stage():
    tasks = [task(Kind.CREATE), task(Kind.DOWNLOAD), task(Kind.WRITE, 1), task(Kind.WRITE, 2)]
    stages = line(order("physical", S.WRITING), moves(S.PLACED), tasks)
    assert [len(stage.tasks) for stage in stages] == [0, 1, 1, 2, 0, 0]
    assert set(WORK.values()) == set(Kind)
