"""Where an image lies that is built and has not come to the warehouse: its host need not build it again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from imager import clock
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Host, Task
from tasks_app.presence import online
from workers.contract import Kind, Step

AT: Final = "built_at"  # in the specification of a build; hosts are not told
HEAD_START: Final = timedelta(minutes=5)  # of the host that has it
SOON: Final = timedelta(minutes=2)  # such a host begins nothing else: it keeps one image, the latest


def noted(task: Task) -> dict[str, Any]:
    """The specification of a build that goes back to the queue; with its host, if only the upload failed."""
    spec: dict[str, Any] = task.spec
    return {**spec, AT: task.host_id} if task.step in (Step.UPLOADING, Step.PUBLISHING) else spec


def forgotten(spec: dict[str, Any]) -> dict[str, Any]:
    """The specification without it."""
    return {name: value for name, value in spec.items() if name != AT}


def lies_here(task: Task, host: Host) -> bool:
    """Whether this host has the image, and still the time to take the task before others."""
    return task.kind == Kind.CREATE and task.spec.get(AT) == host.pk and _has_time(task, clock.now())


def another_lies_here(task: Task, host: Host) -> bool:
    """Whether this host has the image of another task that it may take now or soon."""
    if task.kind != Kind.CREATE:
        return False
    at = clock.now()
    queued = Task.objects.filter(kind=Kind.CREATE, status=TaskStatus.QUEUED, channel=host.channel_id)
    its_own = queued.filter(**{f"spec__{AT}": host.pk}).exclude(pk=task.pk)
    return its_own.filter(not_before__gt=at - HEAD_START, not_before__lte=at + SOON).exists()


def _has_time(task: Task, at: datetime) -> bool:
    return task.not_before + HEAD_START > at


def lies_elsewhere(task: Task, host: Host) -> bool:
    """Whether another host that is there has the image, and had not its time to take the task yet."""
    place = task.spec.get(AT)
    if task.kind != Kind.CREATE or place in (None, host.pk):
        return False
    at = clock.now()
    return _has_time(task, at) and Host.objects.filter(online(at), pk=place).exists()
