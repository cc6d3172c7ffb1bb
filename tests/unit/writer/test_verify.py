from __future__ import annotations

import errno
import hashlib
import json
from pathlib import Path

import pytest

from tests.doubles.cards import MIB, MemorySource, card_file, image
from workers.creator.demo_base import DATA, make_demo_base
from workers.errors import Canceled, CardError
from workers.imaging import bmap
from workers.imaging.ranges import Range
from workers.report import Recorder
from workers.writer import areas
from workers.writer.burn import burn
from workers.writer.card import FileCard
from workers.writer.faulty import FaultyCard, Spot
from workers.writer.verify import main, verify

MAPPED = [(0, 12_288), (6 * MIB, 7 * MIB), (17 * MIB, 4096)]


@pytest.fixture
def source() -> MemorySource:
    return image(20 * MIB + 100, [*MAPPED, (20 * MIB, 100)])


@pytest.fixture
def written(path: Path, source: MemorySource, report: Recorder) -> Path:
    with FileCard.open(str(path)) as card:
        burn(source, card, report)
    return path


def spoil(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x80]))


def test_a_good_card(written: Path, source: MemorySource, report: Recorder) -> None:
    with FileCard.open(str(written), writable=False) as card:
        verdict = verify(source, card, report)
    assert verdict.good
    assert verdict.bad == []
    assert "as it should be" in str(verdict)
    assert verdict.read_back_sha256 in str(verdict)


def test_the_digest_is_the_one_that_writing_gave(path: Path, source: MemorySource, report: Recorder) -> None:
    with FileCard.open(str(path)) as card:
        result = burn(source, card, report)
        assert verify(source, card, report).read_back_sha256 == result.read_back_sha256


@pytest.mark.parametrize("place", [0, 12_287, 6 * MIB, 13 * MIB - 1, 17 * MIB + 9, 20 * MIB + 99])
def test_one_wrong_byte_is_found_with_its_range(
    written: Path, source: MemorySource, report: Recorder, place: int
) -> None:
    spoil(written, place)
    with FileCard.open(str(written), writable=False) as card:
        verdict = verify(source, card, report)
    assert not verdict.good
    ((offset, length),) = verdict.bad
    assert offset <= place < offset + length
    assert "differs in 1 ranges" in str(verdict)
    assert str(offset) in str(verdict)


@pytest.mark.parametrize("place", [20_000, 5 * MIB, 15 * MIB, 20 * MIB + 100, 31 * MIB])
def test_what_is_not_of_the_image_does_not_count(
    written: Path, source: MemorySource, report: Recorder, place: int
) -> None:
    spoil(written, place)
    with FileCard.open(str(written), writable=False) as card:
        assert verify(source, card, report).good


def test_an_unreadable_place_is_a_difference(written: Path, source: MemorySource, report: Recorder) -> None:
    with FileCard.open(str(written), writable=False) as card:
        verdict = verify(source, FaultyCard(card, read_errors=[Spot(17 * MIB)]), report)
    assert verdict.bad == [(17 * MIB, 4096)]


def test_a_pulled_card_is_an_error_not_a_verdict(
    written: Path, source: MemorySource, report: Recorder
) -> None:
    with FileCard.open(str(written), writable=False) as card, pytest.raises(CardError) as caught:
        verify(source, FaultyCard(card, gone_after=3 * MIB), report)
    assert caught.value.code == "card_gone"


def test_a_small_card_cannot_hold_the_image(path: Path, report: Recorder) -> None:
    with FileCard.open(str(path), writable=False) as card, pytest.raises(CardError) as caught:
        verify(image(33 * MIB, []), card, report)
    assert caught.value.code == "too_small"


def test_a_cancel_ends_it(written: Path, source: MemorySource, report: Recorder) -> None:
    report.canceled.set()
    with FileCard.open(str(written), writable=False) as card, pytest.raises(Canceled):
        verify(source, card, report)


def test_without_digests_the_image_itself_is_read(written: Path, report: Recorder) -> None:
    bare = image(20 * MIB + 100, [*MAPPED, (20 * MIB, 100)], digests=False)
    with FileCard.open(str(written), writable=False) as card:
        assert verify(bare, card, report).good
        spoil(written, 6 * MIB)
        assert not verify(bare, card, report).good


