"""R1: many hosts reach for many tasks at once, and each task is begun once."""

from __future__ import annotations

from collections import Counter

import pytest

from imager.api import Problem
from tasks_app import services
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Attempt, Host, Task
from tests import factories as make
from tests.together import together

HOSTS, TASKS = 12, 25


@pytest.mark.django_db(transaction=True)
def test_r01_each_of_many_tasks_is_begun_by_one_of_many_hosts():
    make.channel()
    order = make.order()
    tasks = [make.task(order, unit=unit) for unit in range(TASKS)]
    hosts = [make.host() for _ in range(HOSTS)]

    def reach(host: Host) -> list[str]:
        """For all tasks, in the same order as everybody else; what came of each."""
        return [word(task, host) for task in tasks]

    def word(task: Task, host: Host) -> str:
        try:
            return services.claim(task.pk, host, make.claim_body())["task"]
        except Problem as refusal:
            return refusal.detail.code

    words = Counter(one for many in together(*(lambda h=host: reach(h) for host in hosts)) for one in many)

    assert words == {**{str(task.pk): 1 for task in tasks}, "taken": (HOSTS - 1) * TASKS}
    assert Attempt.objects.count() == TASKS
    assert set(Task.objects.values_list("status", "attempt")) == {(TaskStatus.RUNNING, 1)}
