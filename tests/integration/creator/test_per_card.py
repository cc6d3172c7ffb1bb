"""From recipe to card: files of the boot partition that are different on each card, no copy of the image."""

import shutil
import subprocess
import sys
from contextlib import closing

import pytest
import yaml

from tests.doubles.cards import MIB, card_file
from tests.doubles.papers import ROOT
from workers.creator.build import build
from workers.creator.demo_base import BOOT
from workers.creator.rules import TERMINAL
from workers.errors import JobError
from workers.imaging import manifest
from workers.imaging.fat import Fat
from workers.imaging.source import open_source
from workers.report import Recorder
from workers.writer.burn import burn
from workers.writer.card import FileCard
from workers.writer.personal import facts_of, personal
from workers.writer.verify import verify

ASKED = [
    {"to": "serial.txt", "content": "{serial}\n"},
    {"to": "conf/hostname", "content": "hotspot-{suffix}"},
]
SERIAL = "1042-01-1-7"


@pytest.fixture(scope="module")
def made(demo_base, key, tmp_path_factory):
    """A built image whose recipe asks for two files of each card."""
    out = tmp_path_factory.mktemp("made")
    recipe = {"base": {"source": str(demo_base)}, "per_card": ASKED, "offspot": {"timezone": "UTC"}}
    text = yaml.safe_dump(recipe)
    build(text, out, name="card", signing_key=key, report=Recorder(), rules=TERMINAL)
    return out / "card.img.zst"


@pytest.fixture
def opened(made, key):
    with closing(open_source(made, signing_key=manifest.public_hex(key))) as source:
        yield source


def write(source, path):
    with FileCard.open(str(path)) as card:
        return burn(source, card, Recorder())


def judged(source, path):
    with FileCard.open(str(path), writable=False) as card:
        return verify(source, card, Recorder())


def boot_files(path):
    with Fat(path, BOOT.start) as fat:
        return {name: fat.read(f"/{name}") for name in ("serial.txt", "conf/hostname", "offspot.yaml")}


def test_each_card_has_its_own_files_and_is_proved_with_them(opened, tmp_path):
    cards = {serial: card_file(tmp_path / serial, 192 * MIB) for serial in (SERIAL, "1042-02-1-5")}
    digests = set()
    for serial, path in cards.items():
        own = personal(opened, serial)
        digests.add(write(own, path).read_back_sha256)
        assert boot_files(path) == {
            "serial.txt": f"{serial}\n".encode(),
            "conf/hostname": f"hotspot-{serial[:7]}".encode(),
            "offspot.yaml": b"timezone: UTC\n",
        }
        assert judged(own, path).good
    assert len(digests) == 2

    verdict = judged(personal(opened, "1042-02-1-5"), cards[SERIAL])
    changed = {(each.offset, each.length) for each in personal(opened, SERIAL).changed}
    assert set(verdict.bad) == changed, "the other card's files are all that differs"
    assert not judged(opened, cards[SERIAL]).good, "and without its number it is not the image"


