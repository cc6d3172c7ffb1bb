"""What all benchmarks stand on: the real servers in a temporary folder, and how figures are kept."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from imager.stack import Line, start

OUT = Path(__file__).parent / "out"


@contextlib.contextmanager
def servers(web_processes: int = 1) -> Iterator[Line]:
    """PostgreSQL, Valkey, web, scheduler, server worker and warehouse as the stack starts them; no hosts.

    This process may use the models afterwards: its Django speaks to the same database.
    """
    var = Path(tempfile.mkdtemp(prefix="imager-bench-"))
    var.chmod(0o711)  # the database's account passes through when we are root
    os.environ["WEB_CONCURRENCY"] = str(web_processes)  # gunicorn's own word for it
    os.environ["LOG_LEVEL"] = "WARNING"
    try:
        line = start(var, creators=(), writer=False)
        try:
            _use_models(line)
            yield line
        finally:
            line.stop()
    finally:
        shutil.rmtree(var)


def _use_models(line: Line) -> None:
    import django

    names = ("DJANGO_SETTINGS_MODULE", "IMAGER_VAR", "DATABASE_URL", "REDIS_URL", "DEBUG", "PUBLIC_URL")
    os.environ.update({name: line.processes.environment[name] for name in names})
    django.setup()


def trust_rows(line: Line) -> None:
    """Let this process fill tables without a look at others for each row: it makes them whole by itself."""
    import psycopg
    from django.conf import settings

    from imager.services.layout import Layout
    from imager.services.postgres import SUPERUSER

    database = settings.DATABASES["default"]
    with psycopg.connect(
        host=database["HOST"],
        port=database["PORT"],
        dbname=database["NAME"],
        user=SUPERUSER,
        password=Layout(line.var.resolve()).load_passwords().owner,
        autocommit=True,
    ) as connection:
        connection.execute(f"GRANT SET ON PARAMETER session_replication_role TO {database['USER']}")


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """p50 and p99 in milliseconds."""
    return {
        name: round(percentile(seconds, share) * 1000, 2) for name, share in (("p50", 0.5), ("p99", 0.99))
    }


def keep(name: str, figures: dict[str, Any]) -> Path:
    """Write `benchmarks/out/NAME.json`, with how busy the machine was, and say so."""
    OUT.mkdir(exist_ok=True)
    path = OUT / f"{name}.json"
    machine = {"cores": os.cpu_count(), "load_average": [round(value, 2) for value in os.getloadavg()]}
    path.write_text(json.dumps({**figures, "machine": machine}, indent=2) + "\n")
    print(f"{path}\n{path.read_text()}", end="")
    return path


def cpu_seconds() -> float:
    """Of this process and of those that it started. What the kernel does for a loop device is nobody's."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def peak_rss_mib() -> float:
    """Of this process; getrusage would count what its parent had when it was started."""
    words = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()
    return int(words[0]) / 1024
