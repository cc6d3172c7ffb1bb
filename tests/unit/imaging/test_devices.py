from __future__ import annotations

from pathlib import Path

import pytest

from tests.doubles.machine import GB, Machine
from workers.imaging.devices import Devices, Use, unescaped


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.mount("8:2", "/", "/dev/sda2")
    return machine


def test_an_idle_card_is_free(machine: Machine) -> None:
    assert machine.uses() == []


@pytest.mark.parametrize("number", ["8:16", "8:17", "8:18"])
def test_a_mounted_disk_or_partition_is_in_use(machine: Machine, number: str) -> None:
    machine.mount(number, "/media/a", "/dev/whatever")
    (use,) = machine.uses()
    assert use.what == "mounted at /media/a"
    assert not use.system


def test_a_mount_is_found_by_its_source_where_the_number_is_anonymous(machine: Machine) -> None:
    machine.mount("0:45", "/media/a", "/dev/sdb1")
    assert [use.what for use in machine.uses()] == ["mounted at /media/a"]


def test_a_btrfs_mount_takes_all_members(machine: Machine) -> None:
    members = machine.tree.root / "fs/btrfs/uuid/devices"
    members.mkdir(parents=True)
    (members / "sda1").symlink_to(machine.system / "sda1")
    (members / "sdb1").symlink_to(machine.card / "sdb1")
    machine.mount("0:45", "/srv/data", "/dev/sda1")
    assert machine.uses()[0].what == "mounted at /srv/data"


@pytest.mark.parametrize("point", ["/", "/boot/firmware", "/usr", "/var/lib/docker", "/etc/hosts", "/home"])
def test_what_the_machine_needs_marks_a_system_disk(machine: Machine, point: str) -> None:
    machine.mount("8:17", point, "/dev/sdb1")
    assert machine.uses()[0].system


@pytest.mark.parametrize("point", ["/media/card", "/mnt", "/run/media/me/bootfs", "/srv/images", "/tmp/x"])
def test_other_mounts_do_not(machine: Machine, point: str) -> None:
    machine.mount("8:17", point, "/dev/sdb1")
    assert not machine.uses()[0].system


def test_the_system_comes_first(machine: Machine) -> None:
    machine.mount("8:1", "/a-data", "/dev/sda1")
    uses = machine.uses("sda")
    assert [use.system for use in uses] == [True, False]


@pytest.mark.parametrize("layers", [1, 3])
def test_raid_crypt_and_volumes_are_looked_through(machine: Machine, layers: int) -> None:
    lower = machine.card / "sdb1"
    for layer in range(layers):
        upper = machine.tree.disk(f"dm-{layer}", f"253:{layer}", GB)
        machine.tree.stack(upper, lower)
        lower = upper
    machine.mount(f"253:{layers - 1}", "/", "/dev/mapper/root")
    uses = machine.uses()
    assert uses[0] == Use(f"253:{layers - 1}", "mounted at /", system=True)
    assert "part of dm-0" in uses[-1].what


def test_a_holder_alone_is_a_use(machine: Machine) -> None:
    machine.tree.stack(machine.tree.disk("md0", "9:0", GB), machine.card)
    assert "part of md0" in machine.uses()[0].what


def test_a_swap_partition_is_the_system(machine: Machine) -> None:
    machine.swaps.append("/dev/sdb2 partition 1048572 0 -2")
    assert machine.uses() == [Use("8:18", "swap /dev/sdb2", system=True)]


def test_a_swap_file_counts_for_the_disk_below_it(machine: Machine) -> None:
    machine.file("/media/a b/swapfile", 8, 17)
    machine.swaps.append(r"/media/a\040b/swapfile file 1048572 0 -2")
    assert machine.uses() == [Use("8:17", "swap /media/a b/swapfile", system=True)]


def test_a_loop_over_the_disk_or_a_file_on_it_is_a_use(machine: Machine) -> None:
    for minor, backing in enumerate(["/dev/sdb", "/media/x.img"]):
        place = machine.tree.disk(f"loop{minor}", f"7:{minor}", GB)
        (place / "loop").mkdir()
        (place / "loop/backing_file").write_text(backing)
    machine.file("/media/x.img", 8, 17)
    assert [use.what for use in machine.uses()] == [
        "the file or device behind /dev/loop0",
        "the file or device behind /dev/loop1",
    ]


def test_a_mounted_loop_device_makes_the_disk_of_its_file_a_system_disk(machine: Machine) -> None:
    place = machine.tree.disk("loop0", "7:0", GB)
    (place / "loop").mkdir()
    (place / "loop/backing_file").write_text("/live/root.squashfs")
    machine.file("/live/root.squashfs", 8, 17)
    machine.mount("7:0", "/usr", "/dev/loop0")
    assert machine.uses()[0] == Use("7:0", "mounted at /usr", system=True)


def test_a_loop_device_itself_is_free_although_its_file_is_on_the_system_disk(machine: Machine) -> None:
    place = machine.tree.disk("loop0", "7:0", GB)
    (place / "loop").mkdir()
    (place / "loop/backing_file").write_text("/root/card.img")
    machine.file("/root/card.img", 8, 2)
    assert machine.uses("loop0") == []


def test_the_first_process_sees_mounts_that_a_private_namespace_hides(machine: Machine) -> None:
    (machine.proc / "1").mkdir()
    (machine.proc / "1/mountinfo").write_text("30 1 8:17 / /media/hidden rw - vfat /dev/sdb1 rw\n")
    assert [use.what for use in machine.uses()] == ["mounted at /media/hidden"]


def test_a_stack_that_stands_on_itself_ends(machine: Machine) -> None:
    upper = machine.tree.disk("dm-0", "253:0", GB)
    machine.tree.stack(upper, machine.card)
    (upper / "slaves/again").symlink_to(upper)
    assert machine.devices().ancestors("253:0") == {"253:0", "8:16"}


def test_a_file_behind_a_loop_device_is_in_use(machine: Machine) -> None:
    place = machine.tree.disk("loop0", "7:0", GB)
    (place / "loop").mkdir()
    (place / "loop/backing_file").write_text("/srv/card.img")
    machine.file("/srv/card.img", 8, 2, inode=77)
    machine.file("/srv/link.img", 8, 2, inode=77)
    machine.file("/srv/other.img", 8, 2, inode=78)
    assert machine.devices().uses_of_file("/srv/link.img") == [Use("", "the file behind /dev/loop0")]
    assert machine.devices().uses_of_file("/srv/other.img") == []


def test_a_swap_file_is_never_a_card(machine: Machine) -> None:
    machine.file("/swap", 8, 2, inode=5)
    machine.swaps.append("/swap file 1 0 -2")
    (use,) = machine.devices().uses_of_file("/swap")
    assert use.system


@pytest.mark.parametrize("line", ["", "30 1 8:17", "30 1 8:17 / /x rw", "30 1 8:17 / /x rw - ext4"])
def test_broken_mount_lines_are_passed_over(machine: Machine, line: str) -> None:
    machine.mounts.append(line)
    assert machine.uses() == []


def test_the_disk_of_this_very_root_is_a_system_disk() -> None:
    devices = Devices()
    disk = devices.sysfs.disk_of(devices.number_below("/") or "")
    if disk is None:
        pytest.skip("the root file system has no block device here (overlay or network)")
    assert devices.uses_of(disk)[0].system


def test_escapes() -> None:
    assert unescaped(r"/media/a\040b\134c") == "/media/a b\\c"


def test_a_partition_stands_on_its_disk(machine: Machine) -> None:
    assert machine.devices().ancestors("8:17") == {"8:17", "8:16"}
