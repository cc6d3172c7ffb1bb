from __future__ import annotations

from pathlib import Path

import pytest

from tests.doubles.cards import SysTree
from workers.imaging.sysfs import Hub, Sysfs

GB = 10**9


@pytest.fixture
def tree(tmp_path: Path) -> SysTree:
    return SysTree(tmp_path / "sys")


def test_a_card_in_a_usb_reader_is_told_with_its_port(tree: SysTree) -> None:
    tree.disk(
        "sda", "8:0", 32 * GB, above=tree.usb("2-1.1", speed="5000"), removable="1", diskseq="42",
        partitions=[("sda1", "8:1", GB), ("sda2", "8:2", 2 * GB)],
    )  # fmt: skip
    (disk,) = Sysfs(tree.root).disks()
    assert (disk.name, disk.number, disk.size, disk.diskseq) == ("sda", "8:0", 32 * GB, 42)
    assert disk.removable
    assert not disk.read_only
    assert disk.node == "/dev/sda"
    assert disk.model == "Generic STORAGE DEVICE"
    assert disk.usb is not None
    assert (disk.usb.path, disk.usb.vendor_id, disk.usb.product_id) == ("2-1.1", "05e3", "0749")
    assert (disk.usb.serial, disk.usb.speed) == ("1532", 5000.0)
    assert [(part.name, part.number, part.size) for part in disk.partitions] == [
        ("sda1", "8:1", GB),
        ("sda2", "8:2", 2 * GB),
    ]
    assert disk.numbers == {"8:0", "8:1", "8:2"}


def test_readers_with_the_same_serial_differ_by_port_and_slot(tree: SysTree) -> None:
    twin = tree.usb("1-2")
    tree.disk("sdb", "8:16", GB, above=twin, lun=0)
    tree.disk("sdc", "8:32", 0, above=twin, lun=1)
    tree.disk("sdd", "8:48", GB, above=tree.usb("1-3"))
    found = {disk.name: (disk.usb.path if disk.usb else None, disk.lun) for disk in Sysfs(tree.root).disks()}
    assert found == {"sdb": ("1-2", 0), "sdc": ("1-2", 1), "sdd": ("1-3", 0)}


def test_an_empty_reader_has_size_zero_and_is_listed(tree: SysTree) -> None:
    tree.disk("sda", "8:0", 0, above=tree.usb("1-1"), removable="1")
    assert Sysfs(tree.root).disks()[0].size == 0


def test_a_disk_that_is_not_on_usb_says_so(tree: SysTree) -> None:
    tree.disk("nvme0n1", "259:0", 500 * GB)
    (disk,) = Sysfs(tree.root).disks()
    assert disk.usb is None
    assert not disk.removable


def test_a_loop_device_names_its_file(tree: SysTree) -> None:
    place = tree.disk("loop0", "7:0", GB)
    (place / "loop").mkdir()
    (place / "loop/backing_file").write_text("/srv/card.img\n")
    assert Sysfs(tree.root).disks()[0].backing_file == "/srv/card.img"


def test_a_slash_in_a_name_is_a_slash_in_the_node(tree: SysTree) -> None:
    tree.disk("cciss!c0d0", "104:0", GB)
    assert Sysfs(tree.root).disks()[0].node == "/dev/cciss/c0d0"


def test_an_old_kernel_has_no_diskseq(tree: SysTree) -> None:
    place = tree.disk("sda", "8:0", GB)
    (place / "diskseq").unlink()
    assert Sysfs(tree.root).disks()[0].diskseq is None


def test_an_mmc_card_is_named_by_its_product(tree: SysTree) -> None:
    place = tree.disk("mmcblk0", "179:0", GB)
    (place / "device").mkdir()
    (place / "device/name").write_text("SD32G\n")
    assert Sysfs(tree.root).disks()[0].model == "SD32G"


def test_a_disk_that_vanishes_while_we_look_is_left_out(tree: SysTree) -> None:
    place = tree.disk("sda", "8:0", GB)
    tree.disk("sdb", "8:16", GB)
    (place / "size").unlink()
    assert [disk.name for disk in Sysfs(tree.root).disks()] == ["sdb"]


@pytest.mark.parametrize("number", ["8:0", "8:1"])
def test_disk_of_finds_the_whole_disk_of_a_partition(tree: SysTree, number: str) -> None:
    tree.disk("sda", "8:0", GB, partitions=[("sda1", "8:1", GB)])
    disk = Sysfs(tree.root).disk_of(number)
    assert disk is not None
    assert disk.name == "sda"


@pytest.mark.parametrize("number", ["0:45", "8:99", ""])
def test_disk_of_knows_no_device_for_other_numbers(tree: SysTree, number: str) -> None:
    assert Sysfs(tree.root).disk_of(number) is None


def test_no_sysfs_at_all_means_no_disks(tmp_path: Path) -> None:
    assert Sysfs(tmp_path / "nothing").disks() == []


def test_btrfs_members_are_all_devices_of_the_volume(tree: SysTree) -> None:
    volume = tree.root / "fs/btrfs/some-uuid/devices"
    volume.mkdir(parents=True)
    for name, number in (("sda1", "8:1"), ("sdb1", "8:17")):
        place = tree.disk(name, number, GB)
        (volume / name).symlink_to(place)
    assert Sysfs(tree.root).btrfs_members("8:1") == {"8:1", "8:17"}
    assert Sysfs(tree.root).btrfs_members("8:99") == {"8:99"}


def test_this_machine_can_be_read() -> None:
    for disk in Sysfs().disks():
        assert ":" in disk.number
        assert Path(disk.path).is_dir()


@pytest.mark.parametrize(
    ("version", "speed", "held_back"),
    [("2.10", "480", True), ("2.00", "480", False), ("3.00", "5000", False), ("3.20", "10000", False)],
)
def test_a_usb_3_reader_on_a_usb_2_link_is_held_back(
    tree: SysTree, version: str, speed: str, held_back: bool
) -> None:
    place = tree.usb("2-1.1", speed=speed)
    (place / "version").write_text(f" {version}\n")
    tree.disk("sda", "8:0", 32 * GB, above=place)
    (disk,) = Sysfs(tree.root).disks()
    assert disk.usb
    assert disk.usb.held_back is held_back


def test_a_reader_tells_the_hubs_above_it_up_to_the_root(tree: SysTree) -> None:
    tree.disk("sda", "8:0", GB, above=tree.usb("2-1.4.2", speed="480", root="5000"))
    tree.disk("sdb", "8:16", GB, above=tree.usb("3-2", speed="5000"))
    deep, near = (disk.usb for disk in Sysfs(tree.root).disks())
    assert deep is not None
    assert deep.hubs == (Hub("2-1.4", 480.0), Hub("2-1", 480.0), Hub("usb2", 5000.0))
    assert near is not None
    assert near.hubs == (Hub("usb3", 5000.0),)
