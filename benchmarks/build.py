"""How long an image takes, beside the ways it could be made otherwise: `python -m benchmarks.build`.

A payload of large files and 20,000 small ones is brought into an ext4 inside an image by our filler, by a
loop mount (root), by `mke2fs -d` and by `cp -r`, all in one run, interleaved; the limit is one sequential
direct write of as many bytes. All start alike: the payload in the page cache, nothing waiting for the disk.
`--small` is a quick check of the benchmark itself.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import mmap
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from statistics import median

import zstandard

from benchmarks.rig import cpu_seconds, keep, peak_rss_mib
from workers.creator.base import copy_sparse
from workers.creator.demo_base import DATA, make_demo_base
from workers.creator.disk import check_disk
from workers.creator.epoch import EPOCH
from workers.imaging import container, table
from workers.imaging.allocation import mapped_ranges
from workers.imaging.container.pack import LEVEL
from workers.imaging.ext4_fill import Ext4Fill, Owner, PlacedFile
from workers.imaging.ext4_sizes import Load, inodes_for, smallest_size
from workers.imaging.ext4_tools import Ext4Identity, check_ext4, find_program, make_ext4
from workers.report import Recorder

MIB = 1 << 20
READERS = 2  # files that are brought at a time
ROOM = 6  # times the payload: what the bench takes on the disk at most
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


def new_image(path: Path, base: Path, files: list[tuple[str, Path, int]]) -> None:
    """An empty ext4 that has room, after a base's other partitions."""
    load = Load.of((name, size) for name, _, size in files).with_room(10)
    size = smallest_size(load)
    with path.open("wb") as file:
        file.truncate(DATA.start + size)
    copy_sparse(base, path, DATA.start, Recorder())
    table.resize(path, 3, size)
    make_ext4(path, DATA.start, size, IDENTITY, now=EPOCH, inodes=inodes_for(size, load))


def fill(image: Path, files: list[tuple[str, Path, int]], *, hashing: bool) -> None:
    """As a build does it: places in a fixed order, the content of large files from threads of their own."""
    with ThreadPoolExecutor(READERS) as pool, Ext4Fill(image, DATA.start, now=EPOCH) as new:
        waiting = []
        for name, source, size in files:
            placed = new.create(name, size, FILE, folders=FOLDER)
            if size > MIB:
                waiting.append(pool.submit(bring, placed, source, hashing=hashing))
            else:
                bring(placed, source, hashing=hashing)
        for each in waiting:
            each.result()


def bring(placed: PlacedFile, source: Path, *, hashing: bool) -> None:
    fd = os.open(source, os.O_RDONLY)
    try:
        digest = hashlib.sha256() if hashing else None
        placed.copy_from(fd, sees=digest.update if digest else None, tell=lambda _: None)
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


def loop_mount(image: Path, payload: Path, size: int, inodes: int) -> None:
    with image.open("wb") as file:
        file.truncate(size)
    run(find_program("mke2fs"), "-q", "-F", "-t", "ext4", "-N", str(inodes), str(image))
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


def mke2fs_d(image: Path, payload: Path, size: int, inodes: int) -> None:
    options = ["-q", "-F", "-t", "ext4", "-N", str(inodes), "-d", str(payload)]
    options += [str(image), f"{size // 1024}k"]
    run(find_program("mke2fs"), *options)
    sync(image)


def sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def copied(payload: Path, out: Path) -> None:
    subprocess.run(["cp", "-r", str(payload), str(out)], check=True)
    subprocess.run(["sync", "-f", str(out)], check=True)


def settle(payload: Path) -> None:
    """The same start for all: nothing waits for the disk, and the payload is in the page cache."""
    os.sync()
    reading = ["find", str(payload), "-type", "f", "-exec", "cat", "{}", "+"]
    subprocess.run(reading, check=True, stdout=subprocess.DEVNULL)


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


def memory(payload: Path, base: Path, image: Path, copies: int) -> float:
    """Peak MiB of a process that fills an image with the payload, `copies` times from the same sources."""
    shown = run(sys.executable, "-m", "benchmarks.build", "--fill", *map(str, (payload, base, image, copies)))
    image.unlink()
    return round(float(shown), 1)


