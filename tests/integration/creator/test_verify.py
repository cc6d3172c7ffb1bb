"""Every way in which an image can be wrong has its verdict, its sentence and its exit code."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.doubles.image import KEY, Image, make_image
from workers.creator.verify import main
from workers.imaging import manifest, torrent
from workers.imaging.proof import RangeProver
from workers.imaging.ranges import Range

PUBLIC = manifest.public_hex(KEY)
OTHER = manifest.public_hex(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
MISSING, DAMAGED, FOREIGN, UNTRUSTED = 10, 11, 12, 13
FRAME = 4 << 20
SIZE = 5 << 20


def with_torrent(image: Image) -> Image:
    pieces = torrent.Pieces(256 * 1024)
    pieces.update(image.container.read_bytes())
    page = torrent.dumps(pieces.torrent(image.container.name), "test")
    image.container.with_name(image.container.name + ".torrent").write_bytes(page)
    return image


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> dict[str, Image]:
    folder = tmp_path_factory.mktemp("originals")
    return {
        "one": with_torrent(make_image(folder / "one", size=SIZE)),
        "two": with_torrent(make_image(folder / "two", size=SIZE, seed=8)),
    }


@pytest.fixture
def folder(originals, tmp_path) -> Path:
    """A whole image, for a test to spoil."""
    shutil.copytree(originals["one"].folder, tmp_path / "image")
    return tmp_path / "image"


@pytest.fixture
def swap(originals, folder):
    def take(*suffixes: str) -> None:
        for suffix in suffixes:
            shutil.copy(originals["two"].folder / f"demo{suffix}", folder / f"demo{suffix}")

    return take


@pytest.fixture
def told(folder, capsys):
    """`told(…)`: exit code, and the findings by part, of the command."""

    def run(name: str = "demo.img.zst", key: str | None = PUBLIC) -> tuple[int, dict[str, tuple[str, str]]]:
        whom = ["--public-key", key] if key else ["--no-signature"]
        code = main([str(folder / name), *whom, "--json"])
        (page,) = json.loads(capsys.readouterr().out)
        assert page["good"] is (code == 0)
        return code, {each["part"]: (each["flaw"] or "good", each["message"]) for each in page["parts"]}

    return run


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def cut(path: Path, size: int) -> None:
    os.truncate(path, size if size >= 0 else path.stat().st_size + size)


def extend(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(9))


def test_a_good_image(told):
    code, parts = told()
    assert code == 0
    assert list(parts) == ["manifest", "signature", "block map", "container", "image", "torrent"]
    assert {flaw for flaw, _ in parts.values()} == {"good"}
    assert parts["signature"][1] == f"The manifest is signed by {PUBLIC}."
    assert "21 pieces" in parts["torrent"][1]


@pytest.mark.parametrize("suffix", [".img.bmap", ".manifest.json", ".manifest.json.sig", ".img.zst.torrent"])
def test_any_file_of_it_may_be_named(told, suffix):
    assert told(f"demo{suffix}")[0] == 0


def spoil(word):
    """The ways to spoil the files in a folder."""
    return {
        "container cut in a frame": lambda f: cut(f / "demo.img.zst", 5_000_000),
        "container without its index": lambda f: cut(f / "demo.img.zst", -100),
        "container empty": lambda f: cut(f / "demo.img.zst", 0),
        "bit of a frame": lambda f: flip(f / "demo.img.zst", 5_000_000),
        "bit of the header": lambda f: flip(f / "demo.img.zst", 20),
        "bit of the index": lambda f: flip(f / "demo.img.zst", -40),
        "bytes behind": lambda f: extend(f / "demo.img.zst"),
        "bit of the map": lambda f: flip(f / "demo.img.bmap", -40),
        "map cut": lambda f: cut(f / "demo.img.bmap", 500),
        "manifest cut": lambda f: cut(f / "demo.manifest.json", 50),
        "signature cut": lambda f: cut(f / "demo.manifest.json.sig", 50),
        "bit of the signature": lambda f: (f / "demo.manifest.json.sig").write_bytes(b"00" * 64 + b"\n"),
        "torrent cut": lambda f: cut(f / "demo.img.zst.torrent", -1),
    }[word]


@pytest.mark.parametrize(
    ("word", "code", "part", "flaw", "words"),
    [
        ("container cut in a frame", DAMAGED, "container", "damaged", "ends after 4194"),
        ("container without its index", DAMAGED, "container", "damaged", "before its index"),
        ("container empty", DAMAGED, "container", "damaged", "ends after 0 good bytes"),
        ("bit of a frame", DAMAGED, "container", "damaged", "frame 1"),
        ("bit of the header", DAMAGED, "container", "damaged", "header"),
        ("bit of the index", DAMAGED, "container", "damaged", "index does not match its frames"),
        ("bytes behind", DAMAGED, "container", "damaged", "bytes follow its index"),
        ("bit of the map", DAMAGED, "block map", "damaged", "its checksum does not match"),
        ("map cut", DAMAGED, "block map", "damaged", "The block map is damaged or foreign"),
        ("manifest cut", UNTRUSTED, "manifest", "damaged", "The manifest is damaged"),
        ("signature cut", UNTRUSTED, "signature", "untrusted", "not a line of 128 hex digits"),
        ("bit of the signature", UNTRUSTED, "signature", "untrusted", "was not signed by the trusted key"),
        ("torrent cut", DAMAGED, "torrent", "damaged", "not bencoded in the canonical way"),
    ],
)
def test_what_is_damaged(told, folder, word, code, part, flaw, words):
    spoil(word)(folder)
    found, parts = told()
    assert found == code
    assert parts[part][0] == flaw
    assert words in parts[part][1]


@pytest.mark.parametrize("suffix", [".img.zst", ".img.bmap", ".manifest.json", ".manifest.json.sig"])
def test_what_is_missing(told, folder, suffix):
    (folder / f"demo{suffix}").unlink()
    code, parts = told()
    assert code == MISSING
    (missing,) = [message for flaw, message in parts.values() if flaw == "missing"]
    assert missing == f"demo{suffix} is missing; fetch all files of the image."


def test_an_image_needs_no_torrent(told, folder):
    (folder / "demo.img.zst.torrent").unlink()
    code, parts = told()
    assert (code, "torrent" in parts) == (0, False)


@pytest.mark.parametrize(
    ("suffixes", "code", "flaws"),
    [
        ([".img.zst"], FOREIGN, {"container": "foreign", "image": "damaged", "torrent": "foreign"}),
        ([".img.bmap"], FOREIGN, {"block map": "foreign"}),
        ([".img.zst.torrent"], FOREIGN, {"torrent": "foreign"}),
        ([".manifest.json"], UNTRUSTED, {"signature": "untrusted", "container": "foreign"}),
        ([".manifest.json", ".manifest.json.sig"], FOREIGN, {"container": "foreign", "block map": "foreign"}),
    ],
)
def test_parts_of_another_image(told, swap, suffixes, code, flaws):
    swap(*suffixes)
    found, parts = told()
    assert found == code
    assert {part: parts[part][0] for part in flaws} == flaws


def test_everything_of_another_image_is_good(told, swap):
    swap(".img.zst", ".img.bmap", ".manifest.json", ".manifest.json.sig", ".img.zst.torrent")
    assert told()[0] == 0


def test_a_renamed_image(told, folder):
    for path in list(folder.iterdir()):
        path.rename(path.with_name(path.name.replace("demo", "other")))
    code, parts = told("other.img.zst")
    assert (code, parts["manifest"]) == (FOREIGN, ("foreign", "It is the manifest of demo, not of other."))


def test_the_wrong_key(told):
    code, parts = told(key=OTHER)
    assert code == UNTRUSTED
    assert "was not signed by the trusted key" in parts["signature"][1]
    assert parts["container"][0] == "good"


def test_without_a_key_it_is_said_that_nobody_vouches(told, folder):
    (folder / "demo.manifest.json.sig").unlink()
    code, parts = told(key=None)
    assert (code, parts["signature"]) == (
        0,
        ("good", "Not looked at, as asked: nobody vouches for this image."),
    )


def test_the_worst_of_several_flaws_counts(told, folder):
    (folder / "demo.img.bmap").unlink()
    flip(folder / "demo.img.zst", 5_000_000)
    assert told()[0] == DAMAGED
    assert told(key=OTHER)[0] == UNTRUSTED


class TestPlainImages:
    @pytest.fixture(autouse=True)
    def _plain(self, originals, folder) -> None:
        (folder / "demo.img").write_bytes(originals["one"].plain)

    def test_against_all_papers(self, told, folder):
        (folder / "demo.img.zst").unlink()  # not asked for
        code, parts = told("demo.img")
        assert (code, parts["image"][0]) == (0, "good")
        assert "container" not in parts

    def test_against_its_map_alone(self, told, folder):
        (folder / "demo.manifest.json").unlink()
        code, parts = told("demo.img", key=None)
        assert (code, parts["image"][0]) == (0, "good")
        assert "nothing is compared" in parts["manifest"][1]

    def test_a_flipped_bit_is_found_in_its_range(self, told, folder):
        flip(folder / "demo.img", FRAME + 5)
        code, parts = told("demo.img")
        assert code == DAMAGED
        assert parts["image"][1] == f"It differs from its block map in the {SIZE - FRAME} bytes at {FRAME}."

    @pytest.mark.parametrize("size", [SIZE - 1, 0, SIZE + 4096])
    def test_another_size(self, told, folder, size):
        os.truncate(folder / "demo.img", size)
        code, parts = told("demo.img")
        assert code == DAMAGED
        assert f"It has {size} bytes" in parts["image"][1]

    def test_without_a_map_the_whole_counts(self, told, folder):
        (folder / "demo.img.bmap").unlink()
        flip(folder / "demo.img", 77)
        code, parts = told("demo.img")
        assert code == DAMAGED
        assert "not the manifest's" in parts["image"][1]


def test_ranges_are_proved_whatever_the_portions():
    data = bytes(range(256)) * 64
    ranges = [Range(0, 4096), Range(4096, 4096), Range(12288, 100)]
    told = [Range(r.offset, r.length, hashlib.sha256(data[r.offset : r.end]).hexdigest()) for r in ranges]
    for step in (1, 7, 4096, 5000, len(data)):
        for wrong in (None, 0, 1, 2):
            marked = [Range(r.offset, r.length, "00" * 32) if n == wrong else r for n, r in enumerate(told)]
            prover = RangeProver(marked)
            for at in range(0, len(data), step):
                prover.feed(at, data[at : at + step])
            assert prover.wrong == (None if wrong is None else marked[wrong])


@pytest.mark.parametrize("form", ["hex", "hex file", "PEM file"])
def test_keys_in_each_form(folder, tmp_path, capsys, form):
    file = tmp_path / "key"
    file.write_text(PUBLIC + "\n")
    if form == "PEM file":
        pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        file.write_bytes(pem)
    key = PUBLIC.upper() if form == "hex" else str(file)
    assert main([str(folder / "demo.img.zst"), "--public-key", key]) == 0
    assert "demo.img.zst is good" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"no key", b"\xff" * 64, PUBLIC[:-1].encode(), "foreign"])
def test_keys_that_are_none(folder, tmp_path, capsys, content):
    file = tmp_path / "key"
    if content == "foreign":
        key = X25519PrivateKey.generate().public_key()
        content = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    file.write_bytes(content)
    assert main([str(folder / "demo.img.zst"), "--public-key", str(file)]) == 3
    assert "The key to trust cannot be used" in capsys.readouterr().err


def test_other_files_are_refused(tmp_path, capsys):
    assert main([str(tmp_path / "x.iso"), "--no-signature", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["code"] == "not_an_image"


def test_what_cannot_be_read_is_the_hosts_trouble(tmp_path, capsys):
    (tmp_path / "demo.img.bmap").mkdir()
    assert main([str(tmp_path / "demo.img.zst"), "--no-signature"]) == 4
    assert "demo.img.bmap cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["a.img.zst"], ["a.img", "--public-key", "x", "--no-signature"]])
def test_wrong_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_the_command_reports_on_each_image_for_people(originals, folder):
    flip(folder / "demo.img.zst", 5_000_000)
    arguments = [folder / "demo.img.zst", originals["two"].container, "--public-key", PUBLIC]
    done = subprocess.run(
        [sys.executable, "-m", "workers.creator.verify", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
        timeout=60,
    )
    assert done.returncode == DAMAGED
    first, second = done.stdout.split(str(originals["two"].container))
    assert "is NOT good: do not use it" in first
    assert "  damaged   container  The image container is damaged: frame 1" in first
    assert second.startswith(" is good\n  good      manifest ")
