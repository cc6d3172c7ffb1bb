"""A computer in software that boots a card: U-Boot on the board, Linux from the card's first partition."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from tests.acceptance.boot import base
from tests.doubles.cards import MIB

QEMU: Final = "qemu-system-aarch64"
PATIENCE: Final = 400  # seconds until a boot is given up; a calm machine needs ten
BUSES: Final = {
    "usb": ["-device", "usb-ehci", "-device", "usb-storage,drive=card,removable=on"],
    "virtio": ["-device", "virtio-blk-pci,drive=card"],
    "sd": ["-device", "sdhci-pci", "-device", "sd-card,drive=card"],
}
DISKS: Final = {"usb": "sda", "virtio": "vda", "sd": "mmcblk0"}  # what Linux calls the only disk there is


def boot(card: Path, firmware: Path, bus: str, scratch: Path) -> str:
    """What the serial console told until power-off. The card stays as it is: writes go to `scratch`."""
    command = [QEMU, "-M", "virt", "-cpu", "cortex-a53", "-accel", "tcg", "-m", "512"]
    command += ["-nographic", "-no-reboot", "-nic", "none", "-snapshot"]
    command += ["-drive", f"file={card},format=raw,if=none,id=card", *BUSES[bus]]
    command += _first(card, scratch) if bus == "sd" else ["-bios", str(firmware)]
    log = scratch / f"console-{bus}.txt"
    with log.open("wb") as console:
        try:
            ended = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={"PATH": "/usr/bin:/bin", "TMPDIR": str(scratch)},
                timeout=PATIENCE,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            ended = -1
    text = log.read_text(encoding="utf-8", errors="replace")
    assert ended == 0, f"no power-off after {PATIENCE} s (or exit {ended}); the console ends:\n{text[-3000:]}"
    return text


def _first(card: Path, scratch: Path) -> list[str]:
    """What a firmware does, done for U-Boot, which knows no SD slot on this board: load from the card."""
    for name in ("Image", "initrd.gz"):
        base.run("mcopy", "-n", "-i", f"{card}@@{base.PARTS[0][0] * MIB}", f"::/{name}", scratch / name)
    kernel = ["-kernel", str(scratch / "Image"), "-initrd", str(scratch / "initrd.gz")]
    return [*kernel, "-append", base.COMMAND_LINE]


def sections(console: str) -> dict[str, list[str]]:
    """The lines below each `=== NAME` that the card's init printed; the firmware's come before."""
    found: dict[str, list[str]] = {}
    name = None
    for line in console.splitlines():
        if line.startswith("=== "):
            name = line[4:]
            found[name] = []
        elif name is not None:
            found[name].append(line)
    assert "end" in found, f"the card did not come up to the end of its init:\n{console[-3000:]}"
    return found
