"""The short way of what hosts send all day: a body as workers send it, a token that is good, one statement.

Whatever is unusual in any of the three goes the long way, to the view that says what is wrong.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, Final, NamedTuple

from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpResponse
from psycopg.errors import LockNotAvailable

from imager.accounts import verified
from imager.faults import as_problem
from tasks_app.api.bodies import UUID, is_beat, is_report
from tasks_app.services import progress
from tasks_app.services.attempts import new_enough
from tasks_app.services.beats import beat_of
from tasks_app.services.signs import Caller
from workers.contract import Answer, BeatAnswer, Report

Environ = dict[str, Any]  # of a WSGI request

BEAT: Final = "/api/v1/hosts/me/beat"
REPORT: Final = re.compile(rf"/api/v1/tasks/({UUID})/report")
MAX_BODY: Final = 256 * 1024

log = logging.getLogger(__name__)


class Way(NamedTuple):
    """The short way for one path."""

    is_usual: Callable[[object], bool]
    answer: Callable[[Caller, Any], Mapping[str, object] | None]


class Busy(Exception):
    """Somebody holds the row, and did so for as long as a host may wait."""


def way_of(path: str) -> Way | None:
    """The way for a path that has one."""
    if path == BEAT:
        return Way(is_beat, _beat)
    found = REPORT.fullmatch(path)
    if found is None:
        return None
    task = found[1]
    return Way(is_report, lambda caller, body: _report(task, caller, body))


def answer_to(environ: Environ, way: Way) -> Mapping[str, object] | None:
    """The answer to what is usual; None for everything else. Raises Busy.

    What was read of the body can be read again.
    """
    claims = verified.bearer(environ.get("HTTP_AUTHORIZATION", ""))
    body = _body(environ, way.is_usual) if claims else None
    if claims is None or body is None:
        return None
    try:
        return way.answer(Caller(claims.account, claims.epoch), body)
    except (DatabaseError, InterfaceError) as error:  # a connection that was cut while it lay idle
        if isinstance(error.__cause__, LockNotAvailable):  # the long way would wait as long once more
            raise Busy from error
        log.warning("%s goes the long way: %s", environ["PATH_INFO"], type(error).__name__)
        if not connection.in_atomic_block:
            connection.close()
        return None


def written(answer: Mapping[str, object]) -> bytes:
    """The body of an answer."""
    return json.dumps(answer, separators=(",", ":")).encode()


def later() -> HttpResponse:
    """The answer while somebody holds the row."""
    detail = "Somebody works with this host's or task's row now. Send it again in a few seconds."
    answer = as_problem(503, "busy", detail)
    answer["Retry-After"] = "5"
    return answer


def _beat(caller: Caller, body: Any) -> BeatAnswer | None:
    return beat_of(caller, body) if new_enough(body["version"]) else None


def _report(task: str, caller: Caller, body: Report) -> dict[str, str] | None:
    """An old attempt's report is kept as evidence: that is the long way."""
    answer = progress.take_in(task, caller, body)
    return None if answer is Answer.STALE else {"answer": answer.value}


def _body(environ: Environ, is_usual: Callable[[object], bool]) -> object | None:
    """The body, if it is exactly what a worker of this protocol sends."""
    length, kind = environ.get("CONTENT_LENGTH", ""), environ.get("CONTENT_TYPE", "")
    if environ.get("REQUEST_METHOD") != "POST" or not length.isdecimal() or int(length) > MAX_BODY:
        return None
    if kind.partition(";")[0].strip() != "application/json":
        return None
    sent = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = BytesIO(sent)
    try:
        body: object = json.loads(sent)
    except (ValueError, RecursionError):
        return None
    return body if is_usual(body) else None
