"""`python -m workers {creator,downloader,writer} [--once TASK_ID]`: one worker of this host."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from workers import courier, logs, machine, places, reconcile
from workers.api import Patience
from workers.attempt import Ending
from workers.bench import Bench
from workers.config import Config, ConfigError, load
from workers.contract import Kind
from workers.errors import WorkError
from workers.host import WORKERS, Host, open_host
from workers.locks import held
from workers.presence import Presence
from workers.run import exit_code, run
from workers.signals import ENDING, Signaled, arm, pause

if TYPE_CHECKING:
    from workers.nudges import Nudges

_log = structlog.get_logger()


def main(arguments: list[str] | None = None) -> int:
    """The exit code says whose fault a failure was."""
    options = _parser().parse_args(arguments)
    kind = WORKERS[options.worker]
    if options.parent:
        machine.end_with(options.parent, signal.SIGTERM)
    try:
        config = load()
        _check(config, kind)
        logs.begin(config.host, config.secrets)
        lock = places.locks_folder(config.data) / f"{options.worker}.lock"
        busy = (
            f"A {options.worker} of {config.data} is running already: stop it first, or leave the work to it."
        )
        with held(lock, patience=0, busy=busy), open_host(kind, config) as host:
            return _once(host, options.once) if options.once else _serve(host)
    except WorkError as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - a command's answer
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers", description="One worker of this host.")
    parser.add_argument("worker", choices=list(WORKERS))
    parser.add_argument(
        "--once", metavar="TASK_ID", type=_task_id, help="run this task in the foreground, then end"
    )
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)  # end when that process is gone
    return parser


def _task_id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a task id (a UUID)") from None


def _check(config: Config, kind: Kind) -> None:
    if kind is Kind.CREATE:
        config.require("channel")
        config.require("signing_key")
        from workers.creator.outside.build import require_backend

        require_backend(config.creator)
    if kind is Kind.WRITE and not config.slots:
        raise ConfigError(
            f"{config.path} has no slots: add one with `python -m workers.whost slots add NAME --port PORT`."
        )


def _once(host: Host, task: str) -> int:
    """One task, without a bell; ends when the server has the last report."""
    for number in ENDING:
        signal.signal(number, lambda *_: host.stopping.set())
    reconcile.bury(host, running=list)
    ending: list[Ending | None] = []

    def work(task: str) -> None:
        with _present(host, bench):  # it ends while the only place is taken: no other task begins
            ending.append(run(task, host))

    bench = Bench(1, work)
    bench.run(task)
    courier.deliver(host, Patience(tries=8))
    return exit_code(ending[0])


def _serve(host: Host) -> int:
    """Until a signal: beat, hear both bells, work."""
    reconcile.bury(host, running=list)
    bench = Bench(len(host.config.slots) if host.kind is Kind.WRITE else 1, lambda task: run(task, host))

    def stop() -> None:
        host.stopping.set()
        bench.close()

    threading.excepthook = _end_gracefully
    host.spare.keep(host.kind)
    with _present(host, bench):
        try:
            arm()  # Celery takes the signals over, seconds from now
            _log.info("ready", kind=host.kind, places=bench.places, broker=bool(host.config.broker_url))
            return _listen(host, bench, stop)
        except Signaled:
            return 0
        finally:
            stop()
            bench.wait()
            host.spare.close()


@contextmanager
def _present(host: Host, bench: Bench) -> Iterator[None]:
    """Beating, and hearing nudges if there is a broker; at the end, what is owed is brought."""
    presence = Presence(host, bench)
    nudges = _nudges(host, presence)
    presence.start()
    try:
        yield
    finally:
        if nudges:
            nudges.end()
        presence.end()
        presence.join()
        courier.deliver(host)


def _nudges(host: Host, presence: Presence) -> Nudges | None:
    if not host.config.broker_url:
        return None
    from workers.nudges import Nudges

    nudges = Nudges(host.config, host.kind, presence.now)
    nudges.start()
    return nudges


def _listen(host: Host, bench: Bench, stop: Callable[[], None]) -> int:
    if not host.config.broker_url:
        pause()
    from workers import celery

    app = celery.bell(host.config, host.kind, bench.run)
    return celery.listen(app, celery.queue(host.config, host.kind), bench.places, stop)


def _end_gracefully(failure: threading.ExceptHookArgs) -> None:
    """A thread of ours died of a bug: say so and end as if asked to, so that a fresh process takes over."""
    trace = (failure.exc_type, failure.exc_value, failure.exc_traceback)
    _log.critical(
        "a thread died; this worker ends", thread=getattr(failure.thread, "name", ""), exc_info=trace
    )
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
