"""Load: up to 10,000 hosts that beat every 15 s (± 20 %) while orders are placed. Writes out/beats.json.

Creators and writers in turn; a writer's beat carries two slots; every tenth host is at work and reports as
often as it beats, too. Each rung of the ladder warms up for one round and is measured for two; the figures at
the top are those of the highest rung that holds (p99 within 100 ms, nothing refused, no lease lost).
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any, Self

import requests

from benchmarks import rig, usage
from benchmarks.load import request
from benchmarks.population import Simulated, settle
from imager.demo.__main__ import order_body
from imager.demo.client import Member
from imager.demo.seeds import MEMBER, Seeds, sow
from imager.stack import Line
from imager.stack.processes import StackError, python

LADDER = (1_000, 2_500, 5_000, 10_000)
EVERY = 15.0  # seconds between two beats of a host
JITTER = 0.2
ROUNDS = 2  # of the measurement, after one that warms up
LIMIT = 0.100  # seconds, p99
BUSY_EVERY = 10
LEASE = 40.0  # of the tasks at work when a rung starts: a report that comes too late is seen
ORDERS_PER_SECOND = 1.0


def main() -> None:
    """Climb the ladder, and say what each rung cost."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--hosts", type=int, nargs="+", default=LADDER, help="the rungs")
    options.add_argument("--rounds", type=int, default=ROUNDS, help=f"of {EVERY:.0f} s, in each rung")
    options.add_argument("--web", type=int, default=2, help="web processes (default: one per core)")
    given = options.parse_args()
    with rig.servers(given.web) as line:
        seeds = sow(line)
        hosts = settle(max(given.hosts), busy_every=BUSY_EVERY, lease=LEASE)
        print(f"{len(hosts)} hosts are enrolled", flush=True)
        ladder = [rung(line, seeds, hosts[:count], given.rounds) for count in sorted(given.hosts)]
    rig.keep("beats", {**best(ladder), "web_processes": given.web, "ladder": ladder})


def best(ladder: list[dict[str, Any]]) -> dict[str, Any]:
    """The highest rung that holds; the lowest, if none does."""
    held = [figures for figures in ladder if figures["holds"]]
    return held[-1] if held else ladder[0]


def holds(figures: dict[str, Any]) -> bool:
    """Quick enough, nothing refused, no lease lost."""
    good = set(figures["statuses"]) <= {"200"}
    lost = figures["lost_leases"] + figures["orders_refused"]
    return bool(good and figures["p99_ms"] <= LIMIT * 1000 and not lost)


def rung(line: Line, seeds: Seeds, hosts: list[Simulated], rounds: int) -> dict[str, Any]:
    """A round to warm up, and `rounds` that count."""
    renew_leases(hosts)
    plan = plan_of(line, hosts, rounds)
    with Orders(line, seeds) as orders, Leases() as leases, Fired(plan) as fired:
        threading.Event().wait(EVERY)
        before = usage.read(line)
        threading.Event().wait(EVERY * rounds)
        after = usage.read(line)
        came = fired.came()
    latencies = came["latencies"]
    figures = {
        "hosts": len(hosts),
        "p50_ms": rig.spread(latencies)["p50"],
        "p99_ms": rig.spread(latencies)["p99"],
        "requests_due_per_second": round(len(latencies) / (EVERY * rounds), 1),
        "requests_per_second": round(answered(came["statuses"]) / (EVERY * rounds), 1),
        "lost_leases": leases.lost,
        "leases": sum(bool(host.task) for host in hosts),
        "orders_placed": orders.placed,
        "orders_refused": orders.refused,
        "statuses": came["statuses"],
        "worst_seconds": worst_seconds(came["dues"], latencies),
        **usage.between(before, after),
        "load_generator": {
            "cpu_percent_of_one_core": round(100 * came["cpu"] / (EVERY * (rounds + 1)), 1),
            "connections": came["connections"],
            "sent_late_p99_ms": rig.spread(came["lateness"])["p99"],
        },
    }
    print(f"{len(hosts)} hosts: p99 {figures['p99_ms']} ms, {figures['cpu_percent']} % CPU", flush=True)
    return {**figures, "holds": holds(figures)}


