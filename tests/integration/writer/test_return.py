"""A reader that is reset in the middle of a write, with a real loop device: detached, and attached again.

The node loses its file below the writer and gets it back, or another one, as a new insertion.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.doubles.bad_cards import BadDevice, bad_card, bad_card_problem
from tests.doubles.cards import MIB, MemorySource, assert_holds, bytes_at, card_file, image
from tests.integration.writer.test_fault_table import Watching
from workers.contract import Fault, Step
from workers.errors import SlotError
from workers.imaging.per_card import Change
from workers.writer.burn import BurnResult, burn
from workers.writer.card import BlockCard, FileCard
from workers.writer.conditions import Conditions
from workers.writer.personal import PersonalSource
from workers.writer.slots import SlotConfig, find, open_card, reopen

pytestmark = pytest.mark.loop
CARD = 32 * MIB
AWAY = 30.0


@pytest.fixture
def source() -> MemorySource:
    return image(28 * MIB, [(0, MIB), (6 * MIB, 14 * MIB), (25 * MIB, MIB)])


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    problem = bad_card_problem()
    if problem:
        pytest.skip(problem)
    return card_file(tmp_path / "medium", CARD)


@pytest.fixture
def device(medium: Path) -> Iterator[BadDevice]:
    with bad_card(medium) as device:
        yield device


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where the card was written, in the order of the calls that went well."""
    offsets: list[int] = []
    write = BlockCard.write

    def counted(card: BlockCard, data: memoryview, offset: int) -> int:
        count = write(card, data, offset)
        offsets.append(offset)
        return count

    monkeypatch.setattr(BlockCard, "write", counted)
    return offsets


@dataclass
class Slot:
    """A slot as a write task has it, and the insertions that were permitted to go on."""

    config: SlotConfig
    locks: Path
    permits: list[int | None] = field(default_factory=list)
    card: BlockCard | FileCard | None = None

    def reopen(self) -> bool:
        assert self.card
        return reopen(self.config, self.card)

    def permitted(self) -> None:
        assert self.card
        self.permits.append(self.card.identity().diskseq)

    def write(self, source: MemorySource | PersonalSource, report: Watching) -> BurnResult:
        state = find(self.config)
        conditions = Conditions(returning=self, away=AWAY, depth=1, differential=False)
        with open_card(self.config, expect_diskseq=state["diskseq"], lock_dir=self.locks) as card:
            self.card = card
            return burn(source, card, report, conditions=conditions)


@pytest.fixture
def slot(device: BadDevice, tmp_path: Path) -> Slot:
    return Slot(SlotConfig("A", device=device.node), tmp_path / "locks")


def reset(device: BadDevice, after: int, *, as_card: Path | None = None) -> None:
    """After so many bytes more the reader is reset; what was in it, or another card, is there again."""

    def come_back() -> None:
        device.wait_for("gone")
        device.come_back(as_card=as_card)

    device.set(gone_after=after)
    threading.Thread(target=come_back, daemon=True).start()


# Bytes after which it goes: in the body, in this card's own data, in the last piece, in the head.
BODY, OWN, LAST = 11 * MIB, 3 * MIB + MIB // 2, 15 * MIB
AT = [
    (Step.WRITING, BODY),
    (Step.WRITING, OWN),
    (Step.WRITING, LAST + MIB // 4),
    (Step.READING_BACK, MIB // 2),
    (Step.READING_BACK, MIB + OWN),
    (Step.READING_BACK, BODY),
]


@pytest.mark.parametrize(("step", "after"), AT)
def test_the_same_card_comes_back_and_is_written_to_its_end(
    device: BadDevice, slot: Slot, source: MemorySource, step: Step, after: int
) -> None:
    own = PersonalSource(source, [Change(9 * MIB + 512, b"serial 1042-01-1-7".ljust(512, b"\0"))])
    data = bytearray(source.data)
    data[9 * MIB + 512 : 9 * MIB + 1024] = b"serial 1042-01-1-7".ljust(512, b"\0")
    first = find(slot.config)["diskseq"]
    result = slot.write(own, Watching(lambda: reset(device, after), step))
    assert result.returns == 1
    assert_holds(device.medium, MemorySource(bytes(data), own.ranges))
    assert len(slot.permits) == 1
    assert slot.permits[0] not in (None, first), "the kernel calls it a new insertion"
    assert slot.permits[0] == result.identity.diskseq == find(slot.config)["diskseq"]


def test_it_goes_on_where_it_was_and_does_not_begin_anew(
    device: BadDevice, slot: Slot, source: MemorySource, writes: list[int]
) -> None:
    def begin() -> None:
        writes.clear()
        reset(device, 11 * MIB)

    slot.write(source, Watching(begin, Step.WRITING))
    assert_holds(device.medium, source)
    assert [offset for offset in writes if 6 * MIB <= offset < 14 * MIB] == [6 * MIB, 8 * MIB, 12 * MIB], (
        "once each, though the card was away in between"
    )


@pytest.mark.parametrize(("step", "after"), AT)
def test_another_card_is_refused_and_not_touched(
    device: BadDevice, slot: Slot, source: MemorySource, tmp_path: Path, step: Step, after: int
) -> None:
    other = card_file(tmp_path / "other", CARD, fill=7)
    with pytest.raises(SlotError) as caught:
        slot.write(source, Watching(lambda: reset(device, after, as_card=other), step))
    assert (caught.value.code, caught.value.fault) == ("other_card", Fault.SLOT)
    assert "nothing was written to it" in caught.value.message
    assert slot.permits == []
    assert bytes_at(other, 0, CARD) == b"\x07" * CARD


def test_the_slot_serves_again_after_either(
    device: BadDevice, slot: Slot, source: MemorySource, tmp_path: Path
) -> None:
    other = card_file(tmp_path / "other", CARD, fill=7)
    with pytest.raises(SlotError, match="Another card came back"):
        slot.write(source, Watching(lambda: reset(device, 11 * MIB, as_card=other), Step.WRITING))
    assert slot.write(source, Watching(lambda: None, Step.WRITING)).returns == 0
    assert_holds(other, source)
