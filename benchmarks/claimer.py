"""A host that begins and does no work: its own Celery worker, the real journal, claim and child process.

`python -m benchmarks.claimer tasks` hears the bells of its channel, claims as a creator does and prints
`TASK CLAIMED BEGUN`: when the claim's answer was in the journal, and when the process of the attempt said
that it is at work. It prints `ready` when it is idle again, with a process that waits for the next task.
`… bare` prints `TASK HEARD` for plain Celery messages. All are seconds of the system's clock, which the
sender reads, too.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from workers import celery, spare
from workers.child import Child
from workers.config import load
from workers.contract import PROTOCOL, Claim, Kind, Step
from workers.host import Host, open_host
from workers.transcript import Transcript

BARE_QUEUE = "creator.bare"  # the broker lets this host's user into this queue for the benchmark
PATIENCE = 30.0


def main(what: str) -> int:
    """Until a signal."""
    config = load()
    if what == "bare":
        app = celery.bell(config, Kind.CREATE, lambda task: say(task, time.time()))
        return celery.listen(app, BARE_QUEUE, 1, lambda: None)
    spare.LATER = 0.0  # the benchmark waits for it
    with open_host(Kind.CREATE, config) as host:
        host.spare.keep(Kind.CREATE)
        app = celery.bell(config, Kind.CREATE, lambda task: begin(task, host))
        idle(host)
        return celery.listen(app, celery.queue(config, Kind.CREATE), 1, host.spare.close)


def begin(task: str, host: Host) -> None:
    """What `workers.run` and `workers.attempt` do before and at the start of the work."""
    process = host.spare.take()
    fresh = process.claim_id if process else ""
    claim_id = host.journal.begin(task, host.kind, host.boot_id, fresh)
    body: Claim = {"claim_id": claim_id, "boot_id": host.boot_id, "protocol": PROTOCOL, "version": "0.1.0"}
    assignment = host.api.claim(task, body)
    host.journal.claimed(claim_id, assignment["attempt"], assignment["order"])
    claimed = time.time()
    job: dict[str, Any] = {name: assignment[name] for name in ("task", "order", "kind", "attempt", "spec")}
    job |= {"boot_id": host.boot_id, "config": str(host.config.path)}
    child = Child(job, claim_id, Transcript(host.scrub), process)
    while child.state.step is Step.CLAIMED and not child.ended():
        child.changed.wait(PATIENCE)
        child.changed.clear()
    say(task, claimed, time.time())
    child.reap()
    host.journal.forget(claim_id)
    idle(host)


def idle(host: Host) -> None:
    """Say so once a process waits for its job."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        waiting = host.spare.waiting
        if waiting and reads_stdin(waiting.process.pid):
            break
        time.sleep(0.01)
    print("ready", flush=True)


def reads_stdin(pid: int) -> bool:
    """Whether the kernel has it waiting in a call whose first argument is file 0."""
    fields = Path(f"/proc/{pid}/syscall").read_text().split()
    return len(fields) > 2 and fields[0] in ("0", "63") and fields[1] == "0x0"


def say(task: str, *times: float) -> None:
    """Tell the sender."""
    print(task, *times, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
