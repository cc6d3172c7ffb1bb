"""After a start: end what an earlier process left, and tell the server what became of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection
from functools import partial

import structlog

from workers import machine, places
from workers.child import MARK
from workers.contract import Fault, Kind, Report, Step
from workers.host import Host
from workers.journal import Begun, Owed, final, release

AGAIN = 600.0  # seconds until a folder that could not be removed is tried again
BUILT_KEPT = 24 * 3600.0  # seconds that a finished image waits for another attempt

_log = structlog.get_logger()


def bury(host: Host, running: Callable[[], Collection[str]]) -> list[str]:
    """End every attempt of the journal that nobody works on: kill, owe the ending, clean.

    Returns the tasks whose claim was never answered: claiming again gives the same attempt, if there is one.
    """
    unanswered = []
    for begun in _strays(host, running):
        _kill(begun)
        if begun.attempt is None:
            unanswered.append(begun.task)
            continue
        _log.warning(
            "found an attempt that nobody works on", task=begun.task, order=begun.order, attempt=begun.attempt
        )
        _end(host, begun.claim_id, begun.task, begun.attempt)
    _sweep(host, running)
    return unanswered


def _sweep(host: Host, running: Callable[[], Collection[str]]) -> None:
    """Remove what attempts left that have ended: their worker was killed, or hindered, before it could.

    Looked at before the journal: an attempt is in the journal before its folder is there.
    """
    if host.kind is not Kind.CREATE:
        return
    data = host.config.data
    left, old = places.work_folders(data), time.time() - BUILT_KEPT
    waiting = [task for task, since in places.built_tasks(data) if since < old]
    if not left and not waiting:
        return
    known = {(begun.task, begun.attempt) for begun in host.journal.begun(host.kind)}
    busy = running()
    for task, attempt in left:
        if (task, attempt) not in known and task not in busy:
            _remove(host, (task, attempt), partial(places.clear_work, data, task, attempt))
    for task in waiting:
        if task not in busy:
            _remove(host, (task, None), partial(places.clear_built, data, task))


def _remove(host: Host, what: tuple[str, int | None], remove: Callable[[], None]) -> None:
    """Now, and if it stays, again later: not with each beat."""
    at = time.monotonic()
    if at < host.stuck.get(what, at):
        return
    task, attempt = what
    _log.warning("found a folder that nobody works on", task=task, attempt=attempt)
    host.stuck[what] = at + AGAIN
    with places.left_in_place():
        remove()
        del host.stuck[what]


def compare(host: Host, running: Callable[[], Collection[str]]) -> None:
    """End what the server believes this worker is running and of which the journal knows nothing."""
    told = [assignment for assignment in host.api.assignments() if assignment["kind"] == host.kind]
    known = {begun.claim_id for begun in host.journal.begun(host.kind)}
    busy = {*running(), *(message.task for message in host.journal.owed(host.kind))}
    for lost in told:
        if lost["claim_id"] not in known and lost["task"] not in busy:
            _log.warning("the journal knows nothing of an assignment", task=lost["task"], order=lost["order"])
            _end(host, lost["claim_id"], lost["task"], lost["attempt"])


def _strays(host: Host, running: Callable[[], Collection[str]]) -> list[Begun]:
    """Begun before the look at what runs, and not ended after it: neither starting nor ending right now."""
    before = host.journal.begun(host.kind)
    busy = running()
    after = {begun.claim_id for begun in host.journal.begun(host.kind)}
    return [begun for begun in before if begun.task not in busy and begun.claim_id in after]


def _kill(begun: Begun) -> None:
    if begun.pid is not None and begun.started is not None:
        machine.kill_group(begun.pid, begun.started)
    machine.kill_marked(MARK, begun.claim_id)


def _end(host: Host, claim_id: str, task: str, attempt: int) -> None:
    interrupted = host.kind is Kind.WRITE
    owed = _interrupted(task, attempt) if interrupted else release(task, host.kind, attempt)
    try:
        host.journal.owe(claim_id, owed)
    finally:  # also when the journal has no room: this may make it
        if host.kind is Kind.CREATE:
            with places.left_in_place():
                places.clear_work(host.config.data, task, attempt)


def _interrupted(task: str, attempt: int) -> Owed:
    """Half a card is no card: it must be confirmed anew and is written from the beginning."""
    report: Report = {
        "event_id": str(uuid.uuid4()),
        "attempt": attempt,
        "step": Step.WRITING,
        "outcome": "failed",
        "trouble": {
            "fault": Fault.HOST,
            "code": "interrupted",
            "message": "The writer was interrupted in the middle of this card. "
            "Confirm the card again; it is written from the start.",
        },
    }
    return final(task, Kind.WRITE, report)
