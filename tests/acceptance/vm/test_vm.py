"""Cards in real USB readers of a small computer, which are pulled while our writer writes.

The kernel in there is Debian's, with its own USB and SCSI drivers; only the hardware is emulated. Readers
come and go when the writer has said how far it is.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.debian import KEYRING, Debian
from tests.acceptance.vm import computer as machine
from tests.acceptance.vm import guest
from tests.acceptance.vm.computer import Computer
from tests.acceptance.vm.readers import Readers
from tests.acceptance.vm.writing import Writing, Written
from tests.doubles.cards import MIB, bytes_at, card_file, tool
from tests.doubles.papers import ROOT, Papers, papers_of
from workers.creator.demo_base import make_demo_base

pytestmark = pytest.mark.vm

CARD = 144 * MIB
SLOW = (
    3 * MIB
)  # bytes a second: from the event that a test waits for, many seconds are left to do what it does
HEAD = 4 * MIB
IMAGE = "/images/demo.img.zst"
FACTS = (  # in words of Python, without a single quote
    "import json; from workers.imaging.sysfs import Sysfs; print(json.dumps(sorted("
    "[d.usb.path, d.node, d.lun, d.usb.speed, d.usb.version, [[h.path, h.speed] for h in d.usb.hubs]] "
    "for d in Sysfs().disks() if d.usb)))"
)
PROGRAMS = {machine.QEMU: "qemu-system-x86", "apt-get": "apt", "dpkg-deb": "dpkg"}


@pytest.fixture(scope="module")
def debian() -> Debian:
    missing = [package for program, package in PROGRAMS.items() if tool(program) is None]
    if not KEYRING.exists():
        missing.append("debian-archive-keyring")
    if missing:
        pytest.skip(f"needs {', '.join(missing)}; on Debian: apt-get install {' '.join(missing)}")
    return Debian(ROOT / "var/vm-test", guest.ARCHITECTURE)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vm")


@pytest.fixture(scope="module")
def papers(work: Path) -> Papers:
    """A hotspot's image with 24 MiB more behind its partitions."""
    plain = work / "plain.img"
    make_demo_base(plain)
    with plain.open("r+b") as file:
        file.seek(8 * MIB, 2)
        file.write(random.Random(5).randbytes(24 * MIB))
    folder = work / "images"
    folder.mkdir()
    return papers_of(folder, plain)


@pytest.fixture(scope="module")
def computer(debian: Debian, papers: Papers, work: Path) -> Iterator[Computer]:
    memory = guest.memory(debian, ROOT / "var/vm-test", work, papers.folder)
    with machine.booted(guest.kernel(debian), memory, work) as found:
        yield found


