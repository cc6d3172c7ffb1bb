"""What a worker of this protocol usually sends: bodies that need no correction.

The serializers say what is allowed, and why something is not; whatever is not recognised here goes to them.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from typing import Any, Final

from tasks_app.api.serializers import BIGGEST, HUB, MAX_HUBS, PORT
from workers.contract import MAX_SLOT_NAME, PROTOCOL, Kind, Step

MOST: Final = 100  # of each list
FASTEST: Final = 1e6  # Mb/s of a link

Check = Callable[[Any], bool]

UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

_UUID: Final = re.compile(UUID)
_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_SLOT_NAME - 1}}}")
_KINDS: Final = frozenset(kind.value for kind in Kind)
_STEPS: Final = frozenset(step.value for step in Step)


def is_beat(body: object) -> bool:
    """Whether `body` is a `Beat` of this protocol that needs no correction."""
    return (
        isinstance(body, dict)
        and _all(body, _NEEDED)
        and all(name in _NEEDED or (name in _MORE and _MORE[name](body[name])) for name in body)
    )


def is_report(body: object) -> bool:
    """Whether `body` is a `Report` of progress and of nothing else that needs no correction."""
    if not isinstance(body, dict):
        return False
    rest = {name: value for name, value in body.items() if name != "progress"}
    return _exactly(rest, _REPORT) and ("progress" not in body or _exactly(body["progress"], _PROGRESS))


def _all(thing: dict[str, Any], checks: dict[str, Check]) -> bool:
    return all(name in thing and check(thing[name]) for name, check in checks.items())


def _exactly(thing: object, checks: dict[str, Check]) -> bool:
    return isinstance(thing, dict) and len(thing) == len(checks) and _all(thing, checks)


def _slot(thing: object) -> bool:
    """`bus` came later: older workers do not tell it."""
    if not isinstance(thing, dict) or "bus" not in thing:
        return _exactly(thing, _SLOT)
    bus = thing["bus"]
    told = {name: value for name, value in thing.items() if name != "bus"}
    return _exactly(told, _SLOT) and (bus is None or _exactly(bus, _BUS))


def _text(most: int | None = None, *, least: int = 0) -> Check:
    """Printable, without blanks around it where it is no free text."""

    def check(value: Any) -> bool:
        return (
            isinstance(value, str)
            and value.isprintable()
            and (most is None or (least <= len(value) <= most and value == value.strip()))
        )

    return check


def _whole(least: int, most: int) -> Check:
    return lambda value: type(value) is int and least <= value <= most


def _list_of(check: Check, most: int = MOST) -> Check:
    return lambda value: isinstance(value, list) and len(value) <= most and all(map(check, value))


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_speed(value: Any) -> bool:
    return value is None or (type(value) is float and 0 <= value <= FASTEST)


def _is_rate(value: Any) -> bool:
    return value is None or (type(value) is float and 0 <= value < math.inf)


def _one_of(words: frozenset[str]) -> Check:
    return lambda value: isinstance(value, str) and value in words


def _matches(pattern: re.Pattern[str]) -> Check:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _slots(value: Any) -> bool:
    return _SLOTS(value) and len({slot["name"] for slot in value}) == len(value)


_SIZE = _whole(0, BIGGEST)
_NEEDED: Final[dict[str, Check]] = {
    "kind": _one_of(_KINDS),
    "boot_id": _text(64, least=1),
    "version": _text(30, least=1),
    "protocol": lambda value: type(value) is int and value == PROTOCOL,
    "free_bytes": _SIZE,
    "running": _list_of(_matches(_UUID)),
}
_ATTEMPT = _whole(1, 2**31 - 1)
_HELD: Final = {"task": _matches(_UUID), "attempt": _ATTEMPT}
_SLOT: Final[dict[str, Check]] = {
    "name": _matches(_NAME),
    "present": _is_bool,
    "size": _SIZE,
    "diskseq": lambda value: value is None or _whole(-BIGGEST, BIGGEST)(value),
    "model": _text(),
    "contents": _text(),
    "problem": _text(),
}
_HUB: Final[dict[str, Check]] = {"path": _matches(re.compile(HUB)), "speed": _is_speed}
_BUS: Final[dict[str, Check]] = {
    "port": _matches(re.compile(PORT)),
    "speed": _is_speed,
    "held_back": _is_bool,
    "hubs": _list_of(functools.partial(_exactly, checks=_HUB), MAX_HUBS),
}
_SLOTS: Final = _list_of(_slot)
_MORE: Final[dict[str, Check]] = {
    "attempts": _list_of(functools.partial(_exactly, checks=_HELD)),
    "slots": _slots,
}
_REPORT: Final[dict[str, Check]] = {
    "event_id": _matches(_UUID),
    "attempt": _ATTEMPT,
    "step": _one_of(_STEPS),
}
_PROGRESS: Final[dict[str, Check]] = {
    "done": _SIZE,
    "total": lambda value: value is None or _SIZE(value),
    "rate": _is_rate,
    "eta": _is_rate,
}
