"""Sizes for people. Everywhere else they are bytes as `int`."""

from __future__ import annotations

from typing import Final

_UNITS: Final = ("kB", "MB", "GB", "TB")


def readable(size: float) -> str:
    """Decimal units, as cards are sold: `7.95 GB`, `512 MB`, `900 bytes`."""
    value, unit = float(size), "bytes"
    for larger in _UNITS:
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    text = f"{value:.0f}" if unit == "bytes" or value >= 99.95 else f"{value:.3g}"
    return f"{text} {unit}"


def exact(size: int) -> str:
    """Both for people and for comparison: `7.95 GB (7948206080 bytes)`."""
    return f"{readable(size)} ({size} bytes)" if size >= 1000 else f"{size} bytes"
