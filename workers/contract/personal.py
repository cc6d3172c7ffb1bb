"""Files of the boot partition that are different on each card: what may be asked for, and what they say."""

from __future__ import annotations

from typing import Final

MAX_CARD_FILES: Final = 8
CARD_FILE_BYTES: Final = 512  # one sector, so that no boundary of blocks cuts it
MAX_SERIAL: Final = 40  # characters
CARD_VARIABLES: Final = ("{serial}", "{suffix}")
BOOT_CONFIG: Final = "offspot.yaml"  # the hotspot's own; no such file may take its place
MAX_BOOT_PATH: Final = 100
_PART: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?"
BOOT_PATH: Final = rf"{_PART}(?:/{_PART})*"  # of a file on the boot partition; FAT takes no dot at the end


def fill_in(content: str, serial: str) -> str:
    """`{serial}`: the whole number; `{suffix}`, for host names: its first two groups in small letters."""
    suffix = "-".join(serial.split("-")[:2]).lower()
    return content.replace("{serial}", serial).replace("{suffix}", suffix)


def longest(content: str) -> int:
    """Bytes that it has at most, on the card with the longest serial number."""
    return len(fill_in(content, "X" * MAX_SERIAL).encode("utf-8", "surrogatepass"))


def clash(paths: list[str]) -> str:
    """The first path that is another's double, or a folder of another; FAT knows no capitals."""
    known: set[str] = set()
    for path in paths:
        parts = path.casefold().split("/")
        ways = {"/".join(parts[:count]) for count in range(1, len(parts) + 1)}
        own = "/".join(parts)
        if ways & known or any(each.startswith(f"{own}/") for each in known):
            return path
        known.add(own)
    return ""
