"""The demo's proof must be able to fail: a real image on a file that stands for a card, one thing wrong."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from pathlib import Path

import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console

from imager.demo.proof import Proof, prove_card
from imager.demo.seeds import Seeds
from imager.stack.content import Served
from imager.stack.processes import StackError
from workers.creator.build import build
from workers.creator.demo_base import make_demo_base
from workers.errors import JobError, WorkError
from workers.imaging import bmap, manifest
from workers.report import Recorder

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TRUSTED = manifest.public_hex(KEY)
WORDS = b"a lesson about " * 5000
PLACE = "/data/content/lesson.txt"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with the four files of an image, and the image unpacked: `card`."""
    folder = tmp_path_factory.mktemp("image")
    make_demo_base(folder / "base.img")
    recipe = {
        "base": {"source": str(folder / "base.img")},
        "output": {"size": "auto"},
        "files": [{"to": PLACE, "content": WORDS.decode()}],
        "offspot": {"hostname": "kita"},
    }
    build(json.dumps(recipe), folder, name="kita", signing_key=KEY, report=Recorder(), allow_local=True)
    with (
        (folder / "kita.img.zst").open("rb") as packed,
        (folder / "card").open("wb") as card,
        zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as image,
    ):
        shutil.copyfileobj(image, card)
    return folder


@pytest.fixture
def folder(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "image", ignore=shutil.ignore_patterns("base.img")))


def proved(folder: Path, *, trusted: str = TRUSTED, words: bytes = WORDS) -> tuple[int, list[str]]:
    served = Served(folder, "http://127.0.0.1/lesson.txt", len(words), hashlib.sha256(words).hexdigest())
    console = Console(file=io.StringIO(), width=80)
    proof = Proof(console)
    prove_card(proof, "A", "1001-01-1-5", folder / "card", folder, Seeds({}, 1, {PLACE: served}), trusted)
    return proof.held, console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def flip(file: Path, offset: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(offset)
        byte = opened.read(1)
        opened.seek(offset)
        opened.write(bytes([byte[0] ^ 1]))


def test_a_good_card_is_proved_in_lines_that_fit(folder):
    held, lines = proved(folder)

    assert held == len(lines) - 1 == 7
    assert lines[0] == "card 1001-01-1-5 in slot A"
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("which", [0, 1, -1])
def test_one_bit_of_any_mapped_range_is_enough(folder, which):
    found = bmap.load(folder / "kita.img.bmap").ranges[which]
    flip(folder / "card", found.offset + found.length - 1)

    with pytest.raises(StackError, match=r"NOT PROVED of card 1001-01-1-5 in slot A: .* 1 differ"):
        proved(folder)


def test_a_blank_card_is_not_proved(folder):
    size = (folder / "card").stat().st_size
    (folder / "card").write_bytes(b"")
    with (folder / "card").open("r+b") as card:
        card.truncate(size)

    with pytest.raises(StackError, match="NOT PROVED"):
        proved(folder)


def test_another_block_map_is_not_the_manifests(folder):
    with (folder / "kita.img.bmap").open("a") as chart:
        chart.write("\n")

    with pytest.raises(StackError, match="block map is the one that the manifest names"):
        proved(folder)


def test_a_manifest_of_another_key_is_refused(folder):
    other = manifest.public_hex(Ed25519PrivateKey.generate())

    with pytest.raises(WorkError, match="not signed by the trusted key"):
        proved(folder, trusted=other)


def test_a_changed_manifest_is_refused(folder):
    flip(folder / "kita.manifest.json", 40)

    with pytest.raises(JobError):
        proved(folder)


@pytest.mark.parametrize("words", [WORDS[:-1], WORDS + b"!", b"", WORDS.replace(b"lesson", b"lessen", 1)])
def test_a_file_that_is_not_its_source_is_named(folder, words):
    with pytest.raises(StackError, match=r"lesson\.txt"):
        proved(folder, words=words)


@pytest.mark.parametrize("suffix", [".manifest.json", ".img.bmap"])
def test_a_missing_paper_is_named(folder, suffix):
    (folder / f"kita{suffix}").unlink()

    with pytest.raises(StackError, match=rf"should hold one \*\{suffix}, but holds 0"):
        proved(folder)
