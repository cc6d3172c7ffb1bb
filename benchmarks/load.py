"""The load: requests sent at their appointed times, however slow the answers are (open loop).

`python -m benchmarks.load PLAN.json` says "ready", begins when its input ends, and prints what came back.
Every host has one connection and keeps it, as workers do; what is due while an answer is still on its way
waits for it. Latency counts from the appointed time, waiting and connecting included. One thread on one
selector: it shares the cores with what it measures.
"""

from __future__ import annotations

import gc
import heapq
import json
import resource
import selectors
import socket
import sys
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any, NamedTuple

SILENCE = 20.0  # seconds after which an answer counts as lost
HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"


class Shot(NamedTuple):
    """A request of a host: when it is due, in seconds from the start; `counts` unless it is to warm up."""

    due: float
    host: int
    words: bytes
    counts: bool


class Host:
    """One host's connection, and what waits for it."""

    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        self.waiting: deque[Shot] = deque()
        self.asked: Shot | None = None
        self.sent_at = 0.0
        self.answer = b""


class Load:
    """Sends the plan to `port` of this machine."""

    def __init__(self, shots: list[Shot], port: int) -> None:
        self._shots = shots
        self._port = port
        self._hosts = [Host() for _ in range(1 + max(shot.host for shot in shots))]
        self._selector = selectors.EpollSelector()
        self._open: set[Host] = set()  # those that wait for an answer
        self.latencies: list[float] = []
        self.dues: list[float] = []  # when each of them was due
        self.lateness: list[float] = []  # of the sending itself, where the connection was free: our own fault
        self.statuses: Counter[str] = Counter()
        self.connections = 0

    def run(self) -> None:
        """Until everything is answered, or lost."""
        self._start = time.monotonic()
        heapq.heapify(self._shots)
        looked = self._start
        while self._shots or self._open:
            now = time.monotonic() - self._start
            while self._shots and self._shots[0].due <= now:
                self._due(heapq.heappop(self._shots))
            for key, _ in self._selector.select(self._pause()):
                self._hear(key.data)
            if time.monotonic() - looked > 1:
                looked = time.monotonic()
                self._give_up(looked - self._start)

    def _pause(self) -> float:
        if not self._shots:
            return 0.2
        return min(1.0, max(0.0, self._shots[0].due - (time.monotonic() - self._start)))

    def _due(self, shot: Shot) -> None:
        host = self._hosts[shot.host]
        if host.asked:
            host.waiting.append(shot)
            return
        if shot.counts:
            self.lateness.append(time.monotonic() - self._start - shot.due)
        self._ask(host, shot)

    def _ask(self, host: Host, shot: Shot) -> None:
        host.asked, host.answer = shot, b""
        host.sent_at = time.monotonic() - self._start
        self._open.add(host)
        try:
            if host.socket is None:
                host.socket = self._connect(host)
            host.socket.sendall(shot.words)
        except OSError as error:
            self._lost(host, type(error).__name__)

    def _connect(self, host: Host) -> socket.socket:
        """On this machine a connection stands at once, and a request fits its buffer: nothing here waits."""
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=SILENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(connection, selectors.EVENT_READ, host)
        self.connections += 1
        return connection

    def _hear(self, host: Host) -> None:
        assert host.socket is not None
        try:
            more = host.socket.recv(65536)
        except OSError as error:
            self._lost(host, type(error).__name__)
            return
        if not more:
            self._lost(host, "closed") if host.asked else self._drop(host)
            return
        host.answer += more
        head, found, body = host.answer.partition(HEAD_END)
        if not found:
            return
        head = head.lower()
        at = head.find(LENGTH)
        if at < 0:
            self._lost(host, "no length")
        elif len(body) >= int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0]):
            if b"\r\nconnection: close" in head:
                self._drop(host)
            self._answered(host, head.split(b" ", 2)[1].decode())

    def _answered(self, host: Host, status: str) -> None:
        shot, host.asked = host.asked, None
        self._open.discard(host)
        if shot and shot.counts:
            self.statuses[status] += 1
            self.latencies.append(time.monotonic() - self._start - shot.due)
            self.dues.append(shot.due)
        if host.waiting:
            self._ask(host, host.waiting.popleft())

    def _lost(self, host: Host, why: str) -> None:
        self._drop(host)
        self._answered(host, why)

    def _drop(self, host: Host) -> None:
        if host.socket is not None:
            self._selector.unregister(host.socket)
            host.socket.close()
            host.socket = None

    def _give_up(self, now: float) -> None:
        for host in [host for host in self._open if now - host.sent_at > SILENCE]:
            self._lost(host, "silence")


def request(path: str, token: str, body: object) -> str:
    """A POST as it goes over the wire."""
    text = json.dumps(body)
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: python-requests/2.32\r\n"
        f"Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n"
        f"Content-Length: {len(text.encode())}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\n\r\n{text}"
    )


def read(plan: dict[str, Any]) -> list[Shot]:
    """The plan's shots; requests that are sent more than once stand there once."""
    words = [text.encode() for text in plan["requests"]]
    return [Shot(due, host, words[number], due >= plan["warm_up"]) for due, host, number in plan["shots"]]


def main(plan_file: str) -> None:
    """Do the plan and print latencies, statuses and the seconds of CPU that this took."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    plan = json.loads(Path(plan_file).read_text())
    load = Load(read(plan), plan["port"])
    print("ready", flush=True)
    sys.stdin.read()  # its end is the sign to begin
    gc.disable()  # nothing here goes round in circles, and a pause would count as the server's
    before = resource.getrusage(resource.RUSAGE_SELF)
    load.run()
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    came = {
        "latencies": load.latencies,
        "dues": load.dues,
        "lateness": load.lateness,
        "statuses": load.statuses,
    }
    json.dump({**came, "statuses": load.statuses, "cpu": used, "connections": load.connections}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
