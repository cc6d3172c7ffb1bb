"""Hosts, in seconds: how long silence is borne (docs/protocol.md). They learn theirs with each claim."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from imager.env import env
from workers import contract

TASK_LEASE = env.float("TASK_LEASE", default=contract.LEASE)
TASK_REPORT_EVERY = env.float("TASK_REPORT_EVERY", default=min(contract.REPORT_EVERY, TASK_LEASE / 3))
TASK_RECLAIM = env.float("TASK_RECLAIM", default=max(contract.RECLAIM, TASK_LEASE))
if not 0 < TASK_REPORT_EVERY * 2 <= TASK_LEASE <= TASK_RECLAIM:
    raise ImproperlyConfigured(
        f"TASK_REPORT_EVERY ({TASK_REPORT_EVERY:g} s) must be at most half of TASK_LEASE ({TASK_LEASE:g} s), "
        f"and that at most TASK_RECLAIM ({TASK_RECLAIM:g} s): or hosts lose work that they are doing."
    )
TASK_PAUSE = env.float("TASK_PAUSE", default=30)  # after a lost attempt; doubles with each
SWEEP_EVERY = env.float("SWEEP_EVERY", default=60)  # at most so late is a lost attempt noticed

MIN_HOST_VERSION = env.str("MIN_HOST_VERSION", default="")  # older workers get no work: 426
