"""How large a card really is, and how fast: honest cards, forged ones, worn ones."""

from __future__ import annotations

import errno
import io
import json
from pathlib import Path

import pytest

from tests.doubles.cards import MIB, bytes_at, card_file
from workers.errors import Canceled, CardError
from workers.report import Recorder
from workers.writer import capacity
from workers.writer.capacity import measure
from workers.writer.card import FileCard
from workers.writer.faulty import FaultyCard, Spot
from workers.writer.probe import main

SIZE = 32 * MIB
STEP = SIZE // capacity.STEPS


def test_an_honest_card_has_what_it_claims_and_tells_its_speed(
    path: Path, card: FileCard, report: Recorder
) -> None:
    found = measure(card, report)
    assert found.good
    assert (found.card_bytes, found.proved_bytes, found.lost, found.bad) == (SIZE, SIZE, [], [])
    assert found.marks > capacity.STEPS // 2 - 2
    assert min(found.write_rate, found.read_rate) > 0
    assert found.write_latency["calls"] > found.marks
    assert str(card.size()) in str(found)
    assert bytes_at(path, 0, 4 * MIB) == bytes(4 * MIB), "no computer takes it for something"


@pytest.mark.parametrize("real", [17 * MIB + 4096, 20 * MIB, 25 * MIB + 12_288, SIZE - 4096])
@pytest.mark.parametrize("drops", [False, True], ids=["wraps", "limbo"])
def test_a_forged_card_is_measured_to_a_step(
    card: FileCard, report: Recorder, real: int, drops: bool
) -> None:
    found = measure(FaultyCard(card, capacity=real, drops=drops), report)
    assert not found.good
    assert real - STEP <= found.proved_bytes <= real
    assert f"{found.proved_bytes} bytes" in str(found)
    assert "forgery" in str(found)


@pytest.mark.parametrize("real", [3 * MIB, 3 * MIB + 12_288, 9 * MIB, 9 * MIB + 65_536])
@pytest.mark.parametrize("drops", [False, True], ids=["wraps", "limbo"])
def test_a_card_that_ends_far_before_the_half_is_measured_as_well(
    card: FileCard, report: Recorder, monkeypatch: pytest.MonkeyPatch, real: int, drops: bool
) -> None:
    """As on a large card, the sample is no more than a step."""
    monkeypatch.setattr(capacity, "SAMPLE", 0)
    found = measure(FaultyCard(card, capacity=real, drops=drops), report)
    assert not found.good
    assert real - STEP <= found.proved_bytes <= real


@pytest.mark.parametrize("real", [MIB, 9 * MIB])
def test_a_card_that_ends_within_the_sample_is_no_less_forged(
    card: FileCard, report: Recorder, real: int
) -> None:
    assert not measure(FaultyCard(card, capacity=real), report).good
    assert not measure(FaultyCard(card, capacity=real, drops=True), report).good


@pytest.mark.parametrize("kind", ["write_errors", "read_errors", "flips"])
def test_a_bad_place_in_the_sample_is_named(card: FileCard, report: Recorder, kind: str) -> None:
    found = measure(FaultyCard(card, **{kind: [Spot(9 * MIB)]}), report)
    assert (found.good, found.bad, found.lost) == (False, [(8 * MIB, 4 * MIB)], [])
    assert f"{8 * MIB}" in str(found)


@pytest.mark.parametrize("kind", ["write_errors", "read_errors"])
def test_places_that_fail_are_lost(card: FileCard, report: Recorder, kind: str) -> None:
    found = measure(FaultyCard(card, **{kind: [Spot(30 * MIB, 2 * MIB)]}), report)
    assert found.proved_bytes == 30 * MIB - STEP + 4096
    assert len(found.lost) == 2 * MIB // STEP + 1  # and the last block


def test_a_card_that_ignores_writes_proves_nothing(card: FileCard, report: Recorder) -> None:
    assert measure(FaultyCard(card, silently_read_only=True), report).proved_bytes == 0


@pytest.mark.parametrize("after", [0, 4096 * 20, 5 * MIB, 20 * MIB])
def test_a_pulled_card_is_an_error_not_a_verdict(card: FileCard, report: Recorder, after: int) -> None:
    with pytest.raises(CardError) as caught:
        measure(FaultyCard(card, gone_after=after), report)
    assert caught.value.code == "card_gone"


@pytest.mark.parametrize("size", [4096, 8192, MIB, MIB + 4096])
def test_tiny_cards(tmp_path: Path, report: Recorder, size: int) -> None:
    with FileCard.open(str(card_file(tmp_path / "tiny", size))) as card:
        assert measure(card, report).good


def test_a_cancel_ends_it(card: FileCard, report: Recorder) -> None:
    report.canceled.set()
    with pytest.raises(Canceled):
        measure(card, report)


def test_the_command_shows_what_is_there_and_asks(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = path.read_bytes()
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    assert main([str(path), "--allow-non-removable"]) == 7
    told = capsys.readouterr().err
    assert "holds now" in told
    assert "Everything on it will be lost" in told
    assert path.read_bytes() == before
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    assert main([str(path), "--allow-non-removable"]) == 0
    assert "that it claims: writes" in capsys.readouterr().out


def test_the_command_for_programs(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(path), "--allow-non-removable", "--yes", "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["good"], found["proved_bytes"]) == (True, SIZE)

    def refuse(*_: object) -> int:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(FileCard, "write", refuse)
    assert main(words) == 6
    assert json.loads(capsys.readouterr().out)["proved_bytes"] == 0


@pytest.mark.parametrize(
    ("device", "options", "code", "words"),
    [
        ("none", ["--allow-non-removable"], 5, "cannot be opened"),
        ("card.img", [], 5, "--allow-non-removable"),
        (".", ["--allow-non-removable"], 5, "not a block device"),
    ],
)
def test_the_guards_are_those_of_writing(
    path: Path, capsys: pytest.CaptureFixture[str], device: str, options: list[str], code: int, words: str
) -> None:
    assert main([str(path.parent / device), "--yes", "--json", *options]) == code
    told = capsys.readouterr()
    assert words in told.err
    assert json.loads(told.out)["trouble"]["fault"] == "slot"
