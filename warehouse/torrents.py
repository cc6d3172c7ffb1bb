"""The torrent of a download as it is offered: the builder's, with the places to get the image from.

A builder knows neither the download's address nor our trackers, and the info hash covers neither. So they
are added here, each time that the file is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import BinaryIO, Final

MAX_SIZE: Final = 8 * 1024 * 1024
CONTENT_TYPE: Final = "application/x-bittorrent"

_TEXT: Final = re.compile(rb"(0|[1-9][0-9]{0,9}):")
_NUMBER: Final = re.compile(rb"i(0|-?[1-9][0-9]{0,18})e")


class Damaged(Exception):
    """The stored file is no torrent."""


def offered(stored: BinaryIO, *, webseed: str, trackers: Sequence[str]) -> bytes:
    """The torrent in `stored` with `webseed`, the address of the file itself, and `trackers`, best first."""
    data = stored.read(MAX_SIZE + 1)
    if len(data) > MAX_SIZE:
        raise Damaged
    entries = _entries(data)
    if "info" not in entries:
        raise Damaged
    entries["url-list"] = _list([_text(webseed)])
    if trackers:
        entries["announce"] = _text(trackers[0])
        entries["announce-list"] = _list([_list([_text(each)]) for each in trackers])
    return b"d%be" % b"".join(_text(key) + entries[key] for key in sorted(entries))


def _text(text: str) -> bytes:
    raw = text.encode()
    return b"%d:%b" % (len(raw), raw)


def _list(encoded: Sequence[bytes]) -> bytes:
    return b"l%be" % b"".join(encoded)


def _entries(data: bytes) -> dict[str, bytes]:
    """The outermost keys of a bencoded file, with their values still encoded."""
    found: dict[str, bytes] = {}
    if not data.startswith(b"d"):
        raise Damaged
    at = 1
    while data[at : at + 1] != b"e":
        key = _TEXT.match(data, at)
        after = _after(data, at)
        if key is None:
            raise Damaged
        at = _after(data, after)
        found[data[key.end() : after].decode("ascii", "replace")] = data[after:at]
    if at + 1 != len(data):
        raise Damaged
    return found


def _after(data: bytes, at: int) -> int:
    """Where the value that begins at `at` ends, whatever lies in it."""
    depth = 0
    while True:
        if number := _NUMBER.match(data, at):
            at = number.end()
        elif text := _TEXT.match(data, at):
            at = text.end() + int(text[1])
        elif data[at : at + 1] in {b"l", b"d"}:
            depth, at = depth + 1, at + 1
        elif depth and data[at : at + 1] == b"e":
            depth, at = depth - 1, at + 1
        else:
            raise Damaged
        if not depth:
            break
    if at > len(data):
        raise Damaged
    return at
