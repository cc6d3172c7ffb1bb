"""The beat by the short way: a body as every worker sends it, a token that is good, one statement.

Whatever is unusual in any of the three goes the long way, to the view that says what is wrong.
"""

from __future__ import annotations

import functools
import json
import logging
import re
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final, cast

from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpResponse
from psycopg.errors import LockNotAvailable

from imager.accounts import verified
from imager.faults import as_problem
from tasks_app.api.serializers import BIGGEST, HUB, MAX_HUBS, PORT
from tasks_app.services.attempts import new_enough
from tasks_app.services.beats import beat_of
from tasks_app.services.signs import Caller
from workers.contract import MAX_SLOT_NAME, PROTOCOL, Beat, BeatAnswer, Kind

Environ = dict[str, Any]  # of a WSGI request

MAX_BODY: Final = 256 * 1024
MOST: Final = 100  # of each list
FASTEST: Final = 1e6  # Mb/s of a link

log = logging.getLogger(__name__)

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_SLOT_NAME - 1}}}")
_KINDS: Final = frozenset(kind.value for kind in Kind)


def written(answer: BeatAnswer) -> bytes:
    """The body of an answer."""
    return json.dumps(answer, separators=(",", ":")).encode()


def answer_to(environ: Environ) -> BeatAnswer | None:
    """The answer to a usual beat; None for everything else. Raises Busy.

    What was read of the body can be read again.
    """
    claims = verified.bearer(environ.get("HTTP_AUTHORIZATION", ""))
    body = _body(environ) if claims else None
    if claims is None or body is None or not new_enough(body["version"]):
        return None
    try:
        return beat_of(Caller(claims.account, claims.epoch), body)
    except (DatabaseError, InterfaceError) as error:  # a connection that was cut while it lay idle
        if isinstance(error.__cause__, LockNotAvailable):  # the long way would wait as long once more
            raise Busy from error
        log.warning("a beat goes the long way: %s", type(error).__name__)
        if not connection.in_atomic_block:
            connection.close()
        return None


class Busy(Exception):
    """Somebody holds the host's row, and did so for as long as a beat may wait."""


def later() -> HttpResponse:
    """The answer while it is so."""
    detail = "Somebody works with this host's row now. Beat again in a few seconds."
    answer = as_problem(503, "busy", detail)
    answer["Retry-After"] = "5"
    return answer


def _body(environ: Environ) -> Beat | None:
    """The body, if it is exactly what a worker of this protocol sends."""
    length, kind = environ.get("CONTENT_LENGTH", ""), environ.get("CONTENT_TYPE", "")
    if environ.get("REQUEST_METHOD") != "POST" or not length.isdecimal() or int(length) > MAX_BODY:
        return None
    if kind.partition(";")[0].strip() != "application/json":
        return None
    sent = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = BytesIO(sent)
    try:
        body = json.loads(sent)
    except (ValueError, RecursionError):
        return None
    return cast("Beat", body) if is_beat(body) else None


def is_beat(body: object) -> bool:
    """Whether `body` is a `Beat` of this protocol that needs no correction."""
    return (
        isinstance(body, dict)
        and _all(body, _NEEDED)
        and all(name in _NEEDED or (name in _MORE and _MORE[name](body[name])) for name in body)
    )


def _all(thing: dict[str, Any], checks: dict[str, Callable[[Any], bool]]) -> bool:
    return all(name in thing and check(thing[name]) for name, check in checks.items())


def _exactly(thing: object, checks: dict[str, Callable[[Any], bool]]) -> bool:
    return isinstance(thing, dict) and len(thing) == len(checks) and _all(thing, checks)


def _slot(thing: object) -> bool:
    """`bus` came later: older workers do not tell it."""
    if not isinstance(thing, dict) or "bus" not in thing:
        return _exactly(thing, _SLOT)
    bus = thing["bus"]
    told = {name: value for name, value in thing.items() if name != "bus"}
    return _exactly(told, _SLOT) and (bus is None or _exactly(bus, _BUS))


def _text(most: int | None = None, *, least: int = 0) -> Callable[[Any], bool]:
    """Printable, without blanks around it where it is no free text."""

    def check(value: Any) -> bool:
        return (
            isinstance(value, str)
            and value.isprintable()
            and (most is None or (least <= len(value) <= most and value == value.strip()))
        )

    return check


def _whole(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and least <= value <= most


def _list_of(check: Callable[[Any], bool], most: int = MOST) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and len(value) <= most and all(map(check, value))


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_speed(value: Any) -> bool:
    return value is None or (type(value) is float and 0 <= value <= FASTEST)


def _matches(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _slots(value: Any) -> bool:
    return _SLOTS(value) and len({slot["name"] for slot in value}) == len(value)


_SIZE = _whole(0, BIGGEST)
_NEEDED: Final[dict[str, Callable[[Any], bool]]] = {
    "kind": lambda value: isinstance(value, str) and value in _KINDS,
    "boot_id": _text(64, least=1),
    "version": _text(30, least=1),
    "protocol": lambda value: type(value) is int and value == PROTOCOL,
    "free_bytes": _SIZE,
    "running": _list_of(_matches(_UUID)),
}
_HELD: Final = {"task": _matches(_UUID), "attempt": _whole(1, 2**31 - 1)}
_SLOT: Final[dict[str, Callable[[Any], bool]]] = {
    "name": _matches(_NAME),
    "present": _is_bool,
    "size": _SIZE,
    "diskseq": lambda value: value is None or _whole(-BIGGEST, BIGGEST)(value),
    "model": _text(),
    "contents": _text(),
    "problem": _text(),
}
_HUB: Final[dict[str, Callable[[Any], bool]]] = {"path": _matches(re.compile(HUB)), "speed": _is_speed}
_BUS: Final[dict[str, Callable[[Any], bool]]] = {
    "port": _matches(re.compile(PORT)),
    "speed": _is_speed,
    "held_back": _is_bool,
    "hubs": _list_of(functools.partial(_exactly, checks=_HUB), MAX_HUBS),
}
_SLOTS: Final = _list_of(_slot)
_MORE: Final[dict[str, Callable[[Any], bool]]] = {
    "attempts": _list_of(functools.partial(_exactly, checks=_HELD)),
    "slots": _slots,
}
