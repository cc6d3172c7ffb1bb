"""One task on this host: claim, work, tell."""

from __future__ import annotations

from contextlib import ExitStack

import structlog

from workers import __version__, courier
from workers.api import ServerRefused
from workers.attempt import Attempt, Ending
from workers.child import Started
from workers.contract import PROTOCOL, Assignment, Claim, Fault, Outcome, Trouble
from workers.errors import HostError
from workers.host import Host
from workers.journal import JournalError, release

_REFUSED = 400

_log = structlog.get_logger()


def run(task: str, host: Host) -> Ending | None:
    """Claim `task`, work on it to its end, owe the server the ending. None when the task is not for us."""
    with structlog.contextvars.bound_contextvars(task=task, order="", step="claimed"):
        try:
            ending = _run(task, host)
        except JournalError as error:  # what was begun is settled by a later beat, once there is room again
            _log.error("the journal cannot be kept", code=error.code, detail=error.message)
            return None
        courier.deliver(host)
        return ending


def _run(task: str, host: Host) -> Ending | None:
    """Each effect only after the journal has it: no room there, no claim."""
    with ExitStack() as unused:
        if spare := host.spare.take():
            unused.callback(_return, spare, host)
        claim_id = host.journal.begin(task, host.kind, host.boot_id, spare.claim_id if spare else "")
        assignment = _claim(task, claim_id, host)
        if assignment is None:
            return None
        started = spare if spare and spare.claim_id == claim_id else None
        if started:  # the server knows its claim id: it works for that, or for nothing
            unused.pop_all()
            unused.callback(started.discard)
        if _misdirected(assignment, claim_id, host):
            return None
        structlog.contextvars.bind_contextvars(order=assignment["order"])
        host.journal.claimed(claim_id, assignment["attempt"], assignment["order"])
        attempt = Attempt(host, assignment, claim_id, started)
        if started:
            unused.pop_all()  # it is the attempt's now
    _log.info("began", attempt=assignment["attempt"])
    ending = attempt.run()
    _log.info("ended", outcome=_word(ending), trouble=ending.trouble)
    return ending


def _return(spare: Started, host: Host) -> None:
    """A process for which there was no work waits on, unless the server may know its claim id."""
    try:
        known = any(begun.claim_id == spare.claim_id for begun in host.journal.begun(host.kind))
    except JournalError:
        known = True
    if known:
        spare.discard()
    else:
        host.spare.give_back(spare)


def _misdirected(assignment: Assignment, claim_id: str, host: Host) -> bool:
    if assignment["kind"] == host.kind:
        return False
    _log.error("rung for the wrong kind of work; given back", kind=assignment["kind"])
    host.journal.owe(claim_id, release(assignment["task"], host.kind, assignment["attempt"]))
    return True


def exit_code(ending: Ending | None) -> int:
    """For the command line: 0 done, else by whose fault it is."""
    if ending is None:
        return HostError.exit_code
    if ending.outcome is Outcome.DONE:
        return 0
    return _exit_code(ending.trouble)


def _claim(task: str, claim_id: str, host: Host) -> Assignment | None:
    claim: Claim = {
        "claim_id": claim_id,
        "boot_id": host.boot_id,
        "protocol": PROTOCOL,
        "version": __version__,
    }
    try:
        return host.api.claim(task, claim)
    except ServerRefused as refusal:
        if refusal.status >= _REFUSED:  # else: it was taken, and what we read of the answer is none
            host.journal.forget(claim_id)
        _log.info("not claimed", code=refusal.code, detail=refusal.detail)
        return None
    except (
        HostError
    ) as error:  # the answer may be lost on its way: the journal keeps the claim id for the next try
        _log.warning("claim not answered", code=error.code, detail=error.message)
        return None


def _word(ending: Ending) -> str:
    if ending.outcome is not None:
        return ending.outcome.value
    return "released" if ending.release else "stale"


def _exit_code(trouble: Trouble | None) -> int:
    if trouble is None:
        return 7
    return {Fault.JOB: 3, Fault.HOST: 4, Fault.SLOT: 5, Fault.CARD: 6, Fault.BUG: 1}[Fault(trouble["fault"])]
