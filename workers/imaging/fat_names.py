"""FAT directory entries: 8.3 names, the long names that lie in front of them, and times."""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from workers.errors import JobError

ENTRY = 32
ATTR_READ_ONLY = 0x01
ATTR_LABEL = 0x08
ATTR_FOLDER = 0x10
ATTR_ARCHIVE = 0x20
ATTR_LONG = 0x0F

_LONG_UNITS = 13
_FORBIDDEN = frozenset('"*/:<>?\\|')
_SHORT_EXTRA = frozenset("!#$%&'()-@^_`{}~")
_FIRST_YEAR = 1980


@dataclass(frozen=True)
class FatTime:
    """A moment as FAT stores it: two seconds are the finest grain, 1980 the first year."""

    date: int
    time: int

    @classmethod
    def at(cls, seconds: int) -> FatTime:
        """From seconds since 1970, UTC; earlier than 1980 becomes the first of January 1980."""
        moment = datetime.fromtimestamp(seconds, UTC)
        if moment.year < _FIRST_YEAR:
            return cls(1 << 5 | 1, 0)
        return cls(
            (moment.year - _FIRST_YEAR) << 9 | moment.month << 5 | moment.day,
            moment.hour << 11 | moment.minute << 5 | moment.second // 2,
        )


def check_name(name: str) -> str:
    """The name itself, if a FAT folder may hold it; JobError `bad_name` if not."""
    units = len(name.encode("utf-16-le")) // 2
    wrong = (
        not name
        or name in {".", ".."}
        or units > 255
        or name[-1] in " ."
        or any(ord(c) < 32 or c in _FORBIDDEN for c in name)
    )
    if wrong:
        raise JobError(
            "bad_name",
            f"{name!r} cannot be a file name on a FAT partition; use 1 to 255 characters, none of "
            '" * / : < > ? \\ |, and no dot or space at the end',
        )
    return name


def as_short(name: str) -> bytes | None:
    """The 11 bytes of a name that needs no long entry (upper case 8.3), else None."""
    stem, dot, suffix = name.partition(".")
    fits = 1 <= len(stem) <= 8 and len(suffix) <= 3 and bool(suffix) == bool(dot)
    if not fits or not all(_is_short_char(c) for c in stem + suffix):
        return None
    return (stem.ljust(8) + suffix.ljust(3)).encode("ascii")


def make_short(name: str, taken: Collection[bytes]) -> bytes:
    """A free 8.3 alias for a long name: `LONGNA~1TXT`."""
    stem, _, suffix = name.rpartition(".") if "." in name.lstrip(".") else (name, "", "")
    stem, suffix = _squeeze(stem) or "FILE", _squeeze(suffix)[:3]
    for number in range(1, 1_000_000):
        tail = f"~{number}"
        alias = (stem[: 8 - len(tail)] + tail).ljust(8) + suffix.ljust(3)
        if (raw := alias.encode("ascii")) not in taken:
            return raw
    raise JobError("folder_full", f"no short alias is left for {name!r}; use another folder")


def show_short(raw: bytes) -> str:
    """The 11 bytes as a person writes them."""
    if raw[:1] == b"\x05":  # a first byte of 0xE5 would mean "deleted"
        raw = b"\xe5" + raw[1:]
    stem, suffix = raw[:8].decode("cp437").rstrip(), raw[8:].decode("cp437").rstrip()
    return f"{stem}.{suffix}" if suffix else stem


def checksum(short: bytes) -> int:
    """The sum that ties long entries to their short one."""
    total = 0
    for byte in short:
        total = ((total >> 1) | (total & 1) << 7) + byte & 0xFF
    return total


def long_entries(name: str, short: bytes) -> bytes:
    """The long-name entries, in the order they lie on disk (last piece first)."""
    units = name.encode("utf-16-le")
    if len(units) % (2 * _LONG_UNITS):
        units += b"\0\0"
        units += b"\xff" * (-len(units) % (2 * _LONG_UNITS))
    pieces = [units[i : i + 26] for i in range(0, len(units), 26)]
    total = checksum(short)
    entries = []
    for number, piece in enumerate(pieces, 1):
        order = number | (0x40 if number == len(pieces) else 0)
        entries.append(
            struct.pack("<B10sBBB12sH4s", order, piece[:10], ATTR_LONG, 0, total, piece[10:22], 0, piece[22:])
        )
    return b"".join(reversed(entries))


def long_piece(entry: bytes) -> bytes:
    """The 26 bytes of UTF-16 that one long-name entry carries."""
    return entry[1:11] + entry[14:26] + entry[28:32]


def join_pieces(pieces: list[bytes]) -> str:
    """The long name of pieces in the order they lie on disk."""
    units = b"".join(reversed(pieces))
    text = units.decode("utf-16-le", errors="replace")
    return text.partition("\0")[0]


def short_entry(short: bytes, attributes: int, cluster: int, size: int, when: FatTime) -> bytes:
    """The 32 bytes of a file or folder."""
    return struct.pack(
        "<11sBBBHHHHHHHI",
        short,
        attributes,
        0,
        0,
        when.time,
        when.date,
        when.date,
        cluster >> 16,
        when.time,
        when.date,
        cluster & 0xFFFF,
        size,
    )


def _is_short_char(char: str) -> bool:
    return char.isascii() and (char.isdigit() or ("A" <= char <= "Z") or char in _SHORT_EXTRA)


def _squeeze(text: str) -> str:
    kept = text.upper().replace(" ", "").replace(".", "")
    return "".join(c if _is_short_char(c) else "_" for c in kept)