def worst_seconds(dues: list[float], latencies: list[float]) -> dict[str, float]:
    """The longest wait in ms of each of the three worst seconds: one stall, or slow all the time?"""
    longest: dict[int, float] = {}
    for due, latency in zip(dues, latencies, strict=True):
        longest[int(due)] = max(longest.get(int(due), 0.0), latency)
    worst = sorted(longest, key=lambda second: -longest[second])[:3]
    return {str(second): round(longest[second] * 1000, 1) for second in worst}


def answered(statuses: dict[str, int]) -> int:
    """How many requests the server answered, whatever it said."""
    return sum(count for status, count in statuses.items() if status.isdecimal())


def plan_of(line: Line, hosts: list[Simulated], rounds: int) -> dict[str, Any]:
    """Each host begins at a time of its own within the first 15 s; the first round does not count."""
    chance = random.Random(1)
    requests_, shots = [], []
    end = EVERY * (rounds + 1)
    for number, host in enumerate(hosts):
        beat = request("/api/v1/hosts/me/beat", host.token, host.beat())
        shots += [(at, number, len(requests_)) for at in times(chance, end)]
        requests_.append(beat)
        for turn, at in enumerate(times(chance, end) if host.task else (), 1):
            shots.append((at, number, len(requests_)))
            requests_.append(request(f"/api/v1/tasks/{host.task}/report", host.token, host.report(turn)))
    port = int(line.url.rpartition(":")[2])
    return {"port": port, "warm_up": EVERY, "requests": requests_, "shots": shots}


def times(chance: random.Random, end: float) -> list[float]:
    """When a host speaks: every 15 s ± 20 %, until `end`."""
    at, found = chance.uniform(0, EVERY), []
    while at < end:
        found.append(at)
        at += EVERY * chance.uniform(1 - JITTER, 1 + JITTER)
    return found


class Fired:
    """The load, in a process of its own."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan

    def __enter__(self) -> Self:
        self._file = tempfile.NamedTemporaryFile("w", suffix=".json")
        json.dump(self._plan, self._file)
        self._file.flush()
        argv = python("-m", "benchmarks.load", self._file.name)
        self._child = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
        )
        assert self._child.stdout
        assert self._child.stdin
        self._child.stdout.readline()  # it has read the plan
        self._child.stdin.close()  # go
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.wait()
        self._file.close()

    def came(self) -> dict[str, Any]:
        """Wait for the end: what came back."""
        assert self._child.stdout
        return dict(json.loads(self._child.stdout.read()))


def renew_leases(hosts: list[Simulated]) -> None:
    """Leases that end soon: only reports in time keep them."""
    from datetime import timedelta

    from imager import clock
    from tasks_app.models import Task

    mine = Task.objects.filter(pk__in=[host.task for host in hosts if host.task])
    Task.objects.exclude(pk__in=mine).filter(status="running").update(
        lease_expires_at=clock.now() + timedelta(hours=1)
    )
    mine.update(lease_expires_at=clock.now() + timedelta(seconds=LEASE))


class _Watcher:
    """Does something each second until the block ends."""

    def __enter__(self) -> Any:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(1 / ORDERS_PER_SECOND):
            self.turn()

    def turn(self) -> None:
        """Once."""


class Orders(_Watcher):
    """A member who places orders all the while."""

    def __init__(self, line: Line, seeds: Seeds) -> None:
        self._member = Member(line.url, MEMBER, seeds.passwords[MEMBER])
        self._body = order_body(seeds, "virtual", self._member.media("virtual"), quantity=1)
        self.placed = self.refused = 0

    def turn(self) -> None:
        try:
            self._member.place(self._body)
        except (requests.RequestException, StackError):  # an overloaded server: the rung does not hold
            self.refused += 1
        else:
            self.placed += 1


class Leases(_Watcher):
    """Tasks at work whose lease has run out, each counted once."""

    def __init__(self) -> None:
        self._lost: set[Any] = set()

    @property
    def lost(self) -> int:
        return len(self._lost)

    def turn(self) -> None:
        from imager import clock
        from tasks_app.models import Task

        late = Task.objects.filter(status="running", lease_expires_at__lt=clock.now())
        self._lost.update(late.values_list("pk", flat=True))


if __name__ == "__main__":
    main()
