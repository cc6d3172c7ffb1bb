"""Wall clocks that jump by a day, forwards and back, each part of the line for itself; needs libfaketime."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

PLACES = ("/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime")
LIBRARY = next(
    (str(found) for place in PLACES if (found := Path(place) / "libfaketimeMT.so.1").exists()), None
)
MISSING = "libfaketime is not installed (Debian package libfaketime)"
DAY = 86_400


class Clocks:
    """One file per part says how far its clock is off; monotonic clocks are left alone.

    It is looked at each second; `exact`: whenever the time is asked for, which makes everything much slower.
    """

    def __init__(self, folder: Path, *, exact: bool = False) -> None:
        self._folder = folder
        self._look = "FAKETIME_NO_CACHE" if exact else "FAKETIME_CACHE_DURATION"
        folder.mkdir(parents=True, exist_ok=True)

    def environment(self, part: str) -> Mapping[str, str]:
        """What the part's processes need."""
        self.set(part, 0)
        here = str(Path(__file__).parent / "faketime")
        return {
            "LD_PRELOAD": LIBRARY or "",
            "FAKETIME_TIMESTAMP_FILE": str(self._file(part)),
            self._look: "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")])),
        }

    def set(self, part: str, seconds: int) -> None:
        """The part's clock is `seconds` ahead of ours from now on."""
        fresh = self._file(part).with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.replace(self._file(part))

    def _file(self, part: str) -> Path:
        return self._folder / f"{part}.clock"
