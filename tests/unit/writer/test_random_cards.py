"""Any image on any used card: what is mapped is the image's, both ends are zero, the rest is as it was."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.doubles.cards import MIB, assert_holds, image
from workers.imaging.ranges import GRID, Range, subtract
from workers.report import Recorder
from workers.writer.burn import burn
from workers.writer.card import FILE_BLOCK, FileCard
from workers.writer.conditions import Conditions
from workers.writer.plan import SMALL_GAP
from workers.writer.stamps import STAMP
from workers.writer.verify import verify

MOST = 14 * MIB
# Where something begins and how long it is, in sectors, near boundaries rather than anywhere.
near = st.sampled_from([0, GRID // 2, GRID, 2 * GRID, 3 * GRID]).flatmap(
    lambda at: st.integers(max(0, at - 20 * FILE_BLOCK), at + 20 * FILE_BLOCK)
)
lengths = st.one_of(st.integers(1, 3 * FILE_BLOCK), st.integers(1, 2 * GRID), st.just(SMALL_GAP))
maps = st.lists(st.tuples(near, lengths), max_size=8)
sizes = st.one_of(st.integers(1, MOST), near.map(lambda at: max(1, at)))


def old_content(kind: str, size: int, seed: int) -> bytes:
    dice = random.Random(seed)
    if kind == "random":
        return dice.randbytes(size)
    return bytes([0xFF if kind == "erased" else 0]) * size


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(
    spans=maps,
    size=sizes,
    spare=st.integers(0, 2 * MIB // FILE_BLOCK),
    kind=st.sampled_from(["random", "erased", "zeros"]),
    seed=st.integers(0, 9),
    stamps=st.sampled_from([0, 5, 64]),
)
@example(spans=[], size=1, spare=0, kind="random", seed=0, stamps=64)
@example(spans=[(0, MOST)], size=GRID + 1, spare=0, kind="random", seed=1, stamps=64)
def test_what_is_on_the_card(
    spans: list[tuple[int, int]], size: int, spare: int, kind: str, seed: int, stamps: int
) -> None:
    inside = [(at, min(length, size - at)) for at, length in spans if at < size]
    source = image(size, inside, seed=seed)
    card_size = (-(-size // FILE_BLOCK) + spare) * FILE_BLOCK
    old = old_content(kind, card_size, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "card"
        path.write_bytes(old)
        with FileCard.open(str(path)) as card:
            result = burn(source, card, Recorder(), Conditions(stamps=stamps))
            assert verify(source, card, Recorder()).good
        assert_holds(path, source)
        now = path.read_bytes()
    mapped = [Range(each.offset, -(-each.length // FILE_BLOCK) * FILE_BLOCK) for each in source.ranges]
    head, tail = Range(0, min(GRID, card_size)), max(GRID, card_size - GRID)
    ends = [head, *([Range(tail, card_size - tail)] if tail < card_size else [])]
    for each in subtract(ends, mapped):
        assert now[each.offset : each.end] == bytes(each.length), "the ends are zero"
    stamped = 0
    for each in subtract([Range(0, card_size)], [*mapped, *ends]):
        for at in range(each.offset, each.end, STAMP):
            if now[at : at + STAMP] != old[at : at + STAMP]:
                filled = each.length <= SMALL_GAP and now[at : at + STAMP] == bytes(STAMP)
                stamped += not filled
    assert stamped <= result.stamps, "all else is as it was"
