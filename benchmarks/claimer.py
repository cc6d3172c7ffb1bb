"""A host that begins and does no work: its own Celery worker, the real journal, the real claim.

`python -m benchmarks.claimer tasks` hears the bells of its channel, claims as a creator does and prints
`TASK SECONDS` when the claim's answer is in the journal: that is when the work would start. `… bare` prints
the same for plain Celery messages. SECONDS are the system's clock, which the sender reads, too.
"""

from __future__ import annotations

import sys
import time

from workers import celery
from workers.config import load
from workers.contract import PROTOCOL, Claim, Kind
from workers.host import Host, open_host

BARE_QUEUE = "creator.bare"  # the broker lets this host's user into this queue for the benchmark
# One place is always idle. A worker that just ended its only task looks for bells up to a second later (kombu
# polls while `worker_disable_prefetch` holds it back): nothing beside hours of work, and not measured here.
PLACES = 2


def main(what: str) -> int:
    """Until a signal."""
    config = load()
    if what == "bare":
        app = celery.bell(config, Kind.CREATE, started)
        return celery.listen(app, BARE_QUEUE, PLACES, lambda: None)
    with open_host(Kind.CREATE, config) as host:
        app = celery.bell(config, Kind.CREATE, lambda task: claim(task, host))
        return celery.listen(app, celery.queue(config, Kind.CREATE), PLACES, lambda: None)


def claim(task: str, host: Host) -> None:
    """What `workers.run` does before the work."""
    claim_id = host.journal.begin(task, host.kind, host.boot_id)
    body: Claim = {"claim_id": claim_id, "boot_id": host.boot_id, "protocol": PROTOCOL, "version": "0.1.0"}
    assignment = host.api.claim(task, body)
    host.journal.claimed(claim_id, assignment["attempt"], assignment["order"])
    started(task)
    host.journal.forget(claim_id)


def started(task: str) -> None:
    """Say when."""
    print(task, time.time(), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
