"""The way of an order as a line of stages: what is behind, what goes on, what is ahead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from orders.lifecycle import OrderStatus
from orders.models import Order, OrderMove
from tasks_app.queries import StageProgress
from workers.contract import Kind

S = OrderStatus

PATHS: Final[dict[str, tuple[OrderStatus, ...]]] = {
    Order.Kind.PHYSICAL: (S.PLACED, S.CREATING, S.DOWNLOADING, S.WRITING, S.READY_TO_SHIP, S.SHIPPED),
    Order.Kind.VIRTUAL: (S.PLACED, S.CREATING, S.AVAILABLE, S.EXPIRED),
}
WORK: Final[dict[str, Kind]] = {S.CREATING: Kind.CREATE, S.DOWNLOADING: Kind.DOWNLOAD, S.WRITING: Kind.WRITE}
STOPPED: Final = {S.FAILED: "failed", S.CANCELED: "canceled"}


@dataclass(frozen=True)
class Stage:
    """One stop on the line. `state` is one of: done, now, ahead, failed, canceled."""

    status: str
    label: str
    state: str
    at: datetime | None  # when the order last came here
    tasks: list[StageProgress]


def line(order: Order, moves: Iterable[OrderMove], tasks: Iterable[StageProgress]) -> list[Stage]:
    """All stages of the order's kind, in their order, with the tasks that belong to each.

    That a download ends is no stage that anybody waits for: it is told once it has come.
    """
    moves, tasks = list(moves), list(tasks)
    path = [status for status in PATHS[order.kind] if status != S.EXPIRED or order.status == S.EXPIRED]
    came = {move.went_to: move.at for move in moves}
    here = path.index(S(_reached(order, moves)))
    return [
        Stage(
            status=status,
            label=str(status.label),
            state=_state(order, index - here),
            at=came.get(status) if index <= here else None,
            tasks=[task for task in tasks if task.kind == WORK.get(status)],
        )
        for index, status in enumerate(path)
    ]


def _reached(order: Order, moves: list[OrderMove]) -> str:
    """The last stage of the path that the order came to."""
    if order.status == S.FAILED:
        return order.failed_stage
    if order.status != S.CANCELED:
        return order.status
    behind = [move.went_to for move in moves if move.went_to not in STOPPED]
    return behind[-1] if behind else S.PLACED


def _state(order: Order, distance: int) -> str:
    if distance < 0:
        return "done"
    if distance > 0:
        return "ahead"
    if order.status in STOPPED:
        return STOPPED[S(order.status)]
    return "done" if order.status in {S.SHIPPED, S.AVAILABLE, S.EXPIRED} else "now"
