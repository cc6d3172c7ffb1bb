"""Load: 10,000 hosts that beat every 15 s while orders are placed. Writes out/beats.json.

Creators and writers in turn; a writer's beat carries two slots; every tenth host is at work and reports every
15 s, too. If so many do not fit (p99 above 100 ms), the next smaller number is tried; at most a minute.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import requests

from benchmarks import rig, usage
from benchmarks.load import request
from benchmarks.population import Simulated, settle
from imager.demo.__main__ import order_body
from imager.demo.client import Member
from imager.demo.seeds import MEMBER, Seeds, sow
from imager.stack import Line
from imager.stack.processes import StackError, python

LADDER = (10_000, 8_000, 6_000, 4_000, 2_000, 1_000)
EVERY = 15.0  # seconds between two beats of a host
FIRST, THEN = 1, 2  # rounds: a look, and the measurement if the look was good
ROUNDS_IN_ALL = 4
LIMIT = 0.100  # seconds, p99
BUSY_EVERY = 10
LEASE = 25.0  # of the tasks at work when a rung starts: a report that comes too late is seen
ORDERS_PER_SECOND = 1.0


def main() -> None:
    """Find the largest number of hosts that holds, and say what it cost."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--hosts", type=int, help="only this number")
    options.add_argument("--web", type=int, default=2, help="web processes (default: one per core)")
    given = options.parse_args()
    ladder = (given.hosts,) if given.hosts else LADDER
    with rig.servers(given.web) as line:
        seeds = sow(line)
        rig.keep("beats", {**climb_down(line, seeds, ladder), "web_processes": given.web})


def climb_down(line: Line, seeds: Seeds, ladder: tuple[int, ...]) -> dict[str, Any]:
    """The figures of the first rung that holds, with those of the rungs that did not."""
    hosts = settle(ladder[0], busy_every=BUSY_EVERY, lease=LEASE)
    refused: list[dict[str, Any]] = []
    rounds = ROUNDS_IN_ALL
    for count in ladder:
        figures = rung(line, seeds, hosts[:count], FIRST)
        rounds -= FIRST
        if holds(figures) and rounds >= THEN:
            figures = rung(line, seeds, hosts[:count], THEN)
        if holds(figures) or not rounds:
            break
        refused.append({name: figures[name] for name in ("hosts", "p99_ms", "cpu_percent", "statuses")})
    return {**figures, "holds": holds(figures), "did_not_hold": refused}


def holds(figures: dict[str, Any]) -> bool:
    """Quick enough, nothing refused, no lease lost."""
    good = set(figures["statuses"]) <= {"200"}
    lost = figures["lost_leases"] + figures["orders_refused"]
    return bool(good and figures["p99_ms"] <= LIMIT * 1000 and not lost)


def rung(line: Line, seeds: Seeds, hosts: list[Simulated], rounds: int) -> dict[str, Any]:
    """`rounds` beats of every host, evenly spread."""
    renew_leases(hosts)
    plan = shots(hosts, rounds)
    before = usage.read(line)
    with Orders(line, seeds) as orders, Leases() as leases:
        came = fire(line, plan)
    after = usage.read(line)
    cost = usage.between(before, after)
    latencies = came["latencies"]
    return {
        "hosts": len(hosts),
        "p50_ms": rig.spread(latencies)["p50"],
        "p99_ms": rig.spread(latencies)["p99"],
        "requests_per_second": round(len(latencies) / (after.at - before.at), 1),
        "lost_leases": leases.lost,
        "leases": sum(bool(host.task) for host in hosts),
        "orders_placed": orders.placed,
        "orders_refused": orders.refused,
        "statuses": dict(Counter(came["statuses"])),
        "seconds": round(after.at - before.at, 1),
        **cost,
        "load_generator_cpu_seconds": round(came["cpu"], 1),
    }


def shots(hosts: list[Simulated], rounds: int) -> list[tuple[float, str]]:
    """Each host at a time of its own within the 15 s, beats and reports."""
    chance = random.Random(1)
    plan = []
    for host in hosts:
        for what in ("beat", "report") if host.task else ("beat",):
            phase = chance.uniform(0, EVERY)
            plan += [(phase + turn * EVERY, words(host, what, turn)) for turn in range(rounds)]
    return plan


def words(host: Simulated, what: str, turn: int) -> str:
    """The request as it goes over the wire."""
    if what == "beat":
        return request("/api/v1/hosts/me/beat", host.token, host.beat())
    return request(f"/api/v1/tasks/{host.task}/report", host.token, host.report(turn + 1))


def fire(line: Line, plan: list[tuple[float, str]]) -> dict[str, Any]:
    """The load runs in a process of its own."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"port": int(line.url.rpartition(":")[2]), "shots": plan}, file)
        file.flush()
        argv = python("-m", "benchmarks.load", file.name)
        done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    return dict(json.loads(done.stdout))


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
