"""Who follows the moves of tasks. Tasks know no orders: the orders room signs up here when it is ready."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from uuid import UUID

from tasks_app.chores import Period
from tasks_app.models import Task


class Follower(Protocol):
    """Called inside the transaction of a task's move, with the order's row locked."""

    def __call__(self, task: Task, came_from: str, went_to: str, *, by: str) -> None: ...


_followers: list[Follower] = []
_recipes: list[Callable[[UUID], str]] = []
_periodic: list[Callable[[], object]] = []
_chores: list[tuple[Period, Callable[[], object]]] = []


def follow(function: Follower) -> Follower:
    """Have `function` called at each move of a task."""
    if function not in _followers:
        _followers.append(function)
    return function


def recipe_of(function: Callable[[UUID], str]) -> Callable[[UUID], str]:
    """Have `function(order_id)` tell the recipe: tasks store no secrets, so they ask when a host claims."""
    _recipes[:] = [function]
    return function


def every_minute(function: Callable[[], object]) -> Callable[[], object]:
    """Have the scheduler call `function` in each sweep. It must be safe in two schedulers at once."""
    if function not in _periodic:
        _periodic.append(function)
    return function


def every(period: Period, function: Callable[[], object]) -> Callable[[], object]:
    """Have one of the schedulers call `function` once an hour or a day, at least."""
    if (period, function) not in _chores:
        _chores.append((period, function))
    return function


def chores() -> list[tuple[Period, Callable[[], object]]]:
    """What the schedulers do once an hour or a day."""
    return list(_chores)


def tell(task: Task, came_from: str, went_to: str, *, by: str) -> None:
    """Tell all followers."""
    for follower in _followers:
        follower(task, came_from, went_to, by=by)


def recipe(order_id: UUID) -> str:
    """The recipe of an order, secrets included."""
    return _recipes[0](order_id)


def periodic() -> list[Callable[[], object]]:
    """What the scheduler calls each minute."""
    return list(_periodic)
