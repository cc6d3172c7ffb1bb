"""Bencoding, the canonical form alone: what torrents are written in (BEP 3)."""

from __future__ import annotations

import re
from typing import Final

Value = int | bytes | list["Value"] | dict[bytes, "Value"]

_LENGTH: Final = re.compile(rb"(0|[1-9][0-9]{0,9}):")
_NUMBER: Final = re.compile(rb"i(0|-?[1-9][0-9]{0,18})e")
_DEEPEST: Final = 16


class NotBencode(ValueError):
    """The bytes are not bencoded, or not in the one canonical way. The message says at which byte."""


def encode(value: Value) -> bytes:
    """The bytes of `value`; keys sorted as raw bytes."""
    match value:
        case int():
            return b"i%de" % value
        case bytes():
            return b"%d:%b" % (len(value), value)
        case list():
            return b"l%be" % b"".join(map(encode, value))
        case dict():
            return b"d%be" % b"".join(encode(key) + encode(value[key]) for key in sorted(value))


def decode(data: bytes) -> Value:
    """The value that all of `data` is the canonical encoding of. Raises NotBencode."""
    value, end = _value(data, 0, _DEEPEST)
    if end != len(data):
        raise NotBencode(f"something follows at byte {end}")
    return value


def _value(data: bytes, at: int, deeper: int) -> tuple[Value, int]:
    if not deeper:
        raise NotBencode(f"too deep at byte {at}")
    kind = data[at : at + 1]
    if kind == b"i" and (number := _NUMBER.match(data, at)):
        return int(number[1]), number.end()
    if kind.isdigit():
        return _text(data, at)
    if kind == b"l":
        return _list(data, at + 1, deeper - 1)
    if kind == b"d":
        return _dict(data, at + 1, deeper - 1)
    raise NotBencode(f"no value at byte {at}")


def _text(data: bytes, at: int) -> tuple[bytes, int]:
    length = _LENGTH.match(data, at)
    if length is None or length.end() + int(length[1]) > len(data):
        raise NotBencode(f"no text at byte {at}")
    end = length.end() + int(length[1])
    return data[length.end() : end], end


def _list(data: bytes, at: int, deeper: int) -> tuple[Value, int]:
    found: list[Value] = []
    while data[at : at + 1] != b"e":
        value, at = _value(data, at, deeper)
        found.append(value)
    return found, at + 1


def _dict(data: bytes, at: int, deeper: int) -> tuple[Value, int]:
    found: dict[bytes, Value] = {}
    last: bytes | None = None
    while data[at : at + 1] != b"e":
        key, after = _text(data, at)
        if last is not None and key <= last:
            raise NotBencode(f"a key out of order at byte {at}")
        found[key], at = _value(data, after, deeper)
        last = key
    return found, at + 1