def test_the_command_with_a_block_map_alone(
    written: Path, source: MemorySource, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    papers = tmp_path / "x.img.bmap"
    papers.write_bytes(bmap.dumps(bmap.Bmap(source.image_size, tuple(source.ranges))))
    before = written.read_bytes()
    assert main([str(papers), str(written), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["good"] is True
    assert written.read_bytes() == before
    spoil(written, 6 * MIB)
    assert main([str(papers), str(written)]) == 6
    assert str(6 * MIB) in capsys.readouterr().out


def test_the_command_with_an_image(
    written: Path, source: MemorySource, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.img").write_bytes(source.data)
    (tmp_path / "x.img.bmap").write_bytes(bmap.dumps(bmap.Bmap(source.image_size, tuple(source.ranges))))
    # The map is not signed, so what file systems use beside it counts as well: here, all of the image.
    assert main([str(tmp_path / "x.img"), str(written)]) == 6
    with FileCard.open(str(written)) as card:
        burn(image(20 * MIB + 100), card, Recorder())
    assert main([str(tmp_path / "x.img"), str(written)]) == 0


@pytest.mark.parametrize(
    ("image_name", "device", "code", "words"),
    [
        ("none.img", "card.img", 3, "none.img"),
        ("none.img.bmap", "card.img", 3, "none.img.bmap"),
        ("none.txt", "card.img", 3, "none.txt"),
        ("folder.img.bmap", "card.img", 4, "folder.img.bmap"),
        ("x.img.bmap", "none", 5, "none"),
        ("x.img.bmap", ".", 5, "not a block device"),
    ],
)
def test_the_commands_refusals(
    path: Path,
    tmp_path: Path,
    source: MemorySource,
    capsys: pytest.CaptureFixture[str],
    image_name: str,
    device: str,
    code: int,
    words: str,
) -> None:
    papers = bmap.dumps(bmap.Bmap(source.image_size, tuple(source.ranges)))
    (tmp_path / "x.img.bmap").write_bytes(papers)
    (tmp_path / "folder.img.bmap").mkdir()
    assert main([str(tmp_path / image_name), str(tmp_path / device)]) == code
    assert words in capsys.readouterr().err


def test_a_map_of_another_tool_has_longer_ranges(
    written: Path, source: MemorySource, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One digest for 7 MiB, as `bmaptool create` makes it."""
    data = source.data
    spans = [(0, 12_288), (6 * MIB, 7 * MIB), (17 * MIB, 4096)]
    ranges = [Range(at, size, hashlib.sha256(data[at : at + size]).hexdigest()) for at, size in spans]
    papers = tmp_path / "x.img.bmap"
    papers.write_bytes(bmap.dumps(bmap.Bmap(source.image_size, tuple(ranges))))
    assert main([str(papers), str(written)]) == 0
    spoil(written, 12 * MIB)
    assert main([str(papers), str(written), "--json"]) == 6
    found = json.loads(capsys.readouterr().out.partition("\n")[2])
    assert [offset for offset, _ in found["bad"]] == [6 * MIB, 8 * MIB, 12 * MIB]


def test_the_report_names_the_partitions_in_which_something_differs(tmp_path: Path, report: Recorder) -> None:
    plain = tmp_path / "base.img"
    make_demo_base(plain)
    data = plain.read_bytes()
    path = card_file(tmp_path / "card", len(data))
    path.write_bytes(data)
    whole = image(len(data))
    source = MemorySource(
        data,
        [Range(r.offset, r.length, hashlib.sha256(data[r.offset : r.end]).hexdigest()) for r in whole.ranges],
    )
    spoil(path, DATA.start + 5 * MIB)
    spoil(path, 440)
    with FileCard.open(str(path), writable=False) as card:
        verdict = verify(source, card, report)
    between, partition = verdict.areas
    assert (between.ranges, between.first) == (1, 0)
    assert partition.name.startswith("partition 3 (ext4")
    assert "differs in 2 ranges" in str(verdict)
    assert f"{partition.name}: 1 ranges" in str(verdict)
    assert "If it was in use" in str(verdict)


def test_a_table_that_cannot_be_read_is_no_reason_to_fail(
    written: Path, source: MemorySource, report: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(areas, "parts", refuse)
    spoil(written, 6 * MIB)
    with FileCard.open(str(written), writable=False) as card:
        [area] = verify(source, card, report).areas
    assert "between partitions" in area.name