def test_the_file_system_is_sound(opened, tmp_path):
    if shutil.which("fsck.vfat", path="/usr/sbin:/sbin:/usr/bin") is None:
        pytest.skip("fsck.vfat (dosfstools) is not installed")
    path = card_file(tmp_path / "card", 192 * MIB)
    write(personal(opened, SERIAL), path)
    boot = tmp_path / "boot.img"
    with path.open("rb") as card, boot.open("wb") as file:
        card.seek(BOOT.start)
        file.write(card.read(BOOT.length))
    done = subprocess.run(
        [shutil.which("fsck.vfat", path="/usr/sbin:/sbin:/usr/bin"), "-n", boot],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_record_has_what_a_later_verification_needs(opened):
    own = personal(opened, SERIAL)
    facts = facts_of(own, SERIAL)
    assert facts["serial"] == SERIAL
    assert facts["files"] == {"serial.txt": f"{SERIAL}\n", "conf/hostname": "hotspot-1042-01"}
    told = {(each["offset"], each["length"], each["sha256"]) for each in facts["ranges"]}
    assert told == {(each.offset, each.length, each.sha256) for each in own.changed}
    assert told <= {(each.offset, each.length, each.sha256) for each in own.ranges}
    assert len(own.ranges) == len(opened.ranges)


def test_the_image_itself_says_that_it_is_no_card_yet(opened, made, tmp_path):
    path = card_file(tmp_path / "card", 192 * MIB)
    write(opened, path)
    assert boot_files(path)["serial.txt"] == b"unset\n"
    assert boot_files(path)["conf/hostname"] == b"hotspot-unset"


def test_without_a_serial_number_nothing_is_written(opened):
    with pytest.raises(JobError) as caught:
        personal(opened, "")
    assert caught.value.code == "serial_missing"
    assert "conf/hostname" in caught.value.message


@pytest.mark.parametrize("serial", ["../x", "a b", "-1", "1-", "x" * 41, "ü"])
def test_what_is_no_serial_number(opened, serial):
    with pytest.raises(JobError) as caught:
        personal(opened, serial)
    assert caught.value.code == "bad_serial"


def command(module, *words):
    return subprocess.run(
        [sys.executable, "-m", f"workers.writer.{module}", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def test_the_commands_take_the_numbers(made, tmp_path):
    cards = [card_file(tmp_path / name, 192 * MIB) for name in ("one", "two")]
    go = ["--yes", "--allow-non-removable"]
    numbers = ["--serial", SERIAL, "--serial", "1042-02-1-5"]
    done = command("write", made, *cards, *go, *numbers)
    assert done.returncode == 0, done.stderr
    assert [boot_files(card)["serial.txt"].decode().strip() for card in cards] == numbers[1::2]

    assert command("verify", made, cards[0], "--serial", SERIAL).returncode == 0
    assert command("verify", made, cards[0], "--serial", "1042-02-1-5").returncode == 6
    missing = command("write", made, cards[0], *go)
    assert missing.returncode == 3
    assert "give the serial number of the card" in missing.stderr
    assert boot_files(cards[0])["serial.txt"] == f"{SERIAL}\n".encode(), "and the card is untouched"
    assert command("write", made, *cards, *go, "--serial", SERIAL).returncode == 2


@pytest.mark.parametrize("paper", ["card.img.bmap", "card.manifest.json"])
def test_a_card_is_verified_by_its_papers_alone(made, key, tmp_path, paper):
    """As one that comes back from the field, when its image is not kept any more."""
    card = card_file(tmp_path / "card", 192 * MIB)
    done = command("write", made, card, "--yes", "--allow-non-removable", "--serial", SERIAL)
    assert done.returncode == 0, done.stderr
    papers = tmp_path / "papers"
    papers.mkdir()
    for name in ("card.img.bmap", "card.manifest.json", "card.manifest.json.sig"):
        shutil.copyfile(made.with_name(name), papers / name)
    trusted = ["--signing-key", manifest.public_hex(key)]

    good = command("verify", papers / paper, card, "--serial", SERIAL, *trusted)
    assert good.returncode == 0, good.stdout + good.stderr
    assert "signed by the key that you trust" in good.stderr
    assert command("verify", papers / paper, card, "--serial", "1042-02-1-5").returncode == 6
    assert command("verify", papers / paper, card).returncode == 3, "whose card?"
    assert (
        command("verify", papers / paper, card, "--serial", SERIAL, "--signing-key", "ab" * 32).returncode
        == 3
    )

    with Fat(card, BOOT.start) as boot:
        at, _ = boot.places("serial.txt")
    with card.open("r+b") as file:
        file.seek(at - at % 4096 + (4095 if at % 4096 < 2048 else 0))  # beside it, in the same range
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    spoiled = command("verify", papers / paper, card, "--serial", SERIAL, *trusted)
    assert spoiled.returncode == 6
    assert "partition 1 (FAT" in spoiled.stdout
    (papers / "card.manifest.json.sig").unlink()
    assert command("verify", papers / paper, card, "--serial", SERIAL, *trusted).returncode == 3


@pytest.mark.parametrize("to", ["taken.txt", "folder", "taken.txt/below", "TAKEN.TXT"])
def test_what_the_base_brings_along_is_never_replaced(demo_base, key, tmp_path, to):
    """Cards boot from it."""
    base = tmp_path / "base.img"
    shutil.copyfile(demo_base, base)
    with Fat(base, BOOT.start, writable=True) as boot:
        boot.write("taken.txt", b"console=tty1", now=0)
        boot.makedirs("folder", now=0)
    recipe = {"base": {"source": str(base)}, "per_card": [{"to": to, "content": "{serial}"}]}
    with pytest.raises(JobError, match="part of the base image already") as caught:
        build(
            yaml.safe_dump(recipe),
            tmp_path / "out",
            name="card",
            signing_key=key,
            report=Recorder(),
            rules=TERMINAL,
        )
    assert caught.value.code == "taken"
