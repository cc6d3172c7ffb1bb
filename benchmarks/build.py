"""How long an image takes, beside the ways it could be made otherwise: `python -m benchmarks.build`.

A payload of large files and 20,000 small ones is brought into an ext4 inside an image by our filler, by a
loop mount (root), by `mke2fs -d` and by `cp -r`, all in one run, interleaved; the limit is one sequential
direct write of as many bytes. `--small` is a quick check of the benchmark itself.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import mmap
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import median

import zstandard

from benchmarks.rig import keep
from workers.creator.base import copy_sparse
from workers.creator.demo_base import DATA, make_demo_base
from workers.creator.epoch import EPOCH
from workers.imaging import container, table
from workers.imaging.allocation import mapped_ranges
from workers.imaging.container.pack import LEVEL
from workers.imaging.ext4_fill import Ext4Fill, Owner
from workers.imaging.ext4_sizes import Load, inodes_for, smallest_size
from workers.imaging.ext4_tools import Ext4Identity, check_ext4, find_program, make_ext4
from workers.report import Recorder

MIB = 1 << 20
FILE, FOLDER = Owner(EPOCH), Owner(EPOCH, mode=0o755)
IDENTITY = Ext4Identity("data", bytes(range(16)), bytes(range(16, 32)))


def make_payload(folder: Path, size: int, small: int) -> None:
    """`small` files of 1 to 63 kB, and four large ones that bring it to `size` bytes."""
    rng = Random(1)
    for number in range(small):
        place = folder / f"small/{number % 100:02}"
        place.mkdir(parents=True, exist_ok=True)
        data = rng.randbytes(rng.randrange(1000, 63_000))
        (place / f"{number:05}.html").write_bytes(data)
        size -= len(data)
    for number in range(4):
        with (folder / f"large{number}.zim").open("wb") as file:
            for _ in range(size // 4 // MIB):
                file.write(os.urandom(MIB))


def files_of(folder: Path, copies: int = 1) -> list[tuple[str, Path, int]]:
    """Path in the image, source and bytes of each file, sorted; several times for a larger image."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        (f"/{copy}/{path.relative_to(folder)}", path, path.stat().st_size)
        for copy in range(copies)
        for path in found
    ]


def new_image(path: Path, files: list[tuple[str, Path, int]]) -> None:
    """An empty ext4 that has room, after a demo base's other partitions."""
    load = Load.of((name, size) for name, _, size in files).with_room(10)
    size = smallest_size(load)
    base = path.with_suffix(".base")
    make_demo_base(base)
    with path.open("wb") as file:
        file.truncate(DATA.start + size)
    copy_sparse(base, path, DATA.start, Recorder())
    base.unlink()
    table.resize(path, 3, size)
    make_ext4(path, DATA.start, size, IDENTITY, now=EPOCH, inodes=inodes_for(size, load))


def fill(image: Path, files: list[tuple[str, Path, int]], *, hashing: bool) -> None:
    with Ext4Fill(image, DATA.start, now=EPOCH) as new:
        for name, source, size in files:
            placed = new.create(name, size, FILE, folders=FOLDER)
            fd = os.open(source, os.O_RDONLY)
            try:
                digest = hashlib.sha256()
                placed.copy_from(fd, sees=digest.update if hashing else None, tell=lambda _: None)
                digest.hexdigest()
            finally:
                os.close(fd)


