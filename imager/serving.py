"""How gunicorn serves the web: `gunicorn -c python:imager.serving imager.wsgi`, and what else is to be said.

A host beats every 5 to 15 seconds, for days: its connection stays open meanwhile, so that neither side pays
for a new one (and a new TLS handshake) with each beat. Those that wait cost a file descriptor, no thread.
"""

from __future__ import annotations

import resource
from pathlib import Path

KEPT = 20_000  # connections of one process, at most: 10,000 hosts with two workers each
SPARE = 256  # files that are no connections: modules, database, logs

keepalive = 75  # seconds; more than the longest pause between two beats, with its jitter
worker_class = "imager.kept.Worker"
threads = 8
if Path("/dev/shm").is_dir():  # noqa: S108  # gunicorn makes a file of its own there
    worker_tmp_dir = "/dev/shm"  # noqa: S108  # it touches it with every turn of its loop: that is no disk's work


def _open_files() -> int:
    """Raise the limit of this process as far as it may; what it is then."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most if most != resource.RLIM_INFINITY else KEPT + SPARE


worker_connections = max(64, min(KEPT, _open_files() - SPARE))  # more would not be accepted, but end us
