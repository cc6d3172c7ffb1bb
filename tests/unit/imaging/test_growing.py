"""An image that is written while it arrives. The test is the download; nothing depends on its speed."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.doubles.cards import card_file
from tests.doubles.papers import Papers, make_papers
from workers.contract import BMAP_SUFFIX, MANIFEST_SUFFIX, SIGNATURE_SUFFIX
from workers.errors import Canceled, JobError, WorkError
from workers.imaging.container import Reader
from workers.imaging.ranges import GRID
from workers.imaging.source import Source, open_arriving, open_source
from workers.places import PART_SUFFIX
from workers.report import Recorder
from workers.writer.burn import burn
from workers.writer.card import FileCard


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return make_papers(tmp_path_factory.mktemp("arriving"), tmp_path_factory.mktemp("plain") / "demo.img")


class Download:
    """The papers are here; the container comes when the source asks for more."""

    def __init__(self, folder: Path, papers: Papers, portion: int) -> None:
        self.path = folder / papers.image.name
        self.part = self.path.with_name(self.path.name + PART_SUFFIX)
        self.data = papers.image.read_bytes()
        self.portion = portion
        self.waits = 0
        self.before: Callable[[], None] = lambda: None
        for suffix in (BMAP_SUFFIX, MANIFEST_SUFFIX, SIGNATURE_SUFFIX):
            shutil.copy(papers.folder / f"demo{suffix}", folder)

    def more(self) -> None:
        """Called whenever the source waits."""
        self.waits += 1
        self.before()
        here = self.part.stat().st_size if self.part.exists() else 0
        if here < len(self.data):
            with self.part.open("ab") as file:
                file.write(self.data[here : here + self.portion])
        elif not self.path.exists():
            self.part.rename(self.path)


@pytest.fixture
def download(tmp_path: Path, papers: Papers) -> Download:
    return Download(tmp_path, papers, portion=len(papers.image.read_bytes()) // 5 + 1)


@pytest.fixture
def arriving(download: Download, papers: Papers, monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setattr("workers.imaging.growing._POLL", 0.001)
    return open_arriving(download.path, signing_key=papers.key, check=download.more)


def test_a_card_is_written_while_its_image_arrives(
    tmp_path: Path, arriving: Source, download: Download, papers: Papers
) -> None:
    card_path = card_file(tmp_path / "card", -(-papers.size // GRID) * GRID)
    heads: list[bool] = []
    download.before = lambda: heads.append(card_path.read_bytes()[:GRID] == bytes(GRID))
    with FileCard.open(str(card_path)) as card:
        result = burn(arriving, card, Recorder())
    arriving.close()
    papers.assert_on(card_path)
    assert result.rewritten_ranges == 0
    assert download.waits >= 5, "it waited for each portion"
    assert heads[-1], "the beginning was empty until the download was whole"


def test_ranges_and_bytes_are_those_of_the_whole_image(
    arriving: Source, papers: Papers, download: Download
) -> None:
    whole = open_source(papers.image, signing_key=papers.key)
    assert arriving.ranges == whole.ranges
    assert arriving.image_size == whole.image_size
    for each in reversed(whole.ranges):
        assert arriving.read(each) == whole.read(each)
    arriving.finish()
    for source in (arriving, whole):
        source.close()


def test_whoever_waits_hears_the_cancel(arriving: Source, download: Download) -> None:
    def cancel() -> None:
        raise Canceled

    download.before = cancel
    with pytest.raises(Canceled):
        arriving.read(arriving.ranges[0])
    with pytest.raises(Canceled):
        arriving.finish()
    arriving.close()


def test_damage_in_transit_is_waited_out(arriving: Source, download: Download) -> None:
    """The download finds it, cuts its file there, and fetches it again."""
    good = download.data
    wrong = bytearray(good)
    with _reader_of(download) as reader:
        at = reader._positions[0] + 80
    wrong[at] ^= 1
    download.data = bytes(wrong)

    def repair() -> None:
        if download.data != good and download.waits == 3:
            download.data = good
            os.truncate(download.part, 0)

    download.before = repair
    assert len(arriving.read(arriving.ranges[0])) == arriving.ranges[0].length
    assert download.data == good, "it waited for the repair"
    arriving.close()


@pytest.mark.parametrize("how", ["made anew", "replaced"])
def test_a_file_that_begins_anew_under_the_same_name_is_followed(
    arriving: Source, download: Download, how: str
) -> None:
    """What was opened gets nothing more; the rest comes to the new file."""

    def begin_anew() -> None:
        assert download.waits < 50, "it waits for a file that nobody has any more"
        if download.waits == 3 and how == "made anew":
            download.part.unlink()
        elif download.waits == 3:
            (new := download.part.with_name("new")).write_bytes(download.data[: download.portion])
            new.replace(download.part)

    download.before = begin_anew
    for each in arriving.ranges:
        assert len(arriving.read(each)) == each.length
    arriving.finish()
    assert download.waits > 5, "it began anew"
    arriving.close()


def _reader_of(download: Download) -> Reader:
    whole = download.path.with_name("whole.img.zst")
    whole.write_bytes(download.data)
    return Reader(whole)


def test_a_sound_container_of_another_image_is_refused_at_its_first_range(
    arriving: Source, download: Download, papers: Papers, tmp_path: Path
) -> None:
    from workers.imaging import container

    other = tmp_path / "other.img"
    other.write_bytes(os.urandom(papers.size))
    container.pack(other, tmp_path / "other.img.zst")
    download.data = (tmp_path / "other.img.zst").read_bytes()
    download.portion = len(download.data)
    with pytest.raises(JobError) as caught:
        arriving.read(arriving.ranges[0])
    assert caught.value.code == "bad_image"
    while not download.path.exists():
        download.more()
    with pytest.raises(JobError) as caught:
        arriving.finish()
    assert caught.value.code == "wrong_image"
    arriving.close()


def test_closing_lets_go_whoever_waits(arriving: Source, download: Download) -> None:
    waits = threading.Event()
    download.portion = 0
    download.before = waits.set
    errors: list[WorkError] = []

    def read() -> None:
        try:
            arriving.read(arriving.ranges[0])
        except WorkError as error:
            errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert waits.wait(30)
    arriving.close()
    reader.join(30)
    assert errors[0].code == "bad_image"


def test_papers_that_do_not_hold_open_nothing(download: Download, papers: Papers) -> None:
    with pytest.raises(JobError) as caught:
        open_arriving(download.path, signing_key="00" * 32, check=download.more)
    assert caught.value.code in ("bad_signature", "bad_key")
    download.path.with_name(f"demo{BMAP_SUFFIX}").unlink()
    with pytest.raises(JobError) as caught:
        open_arriving(download.path, signing_key=papers.key, check=download.more)
    assert caught.value.code == "bmap_missing"
