from __future__ import annotations

import threading
from contextlib import closing

import pytest

from workers.imaging.ranges import GRID
from workers.writer.pipeline import Behind, ahead


def fill(number: int, buffer: memoryview) -> str:
    buffer[:4] = number.to_bytes(4, "little")
    return f"made {number}"


def test_items_come_in_order_each_in_a_buffer_of_its_own() -> None:
    with closing(ahead(range(50), fill, depth=3)) as filled:
        for number, (item, made, buffer) in enumerate(filled):
            assert item == number
            assert made == f"made {number}"
            assert int.from_bytes(buffer[:4], "little") == number
            assert len(buffer) == GRID
    assert number == 49


def test_nothing_ahead_of_nothing() -> None:
    assert list(ahead([], fill)) == []


def test_no_more_than_depth_items_are_made_ahead() -> None:
    made: list[int] = []
    with closing(ahead(range(100), lambda item, _: made.append(item), depth=2)) as filled:
        for item, _, _ in filled:
            assert len(made) <= item + 2
    assert made == list(range(100))


def test_a_failure_comes_at_its_items_turn() -> None:
    def fail_at_three(number: int, _buffer: memoryview) -> int:
        if number == 3:
            raise OSError(5, "three")
        return number

    seen = []
    with closing(ahead(range(10), fail_at_three)) as filled, pytest.raises(OSError, match="three"):
        seen.extend(item for item, _, _ in filled)
    assert seen == [0, 1, 2]


def test_leaving_early_ends_the_thread() -> None:
    before = threading.active_count()
    with closing(ahead(range(1000), fill)) as filled:
        next(filled)
    assert threading.active_count() == before


def test_behind_gives_a_buffer_back_when_its_work_is_done_or_failed() -> None:
    behind = Behind(depth=2)
    try:
        for number in range(20):
            buffer = behind.buffer()
            fill(number, buffer)
            job = behind.submit(lambda item, view: (item, view[0]), number, buffer)
            assert job.result() == (number, number)
        for _ in range(5):
            with pytest.raises(ZeroDivisionError):
                behind.submit(lambda item, _: item // 0, 1, behind.buffer()).result()
        behind.free(behind.buffer())
    finally:
        behind.close()


def test_a_buffer_is_not_given_back_while_somebody_works_on_it() -> None:
    released = threading.Event()
    behind = Behind(depth=1)
    try:
        job = behind.submit(lambda _item, _buffer: released.wait(60), 1, behind.buffer())
        assert behind._free.empty()
        released.set()
        assert job.result()
        assert behind.buffer() is not None
    finally:
        released.set()
        behind.close()
