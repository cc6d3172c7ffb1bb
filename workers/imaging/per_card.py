"""Files of the boot partition that are different on each card: what they say, and the places they have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from workers.contract import CARD_FILE_BYTES, CARD_VARIABLES, MAX_SERIAL, fill_in, longest
from workers.errors import JobError

UNSET: Final = "unset"  # what the image itself says, for whoever writes it with another tool
_SERIAL: Final = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")


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
    if not any(variable in content for variable in CARD_VARIABLES):
        raise ValueError("it is the same on all cards; use {serial} or {suffix} in it, or take `files`")
    if longest(content) > CARD_FILE_BYTES:
        raise ValueError(
            f"it may grow beyond {CARD_FILE_BYTES} bytes with the longest serial number; shorten it"
        )
    return content


def changes_of(content: str, serial: str, *, at: int, size_at: int) -> tuple[Change, Change]:
    """The file's one sector, and its size as its folder tells it (four bytes, little-endian)."""
    data = fill_in(content, serial).encode()
    most = CARD_FILE_BYTES
    if len(data) > most:
        raise JobError("bad_manifest", f"A file of each card has {len(data)} bytes, {most} is the most.")
    return Change(at, data.ljust(most, b"\0")), Change(size_at, len(data).to_bytes(4, "little"))
