"""How long a host may hold a task: the lease, the moment of reclaim, the hard limit."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import uniform
from typing import Any

from django.conf import settings

from tasks_app.models import Task
from workers.contract import (
    BUILD_LIMIT,
    BUILD_STALL_LIMIT,
    STALL_LIMIT,
    WIPE_LIMIT,
    Kind,
    transfer_limit,
    upload_limit,
)


def lease(at: datetime) -> dict[str, Any]:
    """Fields that a sign of life at `at` renews."""
    return {
        "lease_expires_at": at + timedelta(seconds=settings.TASK_LEASE),
        "reclaim_at": at + timedelta(seconds=settings.TASK_RECLAIM),
    }


def deadline(task: Task, at: datetime) -> datetime:
    """When an attempt that began at `at` must be over, however alive it is."""
    transfer = transfer_limit(task.total_bytes)
    seconds = {
        Kind.CREATE: BUILD_LIMIT + upload_limit(task.total_bytes),
        Kind.DOWNLOAD: transfer,
        Kind.WRITE: WIPE_LIMIT + 2 * transfer,  # written, then read back
    }[Kind(task.kind)]
    return at + timedelta(seconds=seconds)


def stall_limit(task: Task) -> timedelta:
    """How long nothing may move."""
    return timedelta(seconds=BUILD_STALL_LIMIT if task.kind == Kind.CREATE else STALL_LIMIT)


def back_off(lost: int) -> timedelta:
    """The pause after `lost` lost attempts: doubling from half a minute, at most an hour, with jitter."""
    return timedelta(seconds=min(settings.TASK_PAUSE * 2**lost, 3600) * uniform(0.5, 1.0))  # noqa: S311  # spreads load, guards nothing
