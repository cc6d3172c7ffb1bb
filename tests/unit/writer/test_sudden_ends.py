"""Killed, or without power, anywhere along a write: never a card that looks good; it serves again."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.doubles.cards import MIB, MemorySource, assert_holds, card_file, image
from workers.errors import WorkError
from workers.imaging.ranges import GRID
from workers.report import Recorder
from workers.writer.burn import burn
from workers.writer.card import FileCard, aligned
from workers.writer.conditions import Conditions
from workers.writer.faulty import FaultyCard

SIZE = 24 * MIB
MAPPED = [(0, MIB), (2 * MIB, 4096), *((at * GRID + 4096, MIB) for at in range(1, 5)), (21 * MIB, MIB)]


class Ending(FaultyCard):
    """Calls `end` at its `at`-th call of any kind."""

    def __init__(self, card: FileCard, at: int, end: Callable[[], None]) -> None:
        super().__init__(card)
        self.left = at
        self.end = end

    def _count(self) -> None:
        self.left -= 1
        if self.left <= 0:  # and whoever wants to tidy up finds nothing there any more
            self.end()

    def write(self, data: memoryview, offset: int) -> int:
        self._count()
        return super().write(data, offset)

    def read_into(self, buffer: memoryview, offset: int) -> int:
        self._count()
        return super().read_into(buffer, offset)

    def flush(self) -> None:
        self._count()
        super().flush()


class PowerLoss(WorkError):
    """The plug."""


class Volatile(Ending):
    """Keeps what is written in its memory until a flush; at the end, any part of that may be lost."""

    def __init__(self, card: FileCard, at: int, dice: random.Random) -> None:
        super().__init__(card, at, self.lose)
        self.memory: list[tuple[int, bytes]] = []
        self.dice = dice

    def write(self, data: memoryview, offset: int) -> int:
        self._count()
        self.memory.append((offset, bytes(data)))
        return len(data)

    def read_into(self, buffer: memoryview, offset: int) -> int:
        assert not self.memory, "nothing is read that was not flushed"
        return super().read_into(buffer, offset)

    def flush(self) -> None:
        self._count()
        self._keep(self.memory)
        self.inner.flush()

    def lose(self) -> None:
        self._keep([each for each in self.memory if self.dice.random() < 0.5])
        raise PowerLoss("power", "cut")

    def _keep(self, writes: list[tuple[int, bytes]]) -> None:
        for offset, data in writes:
            buffer = aligned(len(data))
            buffer[:] = data
            self.inner.write(buffer, offset)
        self.memory = []


@pytest.fixture
def source() -> MemorySource:
    return image(22 * MIB + 512, MAPPED)


def assert_no_impostor(path: Path, source: MemorySource) -> bool:
    """A card with any of the image's beginning has all of the rest. Whether it has some."""
    data = path.read_bytes()
    right = {r: data[r.offset : r.end] == source.data[r.offset : r.end] for r in source.ranges}
    begun = any(is_right for each, is_right in right.items() if each.offset < GRID)
    if begun:
        assert all(is_right for each, is_right in right.items() if each.offset >= GRID)
    return begun


def assert_serves_again(path: Path, source: MemorySource) -> None:
    with FileCard.open(str(path)) as card:
        assert burn(source, card, Recorder(), Conditions(stamps=4)).rewritten_ranges == 0
    assert_holds(path, source)


def test_power_is_cut_at_every_call(tmp_path: Path, source: MemorySource) -> None:
    path = card_file(tmp_path / "card", SIZE)
    begun, at, ended = 0, 0, False
    conditions = Conditions(depth=1, stamps=4)
    while not ended:
        at += 1
        card_file(path, SIZE)
        with FileCard.open(str(path)) as card:
            try:
                burn(source, Volatile(card, at, random.Random(at)), Recorder(), conditions)
                ended = True
            except PowerLoss:
                begun += assert_no_impostor(path, source)
    assert at > 40, "all along the write"
    assert begun > 5, "also after its beginning was written"
    assert_holds(path, source)


@pytest.mark.parametrize("at", [1, 4, 9, 14, 20, 25, 30, 36, 40, 44])
def test_a_kill_at_any_call_leaves_no_impostor_and_a_card_that_serves_again(
    tmp_path: Path, source: MemorySource, at: int
) -> None:
    path = card_file(tmp_path / "card", SIZE)
    child = os.fork()
    if child == 0:
        try:
            with FileCard.open(str(path)) as card:
                kill = Ending(card, at, lambda: os.kill(os.getpid(), signal.SIGKILL))
                burn(source, kill, Recorder(), Conditions(depth=1, stamps=4))
        finally:
            os._exit(3)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "it was killed before it could end"
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert_no_impostor(path, source)
    assert_serves_again(path, source)
