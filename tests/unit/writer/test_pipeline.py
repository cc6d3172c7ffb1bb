from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing

import pytest

from workers.imaging.ranges import GRID
from workers.writer.lanes import Lanes
from workers.writer.pipeline import through


@pytest.fixture
def lanes() -> Iterator[tuple[Lanes, Lanes]]:
    both = Lanes(1, "first"), Lanes(3, "second")
    yield both
    for each in both:
        assert each.close(10)


def fill(number: int, buffer: memoryview) -> str:
    buffer[:4] = number.to_bytes(4, "little")
    return f"made {number}"


def move(number: int, made: str, buffer: memoryview) -> tuple[str, int]:
    assert len(buffer) == GRID
    return made, int.from_bytes(buffer[:4], "little")


def run(
    lanes: tuple[Lanes, Lanes],
    items: Iterable[int],
    first: Callable[[int, memoryview], str] = fill,
    second: Callable[[int, str, memoryview], tuple[str, int]] = move,
    buffers: int = 4,
) -> Iterator[tuple[int, tuple[str, int]]]:
    return through(items, (lanes[0], first), (lanes[1], second), wait=Future.result, buffers=buffers)


def test_items_come_in_order_each_in_a_buffer_of_its_own(lanes: tuple[Lanes, Lanes]) -> None:
    assert list(run(lanes, range(50))) == [(number, (f"made {number}", number)) for number in range(50)]


def test_nothing_comes_of_nothing(lanes: tuple[Lanes, Lanes]) -> None:
    assert list(run(lanes, [])) == []


def test_several_are_in_the_second_stage_at_once(lanes: tuple[Lanes, Lanes]) -> None:
    together = threading.Barrier(3)

    def meet(number: int, made: str, buffer: memoryview) -> tuple[str, int]:
        together.wait(10)  # broken, with an error, unless three are here
        return move(number, made, buffer)

    assert len(list(run(lanes, range(9), second=meet))) == 9


def test_no_more_items_are_under_way_than_there_are_buffers(lanes: tuple[Lanes, Lanes]) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(30):
            taken.append(number)
            yield number

    for number, _ in run(lanes, items(), buffers=2):
        assert len(taken) <= number + 2
    assert taken == list(range(30))


@pytest.mark.parametrize("stage", ["first", "second"])
def test_a_failure_comes_at_its_items_turn(lanes: tuple[Lanes, Lanes], stage: str) -> None:
    def fail_at_three(number: int, *_rest: object) -> None:
        if number == 3:
            raise OSError(5, "three")

    def first(number: int, buffer: memoryview) -> str:
        fail_at_three(number if stage == "first" else 0)
        return fill(number, buffer)

    def second(number: int, made: str, buffer: memoryview) -> tuple[str, int]:
        fail_at_three(number if stage == "second" else 0)
        return move(number, made, buffer)

    flow = run(lanes, range(10), first, second)
    assert [next(flow)[0] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="three"):
        next(flow)


def test_whoever_waits_for_the_first_stage_is_let_go_when_it_is_closed() -> None:
    """A source that waits for its download must not keep the card's threads."""
    first, second = Lanes(1, "first"), Lanes(2, "second")
    reached, go_on = threading.Event(), threading.Event()

    def stuck(_number: int, _buffer: memoryview) -> str:
        reached.set()
        go_on.wait(60)
        return ""

    futures: list[Future[tuple[str, int]]] = []

    def wait(future: Future[tuple[str, int]]) -> tuple[str, int]:
        futures.append(future)
        assert reached.wait(10)
        raise InterruptedError

    flow = through(range(9), (first, stuck), (second, move), wait=wait, buffers=3)
    with closing(flow), pytest.raises(InterruptedError):
        next(flow)
    assert not first.close(0), "it is still stuck"
    assert second.close(10)
    assert futures[0].done()
    go_on.set()


def test_closed_lanes_begin_nothing_more() -> None:
    lanes = Lanes(1, "one")
    reached, go_on = threading.Event(), threading.Event()
    begun: list[int] = []

    def call() -> None:
        begun.append(1)
        reached.set()
        go_on.wait(60)

    futures = [lanes.submit(call) for _ in range(5)]
    assert reached.wait(10)
    closing_up = threading.Timer(0, go_on.set)
    assert not lanes.close(0)
    closing_up.start()
    for future in futures[1:]:
        assert future.cancelled()
    closing_up.join()
    assert lanes.close(10)
    assert begun == [1]


def test_lanes_are_no_hindrance_to_the_end_of_the_process() -> None:
    lanes = Lanes(1, "one")
    lanes.submit(threading.current_thread)
    assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("one"))
    assert lanes.close(10)
