"""Files of the boot partition that are different on each card: what they say, and the places they have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from workers.errors import JobError

ROOM: Final = 512  # bytes that such a file may have: one sector, so no boundary of blocks cuts it
MAX_SERIAL: Final = 40  # characters
UNSET: Final = "unset"  # what the image itself says, for whoever writes it with another tool
_SERIAL: Final = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")
_VARIABLES: Final = ("{serial}", "{suffix}")


@dataclass(frozen=True, slots=True)
class Change:
    """Bytes of the image that are others on this card."""

    offset: int
    data: bytes

    @property
    def end(self) -> int:
        return self.offset + len(self.data)


def check_serial(serial: str) -> str:
    """The serial number, or JobError `bad_serial`."""
    if len(serial) > MAX_SERIAL or not _SERIAL.fullmatch(serial):
        raise JobError(
            "bad_serial",
            f"{serial[:MAX_SERIAL]!r} is no serial number: use up to {MAX_SERIAL} letters and digits, in "
            "groups joined by dashes.",
        )
    return serial


def check_content(content: str) -> str:
    """What a recipe may ask for; ValueError says what is wrong."""
    if not any(variable in content for variable in _VARIABLES):
        raise ValueError("it is the same on all cards; use {serial} or {suffix} in it, or take `files`")
    longest = fill_in(content, "X" * MAX_SERIAL)
    if len(longest.encode()) > ROOM:
        raise ValueError(f"it may grow beyond {ROOM} bytes with the longest serial number; shorten it")
    return content


def fill_in(content: str, serial: str) -> str:
    """`{serial}`: the whole number; `{suffix}`, for host names: its first two groups in small letters."""
    suffix = "-".join(serial.split("-")[:2]).lower()
    return content.replace("{serial}", serial).replace("{suffix}", suffix)


def changes_of(content: str, serial: str, *, at: int, size_at: int) -> tuple[Change, Change]:
    """The file's one sector, and its size as its folder tells it (four bytes, little-endian)."""
    data = fill_in(content, serial).encode()
    if len(data) > ROOM:
        raise JobError("bad_manifest", f"A file of each card has {len(data)} bytes, {ROOM} is the most.")
    return Change(at, data.ljust(ROOM, b"\0")), Change(size_at, len(data).to_bytes(4, "little"))
