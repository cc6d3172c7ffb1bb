"""Hosts of every kind: the disk that carries the machine is refused, be the slot list right or wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.doubles.machine import Machine
from workers.errors import SlotError, WorkError
from workers.writer import slots
from workers.writer.opening import check, look
from workers.writer.slots import SlotConfig, find, open_card

READER = "2-1.1"


def nvme(machine: Machine) -> list[str]:
    machine.disk("nvme0n1", 259, 0)
    machine.mount("259:1", "/boot/efi", "/dev/nvme0n1p1")
    machine.mount("259:2", "/", "/dev/nvme0n1p2")
    return ["nvme0n1"]


def sd_card(machine: Machine) -> list[str]:
    """A single-board computer: its own card looks exactly like those that it writes."""
    machine.disk("mmcblk0", 179, 0, removable="1")
    machine.mount("179:1", "/boot/firmware", "/dev/mmcblk0p1")
    machine.mount("179:2", "/", "/dev/root")  # as kernels without an initrd name it
    return ["mmcblk0"]


def emmc(machine: Machine) -> list[str]:
    """The boot partitions of an eMMC are disks of their own; the data lies on the main one."""
    machine.disk("mmcblk1", 179, 32)
    machine.mount("179:33", "/", "/dev/mmcblk1p1")
    machine.mount("179:34", "/var/lib/docker", "/dev/mmcblk1p2")
    return ["mmcblk1"]


def usb_stick(machine: Machine) -> list[str]:
    """Removable, on USB, and nevertheless the machine."""
    machine.disk("sda", 8, 0, above=machine.tree.usb("2-2"), removable="1")
    machine.mount("8:2", "/", "/dev/sda2")
    return ["sda"]


def usb_disk_behind_the_readers_hub(machine: Machine) -> list[str]:
    machine.disk("sda", 8, 0, above=machine.tree.usb("2-1.2"))
    machine.mount("8:2", "/", "/dev/sda2")
    return ["sda"]


def lvm_on_crypt(machine: Machine) -> list[str]:
    disk = machine.disk("nvme0n1", 259, 0)
    crypt = machine.stacked("dm-0", 253, 0, disk / "nvme0n1p2")
    machine.stacked("dm-1", 253, 1, crypt)
    machine.stacked("dm-2", 253, 2, crypt)
    machine.node("/dev/mapper/vg-root", 253, 1)
    machine.node("/dev/mapper/vg-swap", 253, 2)
    machine.mount("253:1", "/", "/dev/mapper/vg-root")
    machine.swaps.append("/dev/mapper/vg-swap partition 1 0 -2")
    return ["nvme0n1"]


def raid(machine: Machine) -> list[str]:
    members = [machine.disk("sda", 8, 0), machine.disk("sdb", 8, 16)]
    machine.stacked("md0", 9, 0, *(member / f"{member.name}2" for member in members))
    machine.mount("9:0", "/", "/dev/md0")
    return ["sda", "sdb"]


def btrfs_on_two(machine: Machine) -> list[str]:
    """The mount names one member; the other carries the machine no less."""
    for name, minor in (("sda", 0), ("sdb", 16)):
        place = machine.disk(name, 8, minor)
        member = machine.tree.root / f"fs/btrfs/uuid/devices/{name}2"
        member.parent.mkdir(parents=True, exist_ok=True)
        member.symlink_to(place / f"{name}2")
    machine.mount("0:30", "/", "/dev/sda2")
    return ["sda", "sdb"]


def swap_only(machine: Machine) -> list[str]:
    """The root comes over the network; swap lies on a disk."""
    machine.disk("sda", 8, 0)
    machine.mount("0:30", "/", "server:/root")
    machine.swaps.append("/dev/sda2 partition 1 0 -2")
    return ["sda"]


def live_system(machine: Machine) -> list[str]:
    """An overlay over a loop device over a file on a stick."""
    machine.disk("sda", 8, 0, above=machine.tree.usb("2-2"), removable="1")
    loop = machine.disk("loop0", 7, 0, parts=0)
    (loop / "loop").mkdir()
    (loop / "loop/backing_file").write_text("/run/live/medium/live.squashfs\n")
    machine.file("/run/live/medium/live.squashfs", 8, 1)
    machine.mount("0:30", "/", "overlay")
    machine.mount("8:1", "/run/live/medium", "/dev/sda1")
    machine.mount("7:0", "/usr/lib/live/rootfs", "/dev/loop0")
    return ["sda"]


def container(machine: Machine) -> list[str]:
    """Root is an overlay; the disk shows below the files that the engine mounts."""
    machine.disk("sda", 8, 0)
    machine.mount("0:30", "/", "overlay")
    machine.mount("8:2", "/etc/hosts", "/dev/sda2")
    return ["sda"]


HOSTS = [
    nvme,
    sd_card,
    emmc,
    usb_stick,
    usb_disk_behind_the_readers_hub,
    lvm_on_crypt,
    raid,
    btrfs_on_two,
    swap_only,
    live_system,
    container,
]
Host = tuple[Machine, list[str]]


@pytest.fixture(params=HOSTS, ids=lambda build: build.__name__)
def host(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """The machine with a card in a reader, and the disks that carry it."""
    machine = Machine(tmp_path, bare=True)
    build: Callable[[Machine], list[str]] = request.param
    system = build(machine)
    machine.disk("sdx", 65, 112, above=machine.tree.usb(READER), removable="1")
    monkeypatch.setattr(slots, "contents_of", lambda candidate: "nothing: these nodes are only names")
    return machine, system


def refused(machine: Machine, slot: SlotConfig, locks: Path) -> WorkError:
    with pytest.raises(WorkError) as caught:
        open_card(slot, expect_diskseq=7, lock_dir=locks, devices=machine.devices())
    return caught.value


def test_a_slot_list_that_names_the_systems_disk_is_refused(host: Host, tmp_path: Path) -> None:
    machine, system = host
    for name in system:
        slot = SlotConfig("wrong", device=f"/dev/{name}")
        error = refused(machine, slot, tmp_path / "locks")
        assert isinstance(error, SlotError)
        assert error.code == "system_disk"
        assert f"/dev/{name} carries this machine itself" in error.message
        assert "carries this machine itself" in find(slot, devices=machine.devices())["problem"]


def test_nor_by_a_partition_of_it(host: Host, tmp_path: Path) -> None:
    machine, system = host
    for name in system:
        part = f"/dev/{name}p1" if name[-1].isdigit() else f"/dev/{name}1"
        assert refused(machine, SlotConfig("wrong", device=part), tmp_path / "locks").code == "partition"


def test_nor_by_the_port_that_it_hangs_on(host: Host, tmp_path: Path) -> None:
    """Somebody swapped plugs: the slot list is right, the system's stick is where a reader was."""
    machine, system = host
    for name in system:
        usb = machine.find(name).usb
        if usb:
            error = refused(machine, SlotConfig("wrong", port=usb.path), tmp_path / "locks")
            assert error.code == "system_disk"


