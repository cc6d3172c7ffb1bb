"""Card readers on USB: by the port that they hang on, with the names that they give themselves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import libusb_package
import usb.core
import usb.util

from workers.imaging.sizes import readable
from workers.imaging.sysfs import Disk, Sysfs, UsbPort

_MASS_STORAGE = 8


@dataclass(frozen=True)
class Reader:
    """One place for a card. `device` is empty when the kernel shows no disk for it."""

    port: str
    name: str
    ids: str
    device: str
    card: str


def readers(sysfs: Sysfs, storage: Iterable[Reader]) -> list[Reader]:
    """The disks that hang on USB, and what libusb sees beside them (a reader without a driver)."""
    named = {reader.port: reader for reader in storage}
    disks = [disk for disk in sysfs.disks() if disk.usb]
    shared = {path for path in _ports(disks) if _ports(disks).count(path) > 1}
    found = [_of_disk(disk, named, shared) for disk in disks]
    seen = set(_ports(disks))
    return sorted(
        [*found, *(reader for port, reader in named.items() if port not in seen)], key=lambda one: one.port
    )


def usb_storage() -> list[Reader]:
    """USB mass storage as libusb sees it; none where there is no USB at all."""
    try:
        devices = list(usb.core.find(find_all=True, backend=libusb_package.get_libusb1_backend()))
    except usb.core.NoBackendError:
        return []
    except usb.core.USBError:
        return []
    return list(_of_devices(devices))


def _of_devices(devices: Iterable[Any]) -> Iterator[Reader]:
    for device in devices:
        if not device.port_numbers or not _is_storage(device):
            continue
        port = f"{device.bus}-{'.'.join(map(str, device.port_numbers))}"
        name = " ".join(filter(None, (_text(device, device.iManufacturer), _text(device, device.iProduct))))
        yield Reader(port, name, f"{device.idVendor:04x}:{device.idProduct:04x}", "", "")


def _is_storage(device: Any) -> bool:
    with contextlib.suppress(usb.core.USBError):
        return any(interface.bInterfaceClass == _MASS_STORAGE for config in device for interface in config)
    return False


def _text(device: Any, index: int) -> str:
    """A string of the device; reading it needs rights that an ordinary user may lack."""
    with contextlib.suppress(usb.core.USBError, ValueError):
        return (usb.util.get_string(device, index) or "").strip()
    return ""


def _ports(disks: Iterable[Disk]) -> list[str]:
    return [disk.usb.path for disk in disks if disk.usb]


def _of_disk(disk: Disk, named: dict[str, Reader], shared: set[str]) -> Reader:
    if disk.usb is None:
        raise AssertionError("only disks on USB come here")
    usb_name = named[disk.usb.path].name if disk.usb.path in named else ""
    return Reader(
        port=f"{disk.usb.path}#{disk.lun}" if disk.usb.path in shared else disk.usb.path,
        name=usb_name or disk.usb.product or disk.model,
        ids=f"{disk.usb.vendor_id}:{disk.usb.product_id}",
        device=disk.node,
        card=(readable(disk.size) if disk.size else "no card") + _link(disk.usb),
    )


def _link(usb: UsbPort) -> str:
    """The link's speed, and whether the reader could do better at another port."""
    if usb.speed is None:
        return ""
    slow = ": a USB 3 reader on a USB 2 port or hub, plug it into a faster one" if usb.held_back else ""
    return f", {usb.speed:g} Mb/s{slow}"
