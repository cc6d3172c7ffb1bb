"""What archives say of a member beyond its name: its time, exactly, and its extended attributes."""

from __future__ import annotations

import calendar
import math
import re
import struct
from collections.abc import Iterator
from tarfile import TarInfo
from typing import Final
from zipfile import ZipInfo

from workers.creator.epoch import EPOCH

_XATTR: Final = "SCHILY.xattr."
_FOR_ALL: Final = "user."  # others give rights, or mean something to the machine that packed alone
_DECIMAL: Final = re.compile(r"([0-9]{1,18})\.?([0-9]*)")
_UNIX_TIME: Final = 0x5455
_NTFS: Final = 0x000A
_NTFS_TIMES: Final = b"\x01\x00\x18\x00"
_TICKS: Final = 10_000_000  # of 100 ns, since 1601
_FROM_1601: Final = 11_644_473_600
_LATEST: Final = (1 << 34) - (1 << 31) - 1  # what ext4 can tell

Time = tuple[int, int]  # seconds since 1970, nanoseconds beyond


def tar_time(info: TarInfo) -> Time:
    """The time as it is written: a float would lose its end. What lies before 1970 becomes 1970."""
    written = _DECIMAL.fullmatch(info.pax_headers.get("mtime", ""))
    if written:
        return _within(int(written[1]), int(written[2][:9].ljust(9, "0")))
    return _within(int(info.mtime) if math.isfinite(info.mtime) else EPOCH, 0)


def tar_attributes(info: TarInfo) -> dict[str, bytes]:
    """Extended attributes of the namespace `user`, as GNU tar, bsdtar and star keep them."""
    return {
        key.removeprefix(_XATTR): value.encode("utf-8", "surrogateescape")
        for key, value in info.pax_headers.items()
        if key.startswith(_XATTR + _FOR_ALL)
    }


def zip_time(info: ZipInfo) -> Time:
    """The most exact one; a plain zip knows local times of nowhere: read as UTC, as on every host."""
    found = dict(_extras(info.extra))
    ntfs, unix = found.get(_NTFS, b""), found.get(_UNIX_TIME, b"")
    if len(ntfs) >= 16 and ntfs[4:8] == _NTFS_TIMES:
        seconds, ticks = divmod(struct.unpack_from("<Q", ntfs, 8)[0], _TICKS)
        return _within(seconds - _FROM_1601, ticks * 100)
    if len(unix) >= 5 and unix[0] & 1:
        return _within(struct.unpack_from("<i", unix, 1)[0], 0)
    try:
        return _within(calendar.timegm((*info.date_time, 0, 0, 0)), 0)
    except (ValueError, OverflowError):
        return EPOCH, 0


def _extras(raw: bytes) -> Iterator[tuple[int, bytes]]:
    while len(raw) >= 4:
        kind, length = struct.unpack_from("<HH", raw)
        yield kind, raw[4 : 4 + length]
        raw = raw[4 + length :]


def _within(seconds: int, nanoseconds: int) -> Time:
    return (seconds, nanoseconds) if 0 <= seconds <= _LATEST else (0 if seconds < 0 else _LATEST, 0)
