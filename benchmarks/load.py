"""The load: requests sent at their appointed times, however slow the answers are (open loop).

`python -m benchmarks.load PLAN.json` prints what came back. One connection per request: between two beats of
a host, the web server closed the last one. Latency counts from the appointed time, connection included.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

SILENCE = 20.0  # seconds after which an answer counts as lost


class Shot(NamedTuple):
    """A request (`words`, as sent) and when it is due, in seconds from the start."""

    due: float
    words: bytes


async def fire(shots: list[Shot], port: int) -> tuple[list[float], Counter[str]]:
    """Send all; latencies in seconds and how often which status came."""
    latencies: list[float] = []
    statuses: Counter[str] = Counter()
    start = time.monotonic()

    async def one(shot: Shot) -> None:
        try:
            async with asyncio.timeout(SILENCE):
                status = await ask(port, shot.words)
        except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            status = type(error).__name__
        statuses[status] += 1
        latencies.append(time.monotonic() - start - shot.due)

    async with asyncio.TaskGroup() as group:
        for shot in shots:
            wait = start + shot.due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            group.create_task(one(shot))
    return latencies, statuses


async def ask(port: int, words: bytes) -> str:
    """Send `words`, read the answer to its end; the status code."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(words)
        return (await reader.read()).split(b" ", 2)[1].decode()
    except IndexError:
        return "empty"
    finally:
        writer.close()


def request(path: str, token: str, body: object) -> str:
    """A POST as it goes over the wire."""
    text = json.dumps(body)
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(text.encode())}\r\n\r\n{text}"
    )


def main(plan_file: str) -> None:
    """Do the plan and print latencies, statuses and the seconds of CPU that this took."""
    plan = json.loads(Path(plan_file).read_text())
    shots = sorted(Shot(due, words.encode()) for due, words in plan["shots"])
    latencies, statuses = asyncio.run(fire(shots, plan["port"]))
    used = resource.getrusage(resource.RUSAGE_SELF)
    json.dump(
        {"latencies": latencies, "statuses": statuses, "cpu": used.ru_utime + used.ru_stime}, sys.stdout
    )


if __name__ == "__main__":
    main(sys.argv[1])
