"""How long a host may hold a task: the lease, the moment of reclaim, the hard limit."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import uniform
from typing import Any

from tasks_app.models import Task
from workers.contract import (
    BUILD_LIMIT,
    BUILD_STALL_LIMIT,
    LEASE,
    RECLAIM,
    STALL_LIMIT,
    WIPE_LIMIT,
    Kind,
    transfer_limit,
)


def lease(task: Task, at: datetime) -> dict[str, Any]:
    """Fields that a sign of life at `at` renews."""
    return {
        "lease_expires_at": at + timedelta(seconds=LEASE),
        "reclaim_at": at + timedelta(seconds=RECLAIM[Kind(task.kind)]),
    }


def deadline(task: Task, at: datetime) -> datetime:
    """When an attempt that began at `at` must be over, however alive it is."""
    transfer = transfer_limit(task.total_bytes)
    seconds = {
        Kind.CREATE: BUILD_LIMIT + transfer,
        Kind.DOWNLOAD: transfer,
        Kind.WRITE: WIPE_LIMIT + 2 * transfer,  # written, then read back
    }[Kind(task.kind)]
    return at + timedelta(seconds=seconds)


def stall_limit(task: Task) -> timedelta:
    """How long nothing may move."""
    return timedelta(seconds=BUILD_STALL_LIMIT if task.kind == Kind.CREATE else STALL_LIMIT)


def back_off(lost: int) -> timedelta:
    """The pause after `lost` lost attempts: doubling from 30 s, at most an hour, with jitter."""
    return timedelta(seconds=min(30 * 2**lost, 3600) * uniform(0.5, 1.0))  # noqa: S311  # spreads load, guards nothing
