"""`python -m workers.writer.write` with files that stand for cards, as any user."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.doubles.cards import MIB, bytes_at, tool
from tests.doubles.papers import Papers, run_write
from workers.contract import CardResult
from workers.imaging.mbr import read as partitions
from workers.writer.write import worst

Cards = Callable[[str, int], Path]
GO = ("--yes", "--allow-non-removable")
OLD = b"\xa5"


def untouched(card: Path) -> bool:
    return set(card.read_bytes()) == set(OLD)


def test_two_cards_at_once_each_proved(papers: Papers, cards: Cards) -> None:
    a, b = cards("a", 80), cards("b", 96)
    done = run_write(papers.image, a, b, *GO, "--json", "--signing-key", papers.key)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "signed by the key that you trust" in told["trust"]
    assert [card["device"] for card in told["cards"]] == [str(a), str(b)]
    for card in told["cards"]:
        assert card["exit_code"] == 0
        assert card["trouble"] is None
        assert set(card["result"]) == set(CardResult.__annotations__) - {"per_card"}
    assert len({card["result"]["read_back_sha256"] for card in told["cards"]}) == 1
    for path in (a, b):
        papers.assert_on(path)
        assert bytes_at(path, path.stat().st_size - MIB, MIB) == bytes(MIB), "the old end is gone"


def test_the_file_systems_on_the_card_are_clean(papers: Papers, cards: Cards) -> None:
    card = cards("a", 80)
    assert run_write(papers.image, card, *GO).returncode == 0
    for part in partitions(card)[1:]:
        e2fsck = tool("e2fsck")
        assert e2fsck, "e2fsprogs is part of every Debian"
        checked = subprocess.run(
            [e2fsck, "-fn", f"{card}?offset={part.start}"], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stdout


def test_what_was_written_verifies_and_what_was_changed_does_not(papers: Papers, cards: Cards) -> None:
    card = cards("a", 80)
    written = run_write(papers.image, card, *GO, "--json")
    verified = run_write(papers.image, card, "--json", "--signing-key", papers.key, module="verify")
    assert verified.returncode == 0, verified.stderr
    digest = json.loads(written.stdout)["cards"][0]["result"]["read_back_sha256"]
    assert json.loads(verified.stdout)["read_back_sha256"] == digest
    with card.open("r+b") as file:
        file.seek(papers.ranges[3].offset)
        file.write(b"somebody was here")
    verified = run_write(papers.image, card, module="verify")
    assert verified.returncode == 6
    assert str(papers.ranges[3].offset) in verified.stdout


def test_a_plain_image_is_written_as_well(papers: Papers, cards: Cards) -> None:
    card = cards("a", 80)
    done = run_write(papers.plain, card, *GO, "--bmap", papers.bmap)
    assert done.returncode == 0, done.stderr
    assert "no manifest" in done.stderr
    papers.assert_on(card)


def test_without_a_key_it_says_that_nobody_vouches(papers: Papers, cards: Cards) -> None:
    done = run_write(papers.image, cards("a", 80), *GO)
    assert done.returncode == 0
    assert "nothing proves who made it" in done.stderr


def test_the_key_may_be_in_a_file(papers: Papers, cards: Cards, tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(papers.key + "\n")
    done = run_write(papers.image, cards("a", 80), *GO, "--signing-key", tmp_path / "key.pub")
    assert done.returncode == 0
    assert "signed by the key that you trust" in done.stderr


@pytest.mark.parametrize("key", ["ab" * 32, "nothing-there", ""])
def test_another_key_or_none_at_all_is_refused(papers: Papers, cards: Cards, key: str) -> None:
    card = cards("a", 80)
    done = run_write(papers.image, card, *GO, "--signing-key", key)
    assert done.returncode == 3
    assert untouched(card)


def test_it_shows_what_is_there_and_asks(papers: Papers, cards: Cards) -> None:
    card = cards("a", 80)
    assert run_write(papers.image, card, *GO).returncode == 0
    done = run_write(papers.image, card, "--allow-non-removable", answer="yes\n")
    assert done.returncode == 0
    assert "FAT32 “BOOTFS”" in done.stderr
    assert "ext4 “data”" in done.stderr
    assert "will be lost" in done.stderr


@pytest.mark.parametrize("answer", ["", "\n", "no\n", "y\n"])
def test_anything_but_yes_writes_nothing(papers: Papers, cards: Cards, answer: str) -> None:
    card = cards("a", 80)
    done = run_write(papers.image, card, "--allow-non-removable", answer=answer)
    assert done.returncode == 7
    assert "Nothing was written" in done.stderr
    assert untouched(card)


def test_a_file_needs_somebodys_word(papers: Papers, cards: Cards) -> None:
    card = cards("a", 80)
    done = run_write(papers.image, card, "--yes")
    assert done.returncode == 5
    assert "--allow-non-removable" in done.stderr
    assert untouched(card)


def test_one_card_too_small_and_none_is_touched(papers: Papers, cards: Cards) -> None:
    good, small = cards("good", 80), cards("small", 16)
    done = run_write(papers.image, good, small, *GO, "--json")
    assert done.returncode == 6
    assert json.loads(done.stdout)["trouble"]["code"] == "too_small"
    assert str(papers.size) in done.stderr
    assert str(16 * MIB) in done.stderr
    assert untouched(good)
    assert untouched(small)


def test_one_device_named_twice(papers: Papers, cards: Cards) -> None:
    card = cards("a", 80)
    done = run_write(papers.image, card, card.parent / "." / card.name, *GO)
    assert done.returncode == 2
    assert untouched(card)


@pytest.mark.parametrize(
    ("device", "code", "words"),
    [("none", 5, "none"), (".", 5, "not a block device"), ("/dev/null", 5, "not a block device")],
)
def test_devices_that_are_none(papers: Papers, tmp_path: Path, device: str, code: int, words: str) -> None:
    done = run_write(papers.image, tmp_path / device, *GO)
    assert done.returncode == code
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == [], "nothing is ever created"


@pytest.mark.parametrize("arguments", [[], ["x.img"], ["x.img", "/dev/x", "--what"]])
def test_usage(arguments: list[str]) -> None:
    done = run_write(*arguments)
    assert done.returncode == 2
    assert "usage" in done.stderr


def test_a_program_follows_it_by_lines_of_json(papers: Papers, cards: Cards) -> None:
    card = cards("a", 80)
    done = run_write(papers.image, card, *GO, "--json", "--progress")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    steps = [(event["device"], event["step"]) for event in events if "step" in event]
    assert steps == [(str(card), step) for step in ("wiping", "writing", "reading_back")]
    assert any(event.get("done", 0) > 0 for event in events)
    assert events[-1] == {"device": str(card), "ended": "written and read back"}
    assert json.loads(done.stdout)["cards"][0]["exit_code"] == 0


@pytest.mark.parametrize("seconds", ["-1", "nan", "3601", "soon"])
def test_nobody_waits_for_a_card_that_long(papers: Papers, cards: Cards, seconds: str) -> None:
    done = run_write(papers.image, cards("a", 80), "--away", seconds)
    assert done.returncode == 2
    assert "--away" in done.stderr


def test_a_cancel_is_nobodys_fault(papers: Papers, cards: Cards) -> None:
    card = cards("a", 80)
    done = run_write(papers.image, card, "--allow-non-removable", "--json", answer="no\n")
    assert done.returncode == 7
    assert json.loads(done.stdout)["trouble"] is None
    assert untouched(card)


def test_an_image_that_cannot_be_read(cards: Cards, tmp_path: Path) -> None:
    card = cards("a", 8)
    (tmp_path / "x.img").mkdir()
    done = run_write(tmp_path / "x.img", card, *GO, "--json")
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["trouble"]["fault"] == "host"
    assert untouched(card)


def test_a_missing_image(cards: Cards, tmp_path: Path) -> None:
    card = cards("a", 8)
    done = run_write(tmp_path / "none.img.zst", card, *GO)
    assert done.returncode == 3
    assert "none.img.zst" in done.stderr
    assert untouched(card)


@pytest.fixture
def copy(papers: Papers, tmp_path: Path) -> Papers:
    """The image's files, to be damaged."""
    folder = tmp_path / "copy"
    shutil.copytree(papers.folder, folder)
    return Papers(folder, papers.plain, papers.key, papers.ranges)