def write_directly(out: Path, size: int) -> None:
    """The limit: one file, in order, past the page cache."""
    buffer = mmap.mmap(-1, 4 * MIB)
    buffer.write(os.urandom(4 * MIB))
    fd = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_DIRECT)
    for _ in range(-(-size // (4 * MIB))):
        os.write(fd, buffer)
    os.fsync(fd)
    os.close(fd)


def run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def loop_mount(image: Path, payload: Path, size: int) -> None:
    with image.open("wb") as file:
        file.truncate(size)
    run(find_program("mke2fs"), "-q", "-F", "-t", "ext4", "-N", "40000", str(image))
    device = run("losetup", "-f", "--show", "--direct-io=on", str(image))
    mount = image.with_suffix(".mount")
    mount.mkdir()
    try:
        run("mount", device, str(mount))
        try:
            run("cp", "-r", str(payload), str(mount))
        finally:
            run("umount", str(mount))
    finally:
        run("losetup", "-d", device)
        mount.rmdir()
    sync(image)


def mke2fs_d(image: Path, payload: Path, size: int) -> None:
    options = ["-q", "-F", "-t", "ext4", "-N", "40000", "-d", str(payload), str(image), f"{size // 1024}k"]
    run(find_program("mke2fs"), *options)
    sync(image)


def sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def copied(payload: Path, out: Path) -> None:
    subprocess.run(["cp", "-r", str(payload), str(out)], check=True)
    subprocess.run(["sync", "-f", str(out)], check=True)


def timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def packing(image: Path, out: Path) -> tuple[float, float]:
    """Container, block map and digests; and reading once plus the slower of hashing and compressing."""
    sizes = range(0, image.stat().st_size, 4 * MIB)
    hashing = compressing = reading = 0.0
    digest, packer = hashlib.sha256(), zstandard.ZstdCompressor(level=LEVEL)
    with image.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        for _ in sizes:
            begin = time.perf_counter()
            data = file.read(4 * MIB)
            read = time.perf_counter()
            digest.update(data)
            hashed = time.perf_counter()
            packer.compress(data)
            reading, hashing = reading + read - begin, hashing + hashed - read
            compressing += time.perf_counter() - hashed
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    packed = timed(lambda: container.pack_mapped(image, out, mapped_ranges(image)))
    return packed, reading + max(hashing, compressing)


def memory(payload: Path, image: Path, copies: int) -> float:
    """Peak MiB of a process that makes the image of `copies` times the payload."""
    command = [sys.executable, "-m", "benchmarks.build", "--fill", str(payload), str(image), str(copies)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    image.unlink()
    return round(float(done.stdout), 1)


def bench(folder: Path, size: int, small: int, rounds: int) -> dict[str, object]:
    payload, out = folder / "payload", folder / "out"
    payload.mkdir()
    make_payload(payload, size, small)
    files = files_of(payload)
    total = sum(length for _, _, length in files)
    room = smallest_size(Load.of((name, length) for name, _, length in files).with_room(10))
    seconds: dict[str, list[float]] = {}

    def once(name: str, work: Callable[[], object], *, after: Callable[[], object] = lambda: None) -> None:
        seconds.setdefault(name, []).append(timed(work))
        after()
        shutil.rmtree(out) if out.is_dir() else out.unlink()

    def whole() -> None:
        new_image(out, files)
        fill(out, files, hashing=True)
        check_ext4(out, DATA.start)

    extra: list[float] = []
    for _ in range(rounds):
        once("direct", lambda: write_directly(out, total))
        new_image(out, files)
        once("fill", lambda: fill(out, files, hashing=False))
        once("cp", lambda: copied(payload, out))
        once("build", whole, after=lambda: extra.append(out.stat().st_blocks * 512 / total - 1))
        once("mke2fs", lambda: mke2fs_d(out, payload, room))
        if os.geteuid() == 0:
            once("loop_mount", lambda: loop_mount(out, payload, room))
    new_image(out, files)
    fill(out, files, hashing=False)
    packed, least = packing(out, folder / "packed")
    (folder / "packed").unlink()
    out.unlink()
    middle = {name: median(values) for name, values in seconds.items()}
    ratios = {
        "fill_ratio": middle["fill"] / middle["direct"],
        "loop_mount_ratio": middle["build"] / middle["loop_mount"] if "loop_mount" in middle else None,
        "mke2fs_ratio": middle["build"] / middle["mke2fs"],
        "cp_ratio": middle["build"] / middle["cp"],
        "pack_ratio": packed / least,
        "extra_disk_percent": max(extra) * 100,
    }
    return {
        **{name: value if value is None else round(value, 3) for name, value in ratios.items()},
        "peak_rss_mib": {"3gib": memory(payload, out, 1), "12gib": memory(payload, out, 4)},
        "payload": {"bytes": total, "files": len(files)},
        "seconds": {name: [round(each, 2) for each in values] for name, values in seconds.items()},
        "pack_seconds": {"pack": round(packed, 2), "read_and_slower_of_hash_and_compress": round(least, 2)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.build", description=__doc__)
    parser.add_argument("--small", action="store_true", help="200 MiB: does it run at all?")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where 40 GB are free")
    parser.add_argument("--fill", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fill:
        payload, image, copies = Path(options.fill[0]), Path(options.fill[1]), int(options.fill[2])
        files = files_of(payload, copies)
        new_image(image, files)
        fill(image, files, hashing=True)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    folder = Path(tempfile.mkdtemp(prefix="imager-bench-", dir=options.folder))
    try:
        size, small = (200 * MIB, 2000) if options.small else (3072 * MIB, 20_000)
        figures = bench(folder, size, small, options.rounds)
    finally:
        shutil.rmtree(folder)
    if options.small:
        print(json.dumps(figures, indent=2))
    else:
        keep("build", figures)


if __name__ == "__main__":
    main()
