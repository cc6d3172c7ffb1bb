"""Where an image lies that is built and has not come to the warehouse: its host need not build it again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from imager import clock
from tasks_app.models import Host, Task
from tasks_app.presence import online
from workers.contract import Kind, Step

AT: Final = "built_at"  # in the specification of a build; hosts are not told
HEAD_START: Final = timedelta(minutes=5)  # of the host that has it


def noted(task: Task) -> dict[str, Any]:
    """The specification of a build that goes back to the queue; with its host, if only the upload failed."""
    spec: dict[str, Any] = task.spec
    return {**spec, AT: task.host_id} if task.step in (Step.UPLOADING, Step.PUBLISHING) else spec


def forgotten(spec: dict[str, Any]) -> dict[str, Any]:
    """The specification without it."""
    return {name: value for name, value in spec.items() if name != AT}


def lies_elsewhere(task: Task, host: Host) -> bool:
    """Whether another host that is there has the image, and had not its time to take the task yet."""
    place = task.spec.get(AT)
    if task.kind != Kind.CREATE or place in (None, host.pk):
        return False
    at = clock.now()
    return task.not_before + HEAD_START > at and Host.objects.filter(online(at), pk=place).exists()
