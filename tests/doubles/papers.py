"""A real, signed image for the tests of the card writer, and its commands as a person runs them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from workers.contract import BMAP_SUFFIX, IMAGE_SUFFIX, MANIFEST_SUFFIX, SIGNATURE_SUFFIX
from workers.creator.demo_base import make_demo_base
from workers.imaging import bmap, container, manifest
from workers.imaging.allocation import mapped_ranges
from workers.imaging.ranges import Range

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Papers:
    """A real image with all that a creator emits; `plain` is the image uncompressed, elsewhere."""

    folder: Path
    plain: Path
    key: str
    ranges: tuple[Range, ...]

    @property
    def image(self) -> Path:
        return self.folder / f"demo{IMAGE_SUFFIX}"

    @property
    def bmap(self) -> Path:
        return self.folder / f"demo{BMAP_SUFFIX}"

    @property
    def size(self) -> int:
        return self.plain.stat().st_size

    def assert_on(self, card: Path) -> None:
        """Every mapped range is there."""
        with card.open("rb") as found, self.plain.open("rb") as wanted:
            for each in self.ranges:
                found.seek(each.offset)
                wanted.seek(each.offset)
                assert found.read(each.length) == wanted.read(each.length), each


def make_papers(folder: Path, plain: Path) -> Papers:
    """The demo's base image as the image: MBR, FAT32, two ext4."""
    make_demo_base(plain)
    return papers_of(folder, plain)


def papers_of(folder: Path, plain: Path) -> Papers:
    """The same for any image."""
    key = Ed25519PrivateKey.generate()
    made = Papers(folder, plain, manifest.public_hex(key), ())
    facts = container.pack(plain, made.image)
    chart = bmap.make(plain, mapped_ranges(plain))
    made.bmap.write_bytes(bmap.dumps(chart))
    page = manifest.dumps(
        manifest.Manifest(
            name="demo",
            builder="test",
            recipe_sha256="0" * 64,
            image=manifest.ImagePart(
                size=facts.image_size, sha256=facts.image_sha256, mapped_bytes=chart.mapped_bytes
            ),
            container=manifest.ContainerPart(
                name=made.image.name, size=facts.size, sha256=facts.sha256, root=facts.root
            ),
            bmap=manifest.FilePart(
                name=made.bmap.name, size=made.bmap.stat().st_size, sha256=_sha(made.bmap)
            ),
            contents=(),
            signing_key=made.key,
        )
    )
    (folder / f"demo{MANIFEST_SUFFIX}").write_bytes(page)
    (folder / f"demo{SIGNATURE_SUFFIX}").write_bytes(manifest.sign(page, key))
    return Papers(folder, plain, made.key, chart.ranges)


def run_write(
    *arguments: str | Path, answer: str = "", module: str = "write"
) -> subprocess.CompletedProcess[str]:
    """The command, as a person runs it."""
    return subprocess.run(
        command(module, *arguments),
        input=answer,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=300,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )


def command(module: str, *arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", f"workers.writer.{module}", *map(str, arguments)]


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
