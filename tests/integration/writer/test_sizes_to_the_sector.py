"""Sizes one sector beside every boundary, on real block devices: image, card, grid cell, head and tail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doubles.cards import MIB, assert_holds, bytes_at, card_file, image, loop_device, loop_problem
from workers.errors import CardError
from workers.imaging.devices import Devices
from workers.report import Recorder
from workers.writer.burn import burn
from workers.writer.conditions import Conditions
from workers.writer.opening import check, look, open_candidate
from workers.writer.verify import verify

pytestmark = [
    pytest.mark.loop,
    pytest.mark.skipif(bool(loop_problem()), reason=loop_problem()),
]
CELL = 4 * MIB
SECTOR = 512
BESIDE = [-SECTOR, 0, SECTOR]


def prove(path: Path, image_size: int, mapped: list[tuple[int, int]] | None = None) -> None:
    """Written, read back, verified once more; and every byte is where it belongs."""
    source = image(image_size, mapped)
    with loop_device(path) as node:
        devices = Devices()
        candidate = look(node, devices)
        check(candidate, devices, allow_non_removable=True)
        with open_candidate(candidate, devices) as card:
            burn(source, card, Recorder(), Conditions(stamps=0))  # stamps lie in what is left alone here
            assert verify(source, card, Recorder()).good
    assert_holds(path, source)


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("cells", [1, 2, 5])
def test_an_image_that_ends_beside_a_cell(tmp_path: Path, cells: int, beside: int) -> None:
    card = card_file(tmp_path / "card", 6 * CELL)
    prove(card, cells * CELL + beside)
    end = cells * CELL + beside
    tail = max(5 * CELL, end)
    assert bytes_at(card, tail, 6 * CELL - tail) == bytes(6 * CELL - tail), "the tail behind the image"
    head, hole = max(CELL - end, 0), tail - max(CELL, end)
    assert bytes_at(card, end, head) == bytes(head), "the rest of the head"
    assert bytes_at(card, max(CELL, end), hole) == b"\xa5" * hole, "and what lies between stays as it was"


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("image_size", [3 * CELL - SECTOR, 3 * CELL, 3 * CELL + SECTOR])
def test_a_card_that_ends_beside_its_image(tmp_path: Path, image_size: int, beside: int) -> None:
    card = card_file(tmp_path / "card", image_size + beside)
    if beside < 0:
        with pytest.raises(CardError) as caught:
            prove(card, image_size)
        assert caught.value.code == "too_small"
        assert set(card.read_bytes()) == {0xA5}, "and not a byte of it changed"
    else:
        prove(card, image_size)
        assert bytes_at(card, image_size, beside) == bytes(beside)


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("boundary", [CELL, 2 * CELL, 5 * CELL], ids=["head", "cell", "tail"])
@pytest.mark.parametrize("side", ["begins", "ends"])
def test_a_range_beside_the_head_a_cell_and_the_tail(
    tmp_path: Path, boundary: int, beside: int, side: str
) -> None:
    """Maps have whole blocks of 4096 bytes; the sector is that of the card, whose tail it shifts."""
    size = 6 * CELL + beside
    card = card_file(tmp_path / "card", size)
    start = boundary if side == "begins" else boundary - 8192
    prove(card, 6 * CELL - SECTOR, [(0, 4096), (start, 8192)])
    assert bytes_at(card, max(size - CELL, start + 8192), 4096) == bytes(4096), "the tail is zeroed"
    if boundary == 2 * CELL:
        assert bytes_at(card, start - 4096, 4096) == b"\xa5" * 4096, "a hole beside it stays"


@pytest.mark.parametrize("cell_size", [512, 4096])
@pytest.mark.parametrize("size", [4096, 8192, CELL - 4096, CELL, CELL + 4096, 2 * CELL - 4096, 2 * CELL])
def test_cards_around_head_and_tail_themselves(tmp_path: Path, size: int, cell_size: int) -> None:
    card = card_file(tmp_path / "card", size)
    source = image(4096)
    with loop_device(card, "-b", str(cell_size)) as node:
        devices = Devices()
        with open_candidate(look(node, devices), devices) as opened:
            assert opened.block == cell_size
            burn(source, opened, Recorder())
    assert_holds(card, source)
    assert bytes_at(card, 4096, size - 4096) == bytes(size - 4096), "head and tail cover all of it"