def bench(folder: Path, size: int, small: int, rounds: int) -> dict[str, object]:
    payload, base, out = folder / "payload", folder / "base", folder / "out"
    payload.mkdir()
    make_demo_base(base)
    make_payload(payload, size, small)
    files = files_of(payload)
    total = sum(length for _, _, length in files)
    load = Load.of((name, length) for name, _, length in files).with_room(10)
    given = (payload, room := smallest_size(load), inodes_for(room, load))
    seconds: dict[str, list[float]] = {}
    spent: dict[str, list[float]] = {}

    def once(name: str, work: Callable[[], object], *, after: Callable[[], object] = lambda: None) -> None:
        settle(payload)
        before = cpu_seconds()
        seconds.setdefault(name, []).append(timed(work))
        spent.setdefault(name, []).append(cpu_seconds() - before)
        after()
        shutil.rmtree(out) if out.is_dir() else out.unlink()

    def whole() -> None:
        new_image(out, base, files)
        fill(out, files, hashing=True)
        check_ext4(out, DATA.start)

    extra: list[float] = []
    for _ in range(rounds):
        once("direct", lambda: write_directly(out, total))
        new_image(out, base, files)
        once("fill", lambda: fill(out, files, hashing=False))
        once("cp", lambda: copied(payload, out))
        once("build", whole, after=lambda: extra.append(out.stat().st_blocks * 512 / total - 1))
        once("mke2fs", lambda: mke2fs_d(out, *given))
        if os.geteuid() == 0:
            once("loop_mount", lambda: loop_mount(out, *given))
    new_image(out, base, files)
    fill(out, files, hashing=False)
    packs = [packing(out, folder / "packed") for _ in range(rounds)]
    (folder / "packed").unlink()
    out.unlink()

    def ratio(one: str, other: str) -> float | None:
        """The median of what the pairs of each round give."""
        pairs = zip(seconds[one], seconds.get(other, ()), strict=False)
        return median([a / b for a, b in pairs]) if other in seconds else None

    ratios = {
        "fill_ratio": ratio("fill", "direct"),
        "loop_mount_ratio": ratio("build", "loop_mount"),
        "mke2fs_ratio": ratio("build", "mke2fs"),
        "cp_ratio": ratio("build", "cp"),
        "pack_ratio": median(packed / least for packed, least in packs),
        "extra_disk_percent": max(extra) * 100,
    }
    return {
        **{name: value if value is None else round(value, 3) for name, value in ratios.items()},
        "peak_rss_mib": {
            "3gib": memory(payload, base, out, 1),
            "12gib": memory(payload, base, out, 4),
        },
        "payload": {"bytes": total, "files": len(files)},
        "seconds": {name: [round(each, 2) for each in values] for name, values in seconds.items()},
        "cpu_seconds": {name: round(median(values), 2) for name, values in spent.items()},
        "pack_seconds": {
            "pack": [round(packed, 2) for packed, _ in packs],
            "read_and_slower_of_hash_and_compress": [round(least, 2) for _, least in packs],
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.build", description=__doc__)
    parser.add_argument("--small", action="store_true", help="200 MiB: does it run at all?")
    parser.add_argument("--mib", type=int, default=3072, help="size of the payload")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where six times the payload are free (20 GB)")
    parser.add_argument("--fill", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fill:
        payload, base, image = map(Path, options.fill[:3])
        files = files_of(payload, int(options.fill[3]))
        new_image(image, base, files)
        fill(image, files, hashing=True)
        print(peak_rss_mib())
        return
    mib = 200 if options.small else options.mib
    size, small = mib * MIB, 20_000 * mib // 3072
    folder = Path(tempfile.mkdtemp(prefix="imager-bench-", dir=options.folder))
    try:
        check_disk(folder, ROOM * size)
        figures = bench(folder, size, small, options.rounds)
    finally:
        shutil.rmtree(folder)
    if mib != 3072:
        print(json.dumps(figures, indent=2))
    else:
        keep("build", figures)


if __name__ == "__main__":
    main()