@pytest.fixture
def readers(computer: Computer) -> Iterator[Readers]:
    found = Readers(computer)
    yield found
    found.unplug_all()


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A used card."""
    return card_file(tmp_path / "card.img", CARD)


def begin(computer: Computer, papers: Papers, *devices: str, options: str = "") -> Writing:
    return Writing(computer, IMAGE, *devices, key=papers.key, options=options)


def assert_written(written: Written, papers: Papers, *cards: Path) -> None:
    """The writer says so, and it is so on our side."""
    assert written.code == 0, written.text
    assert [bool(each["result"]) for each in written.cards] == [True] * len(cards)
    for each in cards:
        papers.assert_on(each)


def assert_without_beginning(card: Path) -> None:
    """Nothing would boot from it, or take it for a good card."""
    assert bytes_at(card, 0, HEAD) == bytes(HEAD)


@pytest.mark.parametrize("model", ["usb-bot", "usb-uas"])
def test_a_card_is_written_by_usb(
    model: str, computer: Computer, readers: Readers, papers: Papers, card: Path
) -> None:
    readers.plug("2-1", card, model=model)
    device = readers.node("2-1")
    driver = computer.must("readlink /sys/bus/usb/devices/2-1:1.0/driver").rpartition("/")[2]
    assert driver == {"usb-bot": "usb-storage", "usb-uas": "uas"}[model]
    written = begin(computer, papers, device).end()
    assert_written(written, papers, card)
    assert written.cards[0]["result"]["device"]["port"] == "2-1"


def test_a_reader_that_is_pulled_and_stays_away(
    computer: Computer, readers: Readers, papers: Papers, card: Path
) -> None:
    """Not by UAS: QEMU 7.2 itself crashes if such a reader goes while it writes."""
    readers.plug("2-1", card, rate=SLOW)
    device = readers.node("2-1")
    writing = begin(computer, papers, device, options="--away 1")
    writing.until(device, "writing", 4 * MIB)
    readers.unplug("2-1")
    written = writing.end()
    assert written.code == 6, written.text
    assert written.troubles == [("card", "card_gone")]
    assert written.cards[0]["result"] is None
    assert_without_beginning(card)


@pytest.mark.parametrize("step", ["writing", "reading_back"])
def test_the_same_card_comes_back_and_the_writing_goes_on(
    step: str, computer: Computer, readers: Readers, papers: Papers, card: Path
) -> None:
    readers.plug("2-1", card, rate=SLOW)
    device = readers.node("2-1")
    writing = begin(computer, papers, device)
    writing.until(device, step, 4 * MIB if step == "writing" else 0)
    readers.unplug("2-1")
    readers.plug("2-1", card)
    written = writing.end()
    assert_written(written, papers, card)
    assert written.cards[0]["result"]["returns"] == 1


def test_another_card_comes_back_and_is_not_touched(
    computer: Computer, readers: Readers, papers: Papers, card: Path, tmp_path: Path
) -> None:
    other = card_file(tmp_path / "other.img", CARD, fill=0x5A)
    before = hashlib.sha256(other.read_bytes()).hexdigest()
    readers.plug("2-1", card, rate=SLOW)
    device = readers.node("2-1")
    writing = begin(computer, papers, device)
    writing.until(device, "writing", 4 * MIB)
    readers.unplug("2-1")
    readers.plug("2-1", other)
    written = writing.end()
    assert written.code == 5, written.text
    assert written.troubles == [("slot", "other_card")]
    assert hashlib.sha256(other.read_bytes()).hexdigest() == before
    assert_without_beginning(card)


def test_the_card_alone_is_pulled_out_of_its_reader(
    computer: Computer, readers: Readers, papers: Papers, card: Path
) -> None:
    readers.plug("2-1", card, rate=SLOW)
    device = readers.node("2-1")
    writing = begin(computer, papers, device, options="--away 1")
    writing.until(device, "writing", 4 * MIB)
    readers.take_card("2-1")
    written = writing.end()
    assert written.code == 6, written.text
    assert written.troubles == [("card", "card_gone")]
    assert_without_beginning(card)


def test_the_card_is_put_back_into_its_reader_and_the_writing_goes_on(
    computer: Computer, readers: Readers, papers: Papers, card: Path
) -> None:
    readers.plug("2-1", card, rate=SLOW)
    device = readers.node("2-1")
    writing = begin(computer, papers, device)
    writing.until(device, "writing", 4 * MIB)
    readers.take_card("2-1")
    writing.until_log("is gone; waiting")
    readers.put_back("2-1")
    written = writing.end()
    assert_written(written, papers, card)
    assert written.cards[0]["result"]["returns"] == 1


def test_two_readers_at_once_and_one_is_pulled(
    computer: Computer, readers: Readers, papers: Papers, card: Path, tmp_path: Path
) -> None:
    pulled = card_file(tmp_path / "pulled.img", CARD)
    readers.plug("2-1", card)
    readers.plug("3-1", pulled, rate=SLOW)
    good, bad = readers.node("2-1"), readers.node("3-1")
    writing = begin(computer, papers, good, bad, options="--away 1")
    writing.until(bad, "writing", 4 * MIB)
    readers.unplug("3-1")
    written = writing.end()
    assert written.code == 6, written.text
    assert [(each["device"], each["exit_code"]) for each in written.cards] == [(good, 0), (bad, 6)]
    papers.assert_on(card)
    assert_without_beginning(pulled)


def test_two_readers_at_once(
    computer: Computer, readers: Readers, papers: Papers, card: Path, tmp_path: Path
) -> None:
    other = card_file(tmp_path / "other.img", CARD)
    readers.plug("2-1", card)
    readers.plug("2-2", other)
    written = begin(computer, papers, readers.node("2-1"), readers.node("2-2")).end()
    assert_written(written, papers, card, other)


def test_readers_as_the_kernel_shows_them(computer: Computer, readers: Readers, tmp_path: Path) -> None:
    cards = [card_file(tmp_path / f"card{number}.img", 8 * MIB) for number in range(5)]
    readers.plug("2-1", cards[0])
    readers.plug("2-2", cards[1], cards[2])
    readers.plug("3-1", cards[3])
    readers.plug("1-4.1", cards[4])
    nodes = {port: readers.nodes(port) for port in ("2-1", "2-2", "3-1", "1-4.1")}
    told = json.loads(computer.must(f"python -c '{FACTS}'"))
    assert told == [
        ["1-4.1", nodes["1-4.1"][0], 0, 12, 2, [["1-4", 12], ["usb1", 480]]],
        ["2-1", nodes["2-1"][0], 0, 5000, 3, [["usb2", 5000]]],
        ["2-2", nodes["2-2"][0], 0, 5000, 3, [["usb2", 5000]]],
        ["2-2", nodes["2-2"][1], 1, 5000, 3, [["usb2", 5000]]],
        ["3-1", nodes["3-1"][0], 0, 480, 2, [["usb3", 480]]],
    ]


def test_a_host_is_set_up_with_a_reader_of_two_slots(
    computer: Computer, readers: Readers, tmp_path: Path
) -> None:
    readers.plug("2-2", card_file(tmp_path / "a.img", 8 * MIB), card_file(tmp_path / "b.img", 12 * MIB))
    first, second = readers.nodes("2-2")
    shown = computer.must("COLUMNS=160 python -m workers.whost slots readers | cat")
    for lun, node in enumerate((first, second)):
        (line,) = [line for line in shown.splitlines() if f"2-2#{lun}" in line]
        assert node in line
        assert "5000 Mb/s" in line
        assert "46f4:0001" in line
    computer.must("python -m workers.whost slots add right --port 2-2#1")
    shown = computer.must("COLUMNS=160 python -m workers.whost slots list | cat")
    (line,) = [line for line in shown.splitlines() if "right" in line]
    assert "USB 2-2#1" in line
    assert "12.6 MB" in line
