"""The faults themselves, without a device around them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.bad_medium import BadMedium
from tests.doubles.cards import MIB, card_file

OLD = b"\xa5"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return card_file(tmp_path / "medium", 4096 * 4)


@pytest.fixture
def medium(path: Path) -> Iterator[BadMedium]:
    medium = BadMedium(path, claimed=4096 * 4)
    yield medium
    medium.close()


def test_without_faults_it_is_a_card(path: Path, medium: BadMedium) -> None:
    assert medium.write(b"new" * 1000, 4096) == 3000
    assert medium.read(3000, 4096) == b"new" * 1000 == path.read_bytes()[4096 : 4096 + 3000]
    assert medium.read(9000, 4096 * 3) == OLD * 4096, "no more than there is"
    with pytest.raises(OSError, match="beyond"):
        medium.write(b"xx", 4096 * 4 - 1)
    medium.flush()


def test_errors_where_when_and_how_often_it_was_said(medium: BadMedium) -> None:
    medium.set({"errors": [{"from": 4096, "to": 4097, "times": 2, "on": "write"}]})
    assert medium.write(b"x" * 4096, 0) == 4096
    assert medium.read(4096, 4096) == OLD * 4096
    for _ in range(2):
        with pytest.raises(OSError, match="demand"):
            medium.write(b"x" * 4096, 2048)
    assert medium.write(b"x" * 4096, 2048) == 4096


def test_a_bit_flips_on_the_way_in_or_out(path: Path, medium: BadMedium) -> None:
    medium.set({"flips": [{"from": 5, "to": 6, "on": "read"}]})
    medium.write(bytes(10), 0)
    assert medium.read(10, 0) == bytes([0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0])
    assert path.read_bytes()[:10] == bytes(10)
    medium.set({"flips": [{"from": 5, "to": 6, "on": "write", "times": 1}]})
    medium.write(bytes(10), 0)
    assert path.read_bytes()[5] == 0x10


def test_forgotten_writes_and_short_ones(path: Path, medium: BadMedium) -> None:
    medium.set({"forgets": [{"from": 4096}]})
    assert medium.write(b"x" * 4096, 4096) == 4096
    assert path.read_bytes()[4096:8192] == OLD * 4096
    medium.set({"short": [{"from": 2048, "times": 1}]})
    assert medium.write(b"x" * 4096, 0) == 2048
    assert path.read_bytes()[2048:4096] == OLD * 2048


@pytest.mark.parametrize(("limbo", "begins"), [(True, OLD), (False, b"y")])
def test_a_forged_size(path: Path, limbo: bool, begins: bytes) -> None:
    medium = BadMedium(path, claimed=4096 * 10, limbo=limbo)
    medium.write(b"x" * 4096 + b"y" * 4096, 4096 * 3)
    assert path.read_bytes()[:4096] == begins * 4096
    assert path.read_bytes()[4096 * 3 :] == b"x" * 4096
    assert medium.read(8192, 4096 * 3) == b"x" * 4096 + (bytes(4096) if limbo else b"y" * 4096)
    medium.close()


def test_it_goes_away_at_a_byte_and_comes_back_as_another(tmp_path: Path, path: Path) -> None:
    told: list[str] = []
    medium = BadMedium(path, claimed=4096 * 4, tell=told.append, on_gone=lambda: told.append("size 0"))
    medium.set({"gone_after": 4096})
    medium.write(b"x" * 4096, 0)
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            medium.read(4096, 0)
    with pytest.raises(OSError, match="gone"):
        medium.flush()
    assert (told, medium.size) == (["size 0", "gone"], 0)
    medium.insert(card_file(tmp_path / "other", 4096 * 4, fill=7))
    assert medium.read(8192, 0) == b"\x07" * 8192
    assert medium.size == 4096 * 4
    medium.close()


def test_a_stall_lasts_until_it_is_released(path: Path) -> None:
    stalled = threading.Event()
    medium = BadMedium(path, claimed=4096 * 4, tell=lambda _: stalled.set())
    medium.set({"stalls": [{"from": 4096, "on": "write"}]})
    medium.write(b"x" * 4096, 0)
    writing = threading.Thread(target=medium.write, args=(b"x" * 4096, 4096))
    writing.start()
    assert stalled.wait(30)
    assert writing.is_alive()
    assert path.read_bytes()[4096:8192] == OLD * 4096
    medium.release()
    writing.join(30)
    assert path.read_bytes()[4096:8192] == b"x" * 4096
    medium.close()


def test_slow_places_take_time_by_their_length(medium: BadMedium, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("tests.doubles.bad_medium.time.sleep", slept.append)
    medium.set({"slow": [{"from": 4096, "value": 2.0}]})
    medium.write(b"x" * 4096, 0)
    medium.read(4096, 4096)
    assert slept == [2.0 * 4096 / MIB]


@pytest.mark.parametrize("wrong", [{"eror": []}, {"errors": [{"from": "here"}]}])
def test_a_fault_misspelt_is_no_fault_but_an_error(medium: BadMedium, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"no such fault|invalid literal"):
        medium.set(wrong)
