"""Reading past the page cache: any place and length, memory that goes round, files that shrink."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import pytest

from workers.errors import HostError
from workers.imaging import direct
from workers.imaging.container.lane import Lane
from workers.imaging.direct import DirectReader

MOST = 1 << 20


@pytest.mark.parametrize("past_the_cache", [True, False])
def test_any_place_and_length(tmp_path: Path, past_the_cache: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not past_the_cache:
        monkeypatch.setattr(direct, "open_direct", lambda *_: None)
    data = random.Random(1).randbytes(3 * MOST + 777)
    path = tmp_path / "a"
    path.write_bytes(data)
    with DirectReader.open(path, most=MOST) as reader:
        assert reader.size == len(data)
        for offset, length in [
            (0, MOST),
            (4096, 8192),
            (5, 10),
            (4096, 100),
            (2 * MOST, MOST),
            (3 * MOST, 777),
        ]:
            buffer = reader.read(offset, length)
            assert buffer.view == data[offset : offset + length]
            buffer.release()


def test_memory_goes_round_only_when_it_was_released(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1" * 4096 + b"2" * 4096 + b"3" * 4096)
    with DirectReader.open(path, most=4096) as reader:
        one, two = reader.read(0, 4096), reader.read(4096, 4096)
        assert (one.view, two.view) == (b"1" * 4096, b"2" * 4096)
        first = one.memory
        one.release()
        three = reader.read(8192, 4096)
        assert three.memory is first
        assert (two.view, three.view) == (b"2" * 4096, b"3" * 4096)


def test_a_file_that_shrinks_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.img"
    path.write_bytes(bytes(8192))
    with DirectReader.open(path, most=8192) as reader:
        os.truncate(path, 4096)
        with pytest.raises(HostError, match=r"a\.img shrank below byte 8192") as error:
            reader.read(0, 8192)
    assert error.value.code == "image_changed"


def test_a_lane_works_in_order_and_tells_what_failed() -> None:
    done: list[int] = []
    with Lane("test") as lane:
        for number in range(50):
            lane.submit(lambda number=number: done.append(number))  # type: ignore[misc]
        lane.finish()
        assert done == list(range(50))
        lane.submit(lambda: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            lane.finish()


def test_nobody_gets_far_ahead_of_a_lane() -> None:
    gate, submitted = threading.Event(), []
    with Lane("test") as lane:

        def hurry() -> None:
            for number in range(20):
                lane.submit(gate.wait)
                submitted.append(number)

        ahead = threading.Thread(target=hurry)
        ahead.start()
        ahead.join(timeout=0.2)
        assert ahead.is_alive()
        assert len(submitted) < 6
        gate.set()
        ahead.join()
        lane.finish()
    assert len(submitted) == 20
