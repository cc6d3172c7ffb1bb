from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.doubles.cards import MIB, SysTree, bytes_at, card_file
from workers.contract import MAX_SLOT_NAME, SlotState
from workers.errors import CardError, HostError, SlotError, WorkError
from workers.imaging.devices import Devices
from workers.imaging.sysfs import Sysfs
from workers.writer.card import FileCard
from workers.writer.slots import SlotConfig, find, open_card

GB = 10**9


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    return tmp_path / "locks"


@pytest.fixture
def slot(path: Path) -> SlotConfig:
    return SlotConfig("left", device=str(path))


@pytest.fixture
def tree(tmp_path: Path) -> SysTree:
    return SysTree(tmp_path / "sys")


def devices_of(tree: SysTree) -> Devices:
    return Devices(Sysfs(tree.root), proc=tree.root / "no-proc")


def refused(slot: SlotConfig, locks: Path, **options: int | None) -> WorkError:
    with pytest.raises(WorkError) as caught:
        open_card(slot, **{"expect_diskseq": None, "lock_dir": locks, **options})  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "a b", "port": "1-1"}, "letters"),
        ({"name": "../etc", "port": "1-1"}, "letters"),
        ({"name": "", "port": "1-1"}, "letters"),
        ({"name": "a" * (MAX_SLOT_NAME + 1), "port": "1-1"}, f"1 to {MAX_SLOT_NAME} letters"),
        ({"name": "a"}, "either"),
        ({"name": "a", "port": "1-1", "device": "/x"}, "either"),
        ({"name": "a", "port": "sdb"}, "USB port"),
        ({"name": "a", "port": "1-1; rm"}, "USB port"),
        ({"name": "a", "device": "card.img"}, "absolute"),
        ({"name": "a", "device": "/x", "max_bytes": 0}, "max_bytes"),
    ],
)
def test_a_slot_that_makes_no_sense_is_refused(fields: dict[str, str], words: str) -> None:
    with pytest.raises(HostError) as caught:
        SlotConfig(**fields)  # type: ignore[arg-type]
    assert caught.value.code == "bad_slot"
    assert words in caught.value.message


@pytest.mark.parametrize("port", ["1-1", "2-1.1", "1-1.4.2#1"])
def test_ports(port: str) -> None:
    assert SlotConfig("a", port=port).port == port


def test_a_file_in_its_slot(slot: SlotConfig, path: Path) -> None:
    state = find(slot)
    assert set(state) == set(SlotState.__annotations__)
    assert state["present"]
    assert (state["name"], state["size"], state["model"], state["problem"]) == ("left", 32 * MIB, "file", "")
    assert state["contents"] == "nothing recognised"
    with FileCard.open(str(path)) as card:
        assert state["diskseq"] == card.identity().diskseq


def test_no_file_is_an_empty_slot_without_a_problem(slot: SlotConfig, path: Path, locks: Path) -> None:
    path.unlink()
    state = find(slot)
    assert (state["present"], state["size"], state["diskseq"], state["problem"]) == (False, 0, None, "")
    assert refused(slot, locks).code == "no_card"


def test_an_empty_file_is_an_empty_slot(slot: SlotConfig, path: Path, locks: Path) -> None:
    os.truncate(path, 0)
    assert not find(slot)["present"]
    assert refused(slot, locks).code == "no_card"


def test_known_contents_are_not_read_again_but_a_new_card_is(slot: SlotConfig, path: Path) -> None:
    known: SlotState = {**find(slot), "contents": "as before"}
    assert find(slot, known=known)["contents"] == "as before"
    card_file(path.with_name("new"), 16 * MIB).rename(path)
    assert find(slot, known=known)["contents"] == "nothing recognised"


def test_a_folder_in_the_slot_is_a_problem(tmp_path: Path, locks: Path) -> None:
    slot = SlotConfig("left", device=str(tmp_path))
    state = find(slot)
    assert not state["present"]
    assert "not a block device" in state["problem"]
    assert refused(slot, locks).code == "not_a_block_device"


def test_a_problem_is_told_with_the_card(path: Path) -> None:
    state = find(SlotConfig("left", device=str(path), max_bytes=MIB))
    assert state["present"]
    assert "takes 1.05 MB" in state["problem"]


