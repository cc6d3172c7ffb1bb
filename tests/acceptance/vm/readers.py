"""Card readers of the small computer: USB devices for its kernel, files on our side, plugged and pulled."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.acceptance.vm.computer import Computer

# What Linux calls the port → the emulator's bus and port. xHCI is bus 1 for USB 2 and bus 2 for USB 3, EHCI
# is bus 3; at port 4 of xHCI hangs a hub, which QEMU has in full speed only.
PORTS: Final = {
    "2-1": ("fast.0", "1"),
    "2-2": ("fast.0", "2"),
    "3-1": ("slow.0", "1"),
    "1-4.1": ("fast.0", "4.1"),
}
_SIZES: Final = "/sys/bus/usb/devices/{port}/{port}:1.0/host*/target*/*/block/*/size"


class Readers:
    """Readers by port; one has as many slots (LUNs) as it is given cards."""

    def __init__(self, computer: Computer) -> None:
        self._computer = computer
        self._plugged: dict[str, list[str]] = {}  # port → the names of its media
        self._media = 0

    def plug(self, port: str, *cards: Path, rate: int = 0, model: str = "usb-bot") -> None:
        """A reader with cards in it. `rate`: bytes a second that it writes, 0 for as many as it can."""
        bus, place = PORTS[port]
        control = self._computer.control
        control("device_add", driver=model, id=_id(port), bus=bus, port=place)
        self._plugged[port] = [self._medium(card, rate) for card in cards]
        for lun, medium in enumerate(self._plugged[port]):
            control("device_add", driver="scsi-hd", id=slot(port, lun), bus=f"{_id(port)}.0", lun=lun,
                    removable=True, drive=medium)  # fmt: skip
        control("qom-set", path=f"/machine/peripheral/{_id(port)}", property="attached", value=True)

    def unplug(self, port: str) -> None:
        """Pulled out, whatever is under way."""
        self._computer.control("device_del", id=_id(port))
        self._computer.await_event("DEVICE_DELETED", device=_id(port))
        for medium in self._plugged.pop(port):
            self._forget(medium)

    def take_card(self, port: str) -> None:
        """The card alone is pulled; its reader stays."""
        self._computer.control("blockdev-open-tray", id=slot(port, 0), force=True)
        self._computer.control("blockdev-remove-medium", id=slot(port, 0))

    def put_back(self, port: str) -> None:
        """The card that was taken."""
        self._computer.control("blockdev-insert-medium", id=slot(port, 0), node_name=self._plugged[port][0])
        self._computer.control("blockdev-close-tray", id=slot(port, 0))

    def nodes(self, port: str) -> list[str]:
        """What the computer calls the cards at this port, as soon as it knows their sizes."""
        sizes = _SIZES.format(port=port)
        count = len(self._plugged[port])
        found = self._computer.must(
            f"until [ $(cat {sizes} 2>/dev/null | grep -vcx 0) = {count} ]; do sleep 0.1; done; ls -d {sizes}"
        )
        return [f"/dev/{line.split('/')[-2]}" for line in found.splitlines()]

    def node(self, port: str) -> str:
        """The same for a reader with one card."""
        (found,) = self.nodes(port)
        return found

    def unplug_all(self) -> None:
        """Until the computer has seen that nothing is there any more."""
        for port in list(self._plugged):
            self.unplug(port)
        self._computer.must('while [ -n "$(ls /sys/block)" ]; do sleep 0.1; done')

    def _medium(self, card: Path, rate: int) -> str:
        self._media += 1
        name = f"medium{self._media}"
        control = self._computer.control
        control("object-add", qom_type="throttle-group", id=f"{name}-rate", limits={"bps-write": rate})
        control("blockdev-add", driver="file", node_name=f"{name}-file", filename=str(card))
        control("blockdev-add", driver="throttle", node_name=name, throttle_group=f"{name}-rate",
                file=f"{name}-file")  # fmt: skip
        return name

    def _forget(self, medium: str) -> None:
        for node in (medium, f"{medium}-file"):
            self._computer.control("blockdev-del", node_name=node)
        self._computer.control("object-del", id=f"{medium}-rate")


def slot(port: str, lun: int) -> str:
    """The emulator's name of a place for a card."""
    return f"{_id(port)}-slot{lun}"


def _id(port: str) -> str:
    return f"reader{port}"
