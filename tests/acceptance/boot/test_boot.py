"""A recipe becomes a card that boots: builder and writer as people run them, then a computer reads the card.

What the card tells on its serial console is compared with what the recipe was made from.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.boot import base, machine
from tests.acceptance.debian import KEYRING, Debian
from tests.doubles.cards import MIB, card_file, loop_device, loop_problem, tool
from tests.doubles.papers import ROOT, run_write
from tests.integration.creator.server import ContentServer

pytestmark = pytest.mark.boot

CARD: int = 256 * MIB
BIG = random.Random(4).randbytes(20 * MIB)  # more than the base's data partition can hold
MESSAGE = "hello from the card\n"
LESSONS = {"index.html": b"<h1>Lessons</h1>", "leçon 1/été.txt": b"chaleur\n"}
OFFSPOT: dict[str, Any] = {
    "timezone": "Africa/Bamako",
    "ap": {"ssid": "Kiwix Hotspot é", "passphrase": None, "channel": 11},
    "containers": {"services": [{"name": "home", "ports": ["80:80"]}]},
}
PROGRAMS = {
    machine.QEMU: "qemu-system-arm",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "mkfs.vfat": "dosfstools",
    "mcopy": "mtools",
}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def debian() -> Debian:
    missing = [package for program, package in PROGRAMS.items() if tool(program) is None]
    if not KEYRING.exists():
        missing.append("debian-archive-keyring")
    if missing:
        pytest.skip(f"needs {', '.join(missing)}; on Debian: apt-get install {' '.join(missing)}")
    return Debian(ROOT / "var/boot-test", "arm64")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("boot")


@pytest.fixture(scope="module")
def firmware(debian: Debian) -> Path:
    folder = debian.files("u-boot-qemu", r"/qemu_arm64/u-boot\.bin$")
    return folder / "usr/lib/u-boot/qemu_arm64/u-boot.bin"


@pytest.fixture(scope="module")
def recipe(debian: Debian, work: Path) -> Iterator[Path]:
    """The recipe; its base image and content come from a server that runs meanwhile."""
    with closing(ContentServer()) as server:
        page = {
            "base": {"source": server.put("/base.img.gz", base.make_base(debian, work).read_bytes())},
            "output": {"size": "auto"},
            "files": [
                {
                    "to": "/data/contents/zims/big.zim",
                    "url": server.put("/big.zim", BIG),
                    "checksum": {"algo": "sha-256", "value": sha256(BIG)},
                },
                {
                    "to": "/data/contents/lessons",
                    "url": server.put("/lessons.tar.gz", lessons()),
                    "via": "gztar",
                },
                {"to": "/data/conf/message.txt", "content": MESSAGE},
            ],
            "write_config": True,
            "offspot": OFFSPOT,
        }
        path = work / "recipe.yaml"
        path.write_text(yaml.safe_dump(page, allow_unicode=True), encoding="utf-8")
        yield path


def lessons() -> bytes:
    """The lessons as an archive, with a link to one of them."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, data in LESSONS.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("first")
        link.type, link.linkname = tarfile.SYMTYPE, "leçon 1/été.txt"
        archive.addfile(link)
    return packed.getvalue()


@pytest.fixture(scope="module")
def image(recipe: Path, work: Path) -> tuple[Path, str]:
    """What the builder's command made of the recipe, and the key that signed it."""
    out = work / "out"
    built = subprocess.run(
        [sys.executable, "-m", "workers.creator.build", recipe, out, "--name", "boots", "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONWARNINGS": "error",
            "IMAGER_ALLOW_NETWORKS": "127.0.0.0/8",
            "XDG_DATA_HOME": str(work / "home"),
        },
    )
    assert built.returncode == 0, built.stderr
    return out / "boots.img.zst", json.loads(built.stdout)["signing_key"]


@pytest.fixture(scope="module")
def card(image: tuple[Path, str], work: Path) -> Iterator[Path]:
    """A used card that the writer's command wrote: a loop device, or as an ordinary user a file."""
    path, key = image
    backing = card_file(work / "card.img", CARD)
    with ExitStack() as until_end:
        device = backing if loop_problem() else Path(until_end.enter_context(loop_device(backing)))
        done = run_write(path, device, "--yes", "--allow-non-removable", "--signing-key", key)
        assert done.returncode == 0, done.stderr
        assert "signed by the key that you trust" in done.stderr
        yield device


@pytest.fixture(scope="module", params=list(machine.BUSES))
def told(
    request: pytest.FixtureRequest, card: Path, firmware: Path, work: Path
) -> tuple[str, dict[str, list[str]]]:
    """The bus that the card was on, and what it told."""
    return request.param, machine.sections(machine.boot(card, firmware, request.param, work))


def sums(told: dict[str, list[str]]) -> dict[str, str]:
    """Path on the data partition → SHA-256, as the card's own sha256sum found it."""
    return {path: digest for digest, _, path in (line.partition("  ") for line in told["data"])}


def expected(recipe: Path) -> dict[str, str]:
    files = {
        "./contents/zims/big.zim": BIG,
        "./conf/message.txt": MESSAGE.encode(),
        "./conf/base.txt": base.BASE_FILE,
        "./image.yaml": recipe.read_bytes(),
        **{f"./contents/lessons/{name}": data for name, data in LESSONS.items()},
    }
    return {path: sha256(data) for path, data in files.items()}


def test_it_ran_on_the_board_from_the_card_alone(told: tuple[str, dict[str, list[str]]]) -> None:
    bus, found = told
    assert found["machine"] == ["aarch64"]
    assert found["disks"] == [machine.DISKS[bus]]


def test_the_data_partition_holds_what_recipe_and_base_brought(
    told: tuple[str, dict[str, list[str]]], recipe: Path
) -> None:
    _, found = told
    assert sums(found) == expected(recipe)
    assert found["links"] == ["./contents/lessons/first leçon 1/été.txt"]


def test_the_boot_partition_holds_the_hotspots_configuration(
    told: tuple[str, dict[str, list[str]]],
) -> None:
    _, found = told
    assert set(found["boot"]) == base.BOOT_NAMES | {"offspot.yaml"}
    assert yaml.safe_load("\n".join(found["offspot.yaml"])) == OFFSPOT


def test_one_wrong_byte_on_the_card_is_told(card: Path, firmware: Path, work: Path, recipe: Path) -> None:
    """The proof can fail: the card itself reads its content, nobody else."""
    at = place_of(BIG[MIB : MIB + 4096], card) + 100
    with card.open("r+b", buffering=0) as file:
        right = os.pread(file.fileno(), 1, at)
        os.pwrite(file.fileno(), bytes([right[0] ^ 1]), at)
        os.fsync(file.fileno())
        try:
            found = sums(machine.sections(machine.boot(card, firmware, "virtio", work)))
        finally:
            os.pwrite(file.fileno(), right, at)
            os.fsync(file.fileno())
    wanted = expected(recipe)
    assert {path for path in wanted if found.get(path) != wanted[path]} == {"./contents/zims/big.zim"}


def place_of(data: bytes, card: Path) -> int:
    """Where these bytes, a whole block, lie on the card."""
    found = card.read_bytes().find(data)
    assert found >= 0, "the content is not on the card as it came"
    return found
