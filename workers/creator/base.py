"""The base image of a build: found, unpacked once, and copied without its holes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.creator import recipe
from workers.creator.cache.proof import digest_of
from workers.creator.disk import check_disk
from workers.creator.fetch import Fetcher
from workers.creator.inputs import Fetched, Input, Kept, What
from workers.creator.unpack import SparseFile, Unpacker, is_packed
from workers.errors import JobError
from workers.imaging import mbr, table
from workers.imaging.manifest import public_source
from workers.imaging.sparse import data_ranges
from workers.report import Report

Keep = Callable[[Input, Callable[[Path], Fetched]], Kept | None]
_STEP: Final = 64 << 20
_NO_CLONE: Final = {errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS}


@dataclass(frozen=True)
class BaseImage:
    """A base image at hand: raw, readable, with its data partition last."""

    path: Path
    size: int
    root: mbr.Partition
    boot: mbr.Partition
    data: mbr.Partition
    tail: int = 0  # bytes behind the data partition that belong to the partition table
    largest: int | None = None  # the most bytes that this table lets the data partition have


class _Nowhere:
    """A sink for bytes that only need to be hashed."""

    def write(self, data: bytes | memoryview, /) -> None:
        """Nothing to keep."""

    def rewind(self) -> None:
        """Nothing to forget."""


def get_base(
    wanted: recipe.Base,
    work: Path,
    fetcher: Fetcher,
    *,
    limit: int,
    keep: Keep | None = None,
    size: int | None = None,
) -> BaseImage:
    """The base image as a raw file: itself where it is one, else unpacked, into `work` or by `keep`.

    `size`: bytes to fetch, if known; unpacked it is hardly ever less. HostError `disk_full` before they are
    fetched; JobError `base_missing`, `bad_base`, `checksum_mismatch`, `too_large`.
    """
    source = wanted.location
    try:
        local = fetcher.local_path(source)
        if local is None or not local.is_file() or is_packed(local):
            return inspect_base(_unpacked(wanted, work, fetcher, limit, keep, size or 0), source)
        if wanted.expected:
            fetcher.fetch(source, _Nowhere(), checksum=wanted.expected)
        return inspect_base(local, source)
    except JobError as error:
        if error.code == "not_found":
            raise _missing(source) from error
        raise


def base_size(wanted: recipe.Base, fetcher: Fetcher) -> int | None:
    """Bytes to fetch, if the server tells; JobError `base_missing` if there is nothing."""
    try:
        return fetcher.size(wanted.location)
    except JobError as error:
        if error.code == "not_found":
            raise _missing(wanted.location) from error
        raise


def inspect_base(path: Path, source: str) -> BaseImage:
    """The partitions that a build needs: 1 (FAT, boot), 2 (root) and 3 (data, the last of all)."""
    name = public_source(source)
    try:
        found = {each.number: each for each in table.read(path)}
    except JobError as error:
        if error.code != "hybrid_table":
            raise
        raise JobError("bad_base", f"{name}: {error.message}") from error
    if not {1, 2, 3} <= found.keys():
        raise JobError(
            "bad_base", f"{name} has the partitions {sorted(found)}; it needs 1 (boot), 2 (root), 3 (data)"
        )
    if found[3].start < max(each.end for number, each in found.items() if number != 3):
        raise JobError("bad_base", f"in {name} partition 3 (data) is not the last one, so it cannot grow")
    return BaseImage(
        path,
        path.stat().st_size,
        boot=found[1],
        root=found[2],
        data=found[3],
        tail=table.tail(path),
        largest=table.largest(path),
    )


def copy_sparse(source: Path, target: Path, length: int, report: Report) -> None:
    """The first `length` bytes into the existing file `target`: holes stay holes, clones where possible."""
    with source.open("rb") as reading, target.open("r+b") as writing:
        for each in data_ranges(reading.fileno(), length):
            at = each.offset
            while at < each.end:
                report.check()
                at += _copy(reading.fileno(), writing.fileno(), at, min(_STEP, each.end - at))
                report.progress(at)


def _copy(source: int, target: int, at: int, count: int) -> int:
    try:
        done = os.copy_file_range(source, target, count, at, at)
    except OSError as error:
        if error.errno not in _NO_CLONE:
            raise
        done = os.pwrite(target, os.pread(source, min(count, 1 << 20), at), at)
    if not done:
        raise JobError(
            "bad_base", f"the base image ended at byte {at} while it was copied; do not change it meanwhile"
        )
    return done


def _unpacked(
    wanted: recipe.Base, work: Path, fetcher: Fetcher, limit: int, keep: Keep | None, least: int
) -> Path:
    source, checksum = wanted.location, fetcher.resolve(wanted.expected)

    def fetch(path: Path) -> Fetched:
        _unpack(source, checksum, path, fetcher, limit)
        return Fetched(path.stat().st_size, digest_of(path, "sha-256", fetcher.check))

    if keep is not None:
        kept = keep(Input(What.BASE, source, checksum, fetcher.look(source)), fetch)
        if kept is not None:
            return kept.path
    check_disk(work, least)
    return _unpack(source, checksum, work / "base.img", fetcher, limit)


def _unpack(source: str, checksum: recipe.Checksum | None, out: Path, fetcher: Fetcher, limit: int) -> Path:
    file = SparseFile(out, limit=limit)
    try:
        unpacker = Unpacker(file, public_source(source), fetcher.check)
        fetcher.fetch(source, unpacker, checksum=checksum)
        unpacker.finish()
    finally:
        file.close()
    return out


def _missing(source: str) -> JobError:
    return JobError("base_missing", f"there is no base image {public_source(source)}; correct base.source")
