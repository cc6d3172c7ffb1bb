"""From a task's commit to the start of its work on an idle host, beside bare Celery: out/dispatch.json.

One task at a time: committed, NOTIFY, scheduler, Valkey, the host's Celery worker, journal, claim over HTTP,
journal, and the process of the attempt says that it is at work. After each, the same for a plain Celery
message on the same Valkey: sent, heard.
"""

from __future__ import annotations

import argparse
import time
import uuid
from pathlib import Path
from typing import Any

from benchmarks import rig
from benchmarks.claimer import BARE_QUEUE
from imager.demo.seeds import sow
from imager.stack import Line
from imager.stack.line import read_environment
from imager.stack.processes import Process, python
from workers.contract import CELERY_NAMES, PROTOCOL, Kind

TASKS = 500
WARM_UP = 10
PATIENCE = 30.0


def main() -> None:
    """Measure, keep."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tasks", type=int, default=TASKS)
    tasks = options.parse_args().tasks
    with rig.servers() as line:
        sow(line)
        claimed, begun, bare = (rig.spread(times) for times in measure(line, tasks))
    ratio = round(begun["p50"] / bare["p50"], 2)
    figures = {"start_ms": begun, "claimed_ms": claimed, "bare_celery_ms": bare}
    rig.keep("dispatch", {**figures, "tasks": tasks, "ratio_p50": ratio})


def measure(line: Line, tasks: int) -> tuple[list[float], list[float], list[float]]:
    """Seconds from the commit to the claim and to the start, and of bare messages."""
    environment = enrol(line)
    heard = Heard(start(line, "tasks", environment)), Heard(start(line, "bare", environment))
    orders = Orders()
    claimed, begun, bare = [], [], []
    for _ in range(WARM_UP + tasks):
        heard[0].wait("ready")
        at, started = orders.commit(heard[0])
        claimed.append(at)
        begun.append(started)
        bare.append(send(heard[1]))
    return claimed[WARM_UP:], begun[WARM_UP:], bare[WARM_UP:]


def enrol(line: Line) -> dict[str, str]:
    """A creator host, which may listen to the bare queue, too."""
    import redis

    env_file = line.var / "hosts" / "claimer.env"
    line.manage("create_host", "claimer", "--kind", "creator", "--env-file", str(env_file))
    with redis.Redis.from_url(line.servers.redis_url) as broker:
        keys = [f"~{prefix}{BARE_QUEUE}" for prefix in ("", "_kombu.binding.", "_kombu.binding_permanent.")]
        broker.execute_command("ACL", "SETUSER", "host-claimer", *keys)
    folder = line.var / "hosts"
    paths = {"IMAGER_DATA": str(folder / "claimer"), "IMAGER_CONFIG": str(folder / "claimer.toml")}
    return {**read_environment(env_file), **paths}


def start(line: Line, what: str, environment: dict[str, str]) -> Process:
    """The host's process."""
    name = f"claimer-{what}"
    return line.processes.start(name, *python("-m", "benchmarks.claimer", what), environment=environment)


class Heard:
    """What a claimer prints, as it comes."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._log = Path(process.log).open()  # noqa: SIM115  # open as long as the process runs
        self._rest = ""
        self._lines: list[str] = []

    def wait(self, word: str) -> list[float]:
        """The times behind `word` in the next line that begins with it."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            *lines, self._rest = (self._rest + self._log.read()).split("\n")
            self._lines += lines
            while self._lines:
                line = self._lines.pop(0)
                if line.startswith(word):
                    return [float(field) for field in line.split()[1:]]
            time.sleep(0.002)
        raise SystemExit(f"{self._process.name} heard nothing of {word}:\n{self._process.tail()}")


class Orders:
    """Orders with one build each."""

    def __init__(self) -> None:
        from imager.accounts.models import Channel, Organization
        from orders.models import Media

        self._channel = Channel.objects.get(slug="main")
        self._fields: dict[str, Any] = {
            "organization": Organization.objects.earliest("pk"),
            "kind": "virtual",
            "media": Media.objects.filter(kind="virtual").earliest("pk"),
            "recipe": "base: {}\n",
        }

    def commit(self, heard: Heard) -> tuple[float, float]:
        """Seconds from the commit of a build to its claim, and to its start."""
        from django.db import transaction

        from orders.models import Order
        from tasks_app.services import create_task

        name = f"bench-{uuid.uuid4()}"
        with transaction.atomic():
            order = Order.objects.create(name=name, image_name=name, **self._fields)
            task = create_task(
                order, Kind.CREATE, channel=self._channel, spec={"name": name}, total_bytes=1, by="benchmark"
            )
        committed = time.time()
        claimed, begun = heard.wait(str(task.pk))
        return claimed - committed, begun - committed


def send(heard: Heard) -> float:
    """Seconds from `send_task` to the start of a plain Celery task."""
    from imager.celery import app

    task = str(uuid.uuid4())
    sent = time.time()
    message = {"task": task, "protocol": PROTOCOL}
    app.send_task(CELERY_NAMES[Kind.CREATE], kwargs=message, queue=BARE_QUEUE, retry=False)
    return heard.wait(task)[0] - sent


if __name__ == "__main__":
    main()