def test_a_damaged_map_is_refused_before_anything_is_touched(copy: Papers, cards: Cards) -> None:
    card = cards("a", 80)
    copy.bmap.write_bytes(copy.bmap.read_bytes().replace(b"<Range", b"<range", 1))
    done = run_write(copy.image, card, *GO)
    assert done.returncode == 3
    assert untouched(card)


def test_a_damaged_container_never_becomes_a_card(copy: Papers, cards: Cards) -> None:
    card = cards("a", 80)
    data = bytearray(copy.image.read_bytes())
    at = len(data) * 2 // 3
    data[at : at + 4096] = os.urandom(4096)
    copy.image.write_bytes(data)
    done = run_write(copy.image, card, *GO, "--json", "--signing-key", copy.key)
    assert done.returncode == 3, done.stderr
    assert untouched(card) or bytes_at(card, 0, 4 * MIB) == bytes(4 * MIB)


def test_a_missing_paper_is_named(copy: Papers, cards: Cards) -> None:
    copy.bmap.unlink()
    done = run_write(copy.image, cards("a", 80), *GO, "--signing-key", copy.key)
    assert done.returncode == 3
    assert "bmap" in done.stderr


@pytest.mark.parametrize(
    ("codes", "gravest"),
    [
        ([0, 0], 0),
        ([0, 7], 7),
        ([7, 6], 6),
        ([6, 5], 5),
        ([5, 4], 4),
        ([4, 3], 3),
        ([3, 1], 1),
        ([0, -9], -9),
    ],
)
def test_the_gravest_of_several_exit_codes(codes: list[int], gravest: int) -> None:
    assert worst(codes) == gravest
    assert worst(reversed(codes)) == gravest
