"""Brings the server what the journal owes it, with the same event id until it is taken."""

from __future__ import annotations

import uuid

import structlog

from workers.api import ONCE, Patience, ServerAway, ServerRefused
from workers.contract import Fault, Outcome, Report
from workers.errors import HostError
from workers.host import Host
from workers.journal import Call, Owed, final

_FOR_GOOD = (400, 404, 409, 422)  # asking again gives the same; 401 and 403 may be mended by staff
_FOR_ALL = (0, 401, 403, 408, 426, 429, 502, 503, 504)  # not about this one: the next would fare no better

_log = structlog.get_logger()


def deliver(host: Host, patience: Patience = ONCE) -> bool:
    """Try every owed message once; True when nothing is owed any more.

    One over which the server stumbles holds up no other.
    """
    task = ""
    try:
        for message in host.journal.owed(host.kind):
            task = message.task
            try:
                _hand_over(host, message, patience)
            except (ServerAway, ServerRefused) as error:
                if error.status in _FOR_ALL:
                    raise
                _still_owed(task, error)
        return not host.journal.owed(host.kind)
    except HostError as error:
        _still_owed(task, error)
        return False


def _still_owed(task: str, error: HostError) -> None:
    _log.warning("still owed to the server", task=task, code=error.code, detail=error.message)


def _hand_over(host: Host, message: Owed, patience: Patience) -> None:
    try:
        if message.call is Call.RELEASE:
            host.api.release(message.task, message.event_id, message.body["attempt"], patience)
        else:
            host.api.report(message.task, message.body, patience)  # type: ignore[arg-type]
    except ServerRefused as refusal:
        if refusal.status not in _FOR_GOOD:
            raise
        _log.warning(
            "refused for good",
            task=message.task,
            status=refusal.status,
            code=refusal.code,
            detail=refusal.detail,
        )
        if refusal.status in (400, 422) and message.body.get("outcome") == Outcome.DONE:
            host.journal.owe("", _refused(message, refusal))
    host.journal.taken(message.event_id)


def _refused(message: Owed, refusal: ServerRefused) -> Owed:
    """A result that the server cannot take is a failure of ours; the task must not run for ever."""
    report: Report = {
        "event_id": str(uuid.uuid4()),
        "attempt": message.body["attempt"],
        "step": message.body["step"],
        "outcome": "failed",
        "trouble": {
            "fault": Fault.BUG,
            "code": "result_refused",
            "message": f"The server refused the result: {refusal.detail}",
        },
    }
    return final(message.task, message.kind, report)
