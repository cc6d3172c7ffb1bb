"""Is there room? Asked before each step that needs some: nobody works for hours towards a full disk."""

from __future__ import annotations

import os
from pathlib import Path

from workers.errors import HostError
from workers.imaging.sizes import exact


def free_bytes(folder: Path) -> int:
    """What ordinary users may still write where `folder` lies."""
    facts = os.statvfs(folder)
    return facts.f_bavail * facts.f_frsize


def check_disk(folder: Path, needed: int) -> None:
    """HostError `disk_full` unless `folder` has `needed` bytes free."""
    free = free_bytes(folder)
    if free < needed:
        raise HostError(
            "disk_full",
            f"the build needs up to {exact(needed)} in {folder}, {exact(free)} are free; "
            "free some space or choose another folder",
        )
