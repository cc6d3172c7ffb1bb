"""Cards for benchmarks: a sample image, used loop devices, and the kernel's brake on a device's speed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import ParamSpec

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from workers.contract import BMAP_SUFFIX, IMAGE_SUFFIX, MANIFEST_SUFFIX, SIGNATURE_SUFFIX
from workers.imaging import bmap, container, manifest
from workers.imaging.ranges import Range, cut, total
from workers.report import Recorder

Given = ParamSpec("Given")
MIB, MB = 1 << 20, 10**6
CELL = 4 * MIB
ROOT = Path(__file__).parents[1]
THROTTLE = Path("/sys/fs/cgroup/blkio")


@dataclass(frozen=True)
class Sample:
    """An image with the papers that a creator hands out with it: the map is all that a writer may write."""

    path: Path
    size: int
    spans: tuple[Range, ...]
    key: str

    @property
    def map(self) -> Path:
        return self.path.with_name(self.path.stem + BMAP_SUFFIX)

    @property
    def container(self) -> Path:
        return self.path.with_name(self.path.stem + IMAGE_SUFFIX)

    @property
    def mapped(self) -> int:
        return total(self.spans)


def make_sample(path: Path, size: int, mapped: int) -> Sample:
    """Random bytes in pieces of up to 96 MiB with holes between, from the first byte to the last."""
    rng = Random(1)
    count = max(2, mapped // (48 * MIB))
    piece, step = mapped // count // 4096 * 4096, size // count // 4096 * 4096
    spans = [Range(number * step, piece) for number in range(count - 1)] + [Range(size - piece, piece)]
    with path.open("wb") as file:
        file.truncate(size)
        for span in spans:
            for each in cut([span]):
                file.seek(each.offset)
                file.write(rng.randbytes(each.length))
    key = Ed25519PrivateKey.generate()
    sample = Sample(path, size, tuple(cut(spans)), manifest.public_hex(key))
    _pack(sample, key)
    return sample


def _pack(sample: Sample, key: Ed25519PrivateKey) -> None:
    """Container, map, signed manifest. Without a signature a writer writes beside the map whatever the
    image's file systems use; this image has none, so that it would write all of it."""
    name = sample.path.stem
    facts, blocks = container.pack_mapped(sample.path, sample.container, sample.spans, report=Recorder())
    raw = bmap.dumps(blocks)
    sample.map.write_bytes(raw)
    page = manifest.Manifest(
        name=name,
        builder="benchmarks.card_write",
        recipe_sha256=hashlib.sha256(b"").hexdigest(),
        image=manifest.ImagePart(
            size=facts.image_size, sha256=facts.image_sha256, mapped_bytes=blocks.mapped_bytes
        ),
        container=manifest.ContainerPart(
            name=sample.container.name, size=facts.size, sha256=facts.sha256, root=facts.root
        ),
        bmap=manifest.FilePart(name=sample.map.name, size=len(raw), sha256=hashlib.sha256(raw).hexdigest()),
        contents=(),
        signing_key=sample.key,
    )
    signed = manifest.dumps(page)
    sample.path.with_name(name + MANIFEST_SUFFIX).write_bytes(signed)
    sample.path.with_name(name + SIGNATURE_SUFFIX).write_bytes(manifest.sign(signed, key))


@contextmanager
def held_to(node: str, speed: tuple[int, int]) -> Iterator[None]:
    """The device writes and reads at so many MB/s, as this kernel's block layer measures them."""
    number = Path(node).stat().st_rdev
    name = f"{os.major(number)}:{os.minor(number)}"
    files = [THROTTLE / f"blkio.throttle.{verb}_bps_device" for verb in ("write", "read")]
    try:
        for file, rate in zip(files, speed, strict=True):
            file.write_text(f"{name} {rate * MB}\n")
        yield
    finally:
        for file in files:
            file.write_text(f"{name} 0\n")


def make_used(node: str) -> None:
    """Old bytes where a table, a boot sector or a stamp of ours may lie: nobody may skip what is there."""
    size = os.open(node, os.O_RDONLY)
    end = os.lseek(size, 0, os.SEEK_END)
    os.close(size)
    with open(node, "r+b", buffering=0) as device:
        for start in (0, end - 2 * CELL):
            device.seek(start)
            device.write(b"\xa5" * 2 * CELL)
        os.fsync(device.fileno())
    run("blockdev", "--flushbufs", node)


def run(*words: str | Path) -> str:
    done = subprocess.run(list(map(str, words)), check=False, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def timed(work: Callable[Given, object], *given: Given.args, **named: Given.kwargs) -> float:
    """Seconds that it takes."""
    begin = time.perf_counter()
    work(*given, **named)
    return time.perf_counter() - begin


def fill(path: Path, size: int) -> None:
    """A used card: its blocks are there, as a real card's are."""
    with path.open("wb") as file:
        for _ in range(size // CELL):
            file.write(b"\xa5" * CELL)
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def can_hold() -> bool:
    return (THROTTLE / "blkio.throttle.write_bps_device").exists()
