"""The process of one attempt: reads its job, works, says how it ended.

Started by `workers.child` as `python -m workers.job EVENTS PARENT [KIND]`: the job as one JSON line on stdin,
events to the file descriptor EVENTS. When stdin ends, or PARENT is gone, the process ends with its group.
With KIND it makes itself ready for such work before it is told of any.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers import machine
from workers.api import Api
from workers.config import Config, load
from workers.contract import Fault, Kind, Step
from workers.errors import Canceled, HostError, WorkError
from workers.pipe import PipeReport
from workers.report import Report

_HOST_ERRNOS = {
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EIO: "disk_error",
    errno.EROFS: "disk_error",
}


@dataclass(frozen=True)
class Job:
    """What a step function works on."""

    task: str
    order: str
    kind: Kind
    attempt: int
    spec: dict[str, Any]
    boot_id: str
    config: Config
    api: Api


def work(job: Job, report: Report) -> dict[str, Any]:
    """Do the work of `job` with the steps of its kind; the result that its last report carries."""
    return dict(steps_of(job.kind)(job, report))


def steps_of(kind: Kind) -> Callable[[Job, Report], Mapping[str, Any]]:
    """What does work of this kind. It is imported here: no kind needs what the others do."""
    if kind is Kind.CREATE:
        from workers.creator.steps import create

        return create
    if kind is Kind.DOWNLOAD:
        from workers.downloader.steps import download

        return download
    from workers.writer.steps import write

    return write


def main(arguments: list[str]) -> int:
    """Run the job that stdin names; exit code by fault."""
    events, parent = map(int, arguments[:2])
    machine.end_with(parent, signal.SIGKILL)
    os.set_inheritable(events, False)
    report = PipeReport(events)
    signal.signal(signal.SIGTERM, lambda *_: report.cancel())
    for kind in arguments[2:]:
        steps_of(Kind(kind))
    line = sys.stdin.buffer.readline()
    if not line:
        return 0  # there was no work for us
    told = json.loads(line)
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        with Api(config := load(Path(told["config"]))) as api:
            job = Job(**_fields(told), kind=Kind(told["kind"]), config=config, api=api)
            report.mask(_mask_of(job))
            report.step(Step.CHECKING)
            report.result(work(job, report))
    except Canceled:
        report.canceled()
        return Canceled.exit_code
    except WorkError as error:
        report.trouble(error.trouble())
        return error.exit_code
    except OSError as error:
        return _tell_os_error(error, report)
    except Exception as error:  # noqa: BLE001 - the one catch-all of this process: reported as ours
        return _tell_bug(error, report)
    return 0


def _mask_of(job: Job) -> Callable[[str], str]:
    """What hides the secrets of this job's recipe, in whatever its builder says."""
    if job.kind is not Kind.CREATE:
        return str
    from workers.creator.outside.secrets import mask_of

    return mask_of(job.spec["recipe"])


def _fields(told: dict[str, Any]) -> dict[str, Any]:
    return {name: told[name] for name in ("task", "order", "attempt", "spec", "boot_id")}


def _tell_os_error(error: OSError, report: PipeReport) -> int:
    code = _HOST_ERRNOS.get(error.errno or 0)
    if code is None:
        return _tell_bug(error, report)
    where = f" at {error.filename}" if error.filename else ""
    named = HostError(code, f"{error.strerror}{where}: free or repair the disk of this host, then retry.")
    report.trouble(named.trouble())
    return named.exit_code


def _tell_bug(error: Exception, report: PipeReport) -> int:
    for line in traceback.format_exc().splitlines():
        report.log(line)
    message = (
        f"An error of ours, {type(error).__name__}: {error}. "
        "The traceback is in the log of this attempt; please report it."
    )
    report.trouble({"fault": Fault.BUG, "code": "bug", "message": message})
    return WorkError.exit_code


def _end_with_stdin() -> None:
    """Nothing more is ever written to stdin: its end means that the parent is gone."""
    os.read(sys.stdin.fileno(), 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    from workers.job import main as imported  # so that `Job` is one class, here and in the steps

    sys.exit(imported(sys.argv[1:]))