def test_opening_holds_slot_and_card_until_closed(slot: SlotConfig, locks: Path) -> None:
    card = open_card(slot, expect_diskseq=find(slot)["diskseq"], lock_dir=locks)
    assert card.size() == 32 * MIB
    error = refused(slot, locks)
    assert error.code == "slot_busy"
    assert str(os.getpid()) in error.message
    card.close()
    open_card(slot, expect_diskseq=None, lock_dir=locks).close()


def test_two_slots_cannot_take_one_card(slot: SlotConfig, locks: Path) -> None:
    other = SlotConfig("right", device=slot.device)
    with open_card(slot, expect_diskseq=None, lock_dir=locks):
        assert refused(other, locks).code == "in_use"


def test_a_dead_holder_frees_the_slot(slot: SlotConfig, locks: Path) -> None:
    script = (
        "import os, pathlib, sys; from workers.writer.slots import *;"
        "card = open_card(SlotConfig('left', device=sys.argv[1]), expect_diskseq=None,"
        " lock_dir=pathlib.Path(sys.argv[2])); print('held', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(slot.device), str(locks)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    with child:
        assert child.stdout
        assert child.stdout.readline() == b"held\n"
        assert str(child.pid) in refused(slot, locks).message
        child.kill()
        child.wait()
    open_card(slot, expect_diskseq=None, lock_dir=locks).close()


@pytest.mark.parametrize(
    ("options", "max_bytes", "kind", "code"),
    [
        ({"expect_diskseq": 1}, None, SlotError, "card_changed"),
        ({"image_size": 33 * MIB}, None, CardError, "too_small"),
        ({}, 31 * MIB, SlotError, "too_large"),
    ],
)
def test_guards_at_opening(
    path: Path, locks: Path, options: dict[str, int], max_bytes: int | None, kind: type[WorkError], code: str
) -> None:
    slot = SlotConfig("left", device=str(path), max_bytes=max_bytes)
    error = refused(slot, locks, **options)
    assert type(error) is kind
    assert error.code == code
    assert bytes_at(path, 0, 4096) == b"\xa5" * 4096
    if max_bytes is None:
        open_card(slot, expect_diskseq=None, lock_dir=locks).close()  # a refusal leaves no lock behind


def test_a_file_of_odd_size_is_refused(slot: SlotConfig, path: Path, locks: Path) -> None:
    os.truncate(path, 5000)
    assert refused(slot, locks).code == "odd_size"
    assert path.stat().st_size == 5000


def test_a_replaced_file_is_not_the_confirmed_card(slot: SlotConfig, path: Path, locks: Path) -> None:
    confirmed = find(slot)["diskseq"]
    card_file(path.with_name("new"), 32 * MIB).rename(path)
    assert refused(slot, locks, expect_diskseq=confirmed).code == "card_changed"


def test_a_reader_is_found_by_its_port(tree: SysTree) -> None:
    tree.disk("sdx", "8:240", 32 * GB, above=tree.usb("2-1.1"), removable="1", diskseq="9")
    tree.disk("sdy", "65:0", 16 * GB, above=tree.usb("2-1.2"), removable="1")
    state = find(SlotConfig("left", port="2-1.1"), devices=devices_of(tree))
    assert (state["present"], state["size"], state["diskseq"]) == (True, 32 * GB, 9)
    assert state["model"] == "Generic STORAGE DEVICE"
    assert state["problem"] == ""
    assert "unreadable" in state["contents"]  # there is no such node on this machine


def test_a_reader_tells_its_link_with_a_card_and_without(tree: SysTree) -> None:
    reader = tree.usb("2-1.1", speed="480", version="2.10", root="5000")
    for size in (4 * GB, 0):
        tree.disk(f"sd{size // GB}", f"8:{size // GB}", size, above=reader, lun=size // GB)
    for lun in (4, 0):
        state = find(SlotConfig("a", port=f"2-1.1#{lun}"), devices=devices_of(tree))
        assert state["bus"] == {
            "port": "2-1.1",
            "speed": 480.0,
            "held_back": True,
            "hubs": [{"path": "2-1", "speed": 480.0}, {"path": "usb2", "speed": 5000.0}],
        }


def test_what_does_not_hang_on_usb_has_no_bus(slot: SlotConfig, tree: SysTree) -> None:
    assert find(slot)["bus"] is None
    assert find(SlotConfig("a", port="1-9"), devices=devices_of(tree))["bus"] is None


def test_a_reader_without_a_card(tree: SysTree, locks: Path) -> None:
    tree.disk("sdx", "8:240", 0, above=tree.usb("2-1.1"), removable="1")
    slot = SlotConfig("left", port="2-1.1")
    state = find(slot, devices=devices_of(tree))
    assert (state["present"], state["problem"]) == (False, "")
    with pytest.raises(SlotError) as caught:
        open_card(slot, expect_diskseq=None, lock_dir=locks, devices=devices_of(tree))
    assert caught.value.code == "no_card"


def test_no_reader_at_the_port_is_a_problem(tree: SysTree) -> None:
    tree.disk("sdx", "8:240", 32 * GB, above=tree.usb("2-1.10"))
    state = find(SlotConfig("left", port="2-1.1"), devices=devices_of(tree))
    assert not state["present"]
    assert "no card reader at USB port 2-1.1" in state["problem"]


def test_a_reader_with_several_slots_needs_the_number_of_one(tree: SysTree) -> None:
    reader = tree.usb("1-2")
    tree.disk("sdx", "8:240", 32 * GB, above=reader, lun=0)
    tree.disk("sdy", "65:0", 16 * GB, above=reader, lun=1)
    devices = devices_of(tree)
    assert "1-2#0, 1-2#1" in find(SlotConfig("left", port="1-2"), devices=devices)["problem"]
    assert find(SlotConfig("left", port="1-2#0"), devices=devices)["size"] == 32 * GB
    assert find(SlotConfig("right", port="1-2#1"), devices=devices)["size"] == 16 * GB


@pytest.mark.parametrize(("ro", "words"), [("1", "write-protected"), ("0", "")])
def test_the_slider_of_a_card(tree: SysTree, ro: str, words: str) -> None:
    tree.disk("sdx", "8:240", 32 * GB, above=tree.usb("2-1.1"), ro=ro)
    assert words in find(SlotConfig("left", port="2-1.1"), devices=devices_of(tree))["problem"]


def test_a_mounted_card_in_a_reader_is_a_problem(tree: SysTree) -> None:
    tree.disk("sdx", "8:240", GB, above=tree.usb("2-1.1"), partitions=[("sdx1", "8:241", GB)])
    (tree.root / "no-proc/self").mkdir(parents=True)
    (tree.root / "no-proc/self/mountinfo").write_text("30 1 8:241 / /media/a rw - vfat /dev/sdx1 rw\n")
    assert "mounted at /media/a" in find(SlotConfig("l", port="2-1.1"), devices=devices_of(tree))["problem"]


def test_a_lock_folder_is_private(slot: SlotConfig, locks: Path) -> None:
    open_card(slot, expect_diskseq=None, lock_dir=locks).close()
    assert locks.stat().st_mode & 0o777 == 0o700
    assert (locks / "slot-left.lock").stat().st_mode & 0o777 == 0o600


def test_a_planted_link_is_no_lock(slot: SlotConfig, locks: Path, tmp_path: Path) -> None:
    locks.mkdir()
    (tmp_path / "victim").write_text("keep")
    (locks / "slot-left.lock").symlink_to(tmp_path / "victim")
    error = refused(slot, locks)
    assert isinstance(error, HostError)
    assert error.code == "no_lock"
    assert (tmp_path / "victim").read_text() == "keep"


def test_a_lock_folder_that_is_none(slot: SlotConfig, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert refused(slot, tmp_path / "file").code == "no_lock"


def test_a_device_that_may_not_be_looked_at_is_a_problem_not_an_empty_slot(tree: SysTree) -> None:
    def forbidden(path: str) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    devices = Devices(Sysfs(tree.root), proc=tree.root / "no-proc", stat=forbidden)
    state = find(SlotConfig("left", device="/dev/card"), devices=devices)
    assert not state["present"]
    assert "may not be opened by this user" in state["problem"]


def test_a_loop_of_links_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    state = find(SlotConfig("left", device=str(tmp_path / "a")))
    assert not state["present"]
    assert state["problem"]
