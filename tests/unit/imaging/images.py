"""Small images for the tests of formats: sparse files, partitions, real file systems."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from workers.imaging import mbr

MIB = 1024 * 1024


def tool(name: str) -> str:
    """The program's path; skips the test where it is not installed."""
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin:/sbin"
    found = shutil.which(name, path=path)
    if not found:
        pytest.skip(f"{name} is not installed here")
    return found


def run(name: str, *arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [tool(name), *map(str, arguments)], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    return done


def sparse(path: Path, size: int, pieces: dict[int, bytes] | None = None) -> Path:
    """A file of `size` bytes, holes but for the pieces at their offsets."""
    with path.open("wb") as file:
        file.truncate(size)
        for offset, data in (pieces or {}).items():
            file.seek(offset)
            file.write(data)
    return path


def partitioned(path: Path, size: int, *spans: tuple[int, int, int]) -> Path:
    """A sparse image with partitions `(kind, start, length)`."""
    table = mbr.new_table([mbr.Partition(number, *span) for number, span in enumerate(spans, 1)], 0x12345678)
    return sparse(path, size, {0: table})


def make_ext(image: Path, start: int, length: int, *options: str) -> None:
    """An ext file system inside an image, by e2fsprogs. Options may end with `-E` and more of these."""
    extended = f"offset={start}"
    if options[-2:-1] == ("-E",):
        extended, options = f"{extended},{options[-1]}", options[:-2]
    run("mke2fs", "-q", "-F", "-E", extended, *options, image, f"{length // 1024}k")


def used_blocks(image: Path, start: int) -> tuple[int, set[int]]:
    """Block size and the set of blocks in use, as dumpe2fs tells."""
    lines = run("dumpe2fs", f"{image}?offset={start}").stdout.splitlines()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    block, blocks = int(facts["Block size"]), int(facts["Block count"])
    used = set(range(blocks))
    for line in lines:
        if line.startswith("  Free blocks:"):
            for span in filter(None, line.split(":")[1].replace(" ", "").split(",")):
                first, _, last = span.partition("-")
                used -= set(range(int(first), int(last or first) + 1))
    return block, used
