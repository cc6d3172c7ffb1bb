"""Tasks, the hosts that do them, slots, cards, and what was said about them."""

from __future__ import annotations

from tasks_app.models.attempt import Attempt
from tasks_app.models.card import Card
from tasks_app.models.host import Host
from tasks_app.models.log import LogPiece
from tasks_app.models.lot import Lot
from tasks_app.models.outbox import Outbox
from tasks_app.models.report import RefusedReport, TaskEvent
from tasks_app.models.scheduler import Chore, Pulse, Stumble
from tasks_app.models.slot import Slot, SlotEvent
from tasks_app.models.task import Task, TaskMove

__all__ = [
    "Attempt",
    "Card",
    "Chore",
    "Host",
    "LogPiece",
    "Lot",
    "Outbox",
    "Pulse",
    "RefusedReport",
    "Slot",
    "SlotEvent",
    "Stumble",
    "Task",
    "TaskEvent",
    "TaskMove",
]