def test_nor_from_the_command_line_with_every_allowance(host: Host) -> None:
    machine, system = host
    for name in system:
        devices = machine.devices()
        with pytest.raises(SlotError) as caught:
            check(look(f"/dev/{name}", devices), devices, allow_non_removable=True)
        assert caught.value.code == "system_disk"


def test_what_stands_on_the_systems_disk_is_no_card_either(host: Host, tmp_path: Path) -> None:
    """The RAID, the opened crypt, the volume."""
    machine, system = host
    known = {"sdx", *system}
    for disk in machine.devices().sysfs.disks():
        if disk.name not in known:
            error = refused(machine, SlotConfig("wrong", device=disk.node), tmp_path / "locks")
            assert error.code in ("system_disk", "in_use")


def test_the_card_in_the_reader_is_free(host: Host) -> None:
    machine, _ = host
    state = find(SlotConfig("right", port=READER), devices=machine.devices())
    assert (state["present"], state["problem"]) == (True, "")


def test_a_card_that_the_desktop_mounted_is_in_use_not_the_system(host: Host, tmp_path: Path) -> None:
    machine, _ = host
    machine.mount("65:113", "/media/somebody/boot", "/dev/sdx1")
    error = refused(machine, SlotConfig("right", port=READER), tmp_path / "locks")
    assert error.code == "in_use"
    assert "/media/somebody/boot" in error.message
