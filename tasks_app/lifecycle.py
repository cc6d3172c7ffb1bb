"""The states of a task and its moves."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class TaskStatus(models.TextChoices):
    """Where a task is. Steps and progress are free fields beside it."""

    WAITING = "waiting", _("waiting for a card")
    QUEUED = "queued", _("queued")
    RUNNING = "running", _("running")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")
    CANCELED = "canceled", _("canceled")


S = TaskStatus

ENDED = frozenset({S.DONE, S.FAILED, S.CANCELED})
OPEN = frozenset({S.WAITING, S.QUEUED, S.RUNNING})

MOVES: dict[str, frozenset[str]] = {
    S.WAITING: frozenset({S.QUEUED, S.CANCELED}),
    S.QUEUED: frozenset({S.RUNNING, S.WAITING, S.CANCELED}),
    S.RUNNING: frozenset({S.DONE, S.FAILED, S.CANCELED, S.QUEUED, S.WAITING}),
    S.FAILED: frozenset({S.QUEUED, S.WAITING, S.CANCELED}),
    S.DONE: frozenset(),
    S.CANCELED: frozenset(),
}
