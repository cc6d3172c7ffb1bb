"""Where a slot's reader hangs: what its link and those above it can carry."""

from __future__ import annotations

from workers.contract import BusFacts
from workers.imaging.sysfs import Disk


def bus_of(disk: Disk) -> BusFacts | None:
    """For the beat; None if it does not hang on USB."""
    if disk.usb is None:
        return None
    return {
        "port": disk.usb.path,
        "speed": disk.usb.speed,
        "held_back": disk.usb.held_back,
        "hubs": [{"path": hub.path, "speed": hub.speed} for hub in disk.usb.hubs],
    }
