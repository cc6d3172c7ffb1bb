"""The verbs of the tasks room."""

from tasks_app.services.attempts import claim, permit, release, report
from tasks_app.services.beats import beat
from tasks_app.services.cards import confirm
from tasks_app.services.duty import disable, drain, enable, resume
from tasks_app.services.hosts import enrol
from tasks_app.services.lots import use_lot
from tasks_app.services.moving import cancel_tasks, create_task, find_hosts, prioritize_tasks, retry_task
from tasks_app.services.publishing import ended, publish, published, ticket
from tasks_app.services.relocating import relocate, unconfirm
from tasks_app.services.suspicion import release_slot

__all__ = [
    "beat",
    "cancel_tasks",
    "claim",
    "confirm",
    "create_task",
    "disable",
    "drain",
    "enable",
    "ended",
    "enrol",
    "find_hosts",
    "permit",
    "prioritize_tasks",
    "publish",
    "published",
    "release",
    "release_slot",
    "relocate",
    "report",
    "resume",
    "retry_task",
    "ticket",
    "unconfirm",
    "use_lot",
]
