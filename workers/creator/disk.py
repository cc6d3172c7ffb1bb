"""Is there room? Asked before each step that needs some: nobody works for hours towards a full disk."""

from __future__ import annotations

import os
from pathlib import Path

from workers.errors import HostError
from workers.imaging.sizes import exact


def check_disk(folder: Path, needed: int) -> None:
    """HostError `disk_full` unless `folder` has `needed` bytes free."""
    facts = os.statvfs(folder)
    free = facts.f_bavail * facts.f_frsize
    if free < needed:
        raise HostError(
            "disk_full",
            f"the build needs up to {exact(needed)} in {folder}, {exact(free)} are free; "
            "free some space or choose another folder",
        )
