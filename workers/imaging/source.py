"""What a card is written from: an image with its ranges, every byte proved before it is handed out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from workers.contract import BMAP_SUFFIX, IMAGE_SUFFIX, MANIFEST_SUFFIX
from workers.errors import JobError
from workers.imaging import manifest as manifests
from workers.imaging.allocation import mapped_ranges, ranges_of
from workers.imaging.bmap import Bmap, hashed, loads
from workers.imaging.container import FRAME, Reader
from workers.imaging.manifest import Manifest
from workers.imaging.ranges import GRID, Range, cut, subtract

_PLAIN_SUFFIX: Final = ".img"


class Source(Protocol):
    """An image to write. For one thread at a time; read ascending and each frame is decompressed once."""

    @property
    def image_size(self) -> int: ...

    @property
    def ranges(self) -> Sequence[Range]:
        """What must be on the card: ascending, at most 4 MiB each, none across a multiple of 4 MiB."""
        ...

    @property
    def manifest(self) -> Manifest | None:
        """The manifest that the digests were checked against, if there is one."""
        ...

    @property
    def signed(self) -> bool:
        """Whether the manifest's signature was checked with a key that the caller trusts."""
        ...

    def read(self, wanted: Range) -> bytes | memoryview:
        """The range's bytes; JobError `bad_image` if they do not have their digest."""
        ...

    def read_into(self, wanted: Range, buffer: memoryview) -> None:
        """The same into a buffer of the range's length."""
        ...

    def finish(self) -> None:
        """Return once all of the image is here and proved; its beginning is written only then."""
        ...

    def close(self) -> None: ...


def open_arriving(path: Path, *, signing_key: str, check: Callable[[], None]) -> Source:
    """`NAME.img.zst` of which only the papers are here, all three beside it, signed by that key.

    `check` is called while the source waits for more; it raises when there is no more use in waiting.
    """
    from workers.imaging.growing import GrowingSource  # it builds on this module

    stem = _stem(path)
    papers = _papers(
        path.with_name(stem + BMAP_SUFFIX), None, path.with_name(stem + MANIFEST_SUFFIX), signing_key
    )
    if papers.bmap is None or papers.manifest is None:
        raise AssertionError("signed papers are complete")
    papers.check_size(papers.bmap.image_size)
    return GrowingSource(path, papers.bmap, papers.manifest, check)


def open_source(
    path: Path, *, bmap: Path | None = None, manifest: Path | None = None, signing_key: str | None = None
) -> Source:
    """Open `NAME.img.zst` (our container) or `NAME.img` for writing.

    Map and manifest are looked for beside the image unless given. Where there is a manifest, all
    digests are checked against it; with `signing_key` (the trusted public key, hex) there must be one,
    signed by that key. Without a map the ranges come from the image's own file systems.
    JobError: `image_missing`, `not_an_image`, `bad_image`, `bad_bmap`, `bad_manifest`, `bad_signature` …
    """
    stem = _stem(path)
    papers = _papers(
        bmap or _beside(path, stem + BMAP_SUFFIX),
        manifest or _beside(path, stem + MANIFEST_SUFFIX),
        path.with_name(stem + MANIFEST_SUFFIX),
        signing_key,
    )
    if path.name.endswith(IMAGE_SUFFIX):
        return _ContainerSource(path, papers)
    return _PlainSource(path, papers)


def open_papers(path: Path, *, signing_key: str | None = None) -> Papers:
    """What is known of an image that is not here: `NAME.img.bmap`, or `NAME.manifest.json` and that map.

    A manifest beside the map counts, too; with `signing_key` there must be one, signed by that key.
    """
    suffix = MANIFEST_SUFFIX if path.name.endswith(MANIFEST_SUFFIX) else BMAP_SUFFIX
    stem = path.name.removesuffix(suffix)
    manifest = path.with_name(stem + MANIFEST_SUFFIX)
    wanted = manifest if suffix == MANIFEST_SUFFIX or manifest.exists() else None
    return _papers(path.with_name(stem + BMAP_SUFFIX), wanted, manifest, signing_key)


@dataclass(frozen=True, slots=True)
class Papers:
    """What came with the image."""

    bmap: Bmap | None
    manifest: Manifest | None
    signed: bool

    def check_size(self, size: int) -> None:
        """The image must have the size that its papers name."""
        for what, named in (
            ("block map", self.bmap and self.bmap.image_size),
            ("manifest", self.manifest and self.manifest.image.size),
        ):
            if named is not None and named != size:
                raise JobError(
                    "wrong_image",
                    f"The image has {size} bytes but its {what} is for one of {named} bytes; "
                    "fetch all files of one image.",
                )


def _stem(path: Path) -> str:
    for suffix in (IMAGE_SUFFIX, _PLAIN_SUFFIX):
        if path.name.endswith(suffix) and path.name != suffix:
            return path.name.removesuffix(suffix)
    raise JobError(
        "not_an_image",
        f"{path.name} is neither NAME{IMAGE_SUFFIX} nor NAME{_PLAIN_SUFFIX}; give one of these.",
    )


def _beside(path: Path, name: str) -> Path | None:
    found = path.with_name(name)
    return found if found.exists() else None


def _papers(bmap: Path | None, manifest: Path | None, expected: Path, signing_key: str | None) -> Papers:
    proved = None
    if signing_key is not None:
        proved = manifests.verify_file(manifest or expected, signing_key)
    elif manifest:
        proved = manifests.load(manifest)
    if bmap is None:
        if proved:
            raise JobError(
                "bmap_missing", f"{proved.bmap.name} is missing; fetch all four files of the image."
            )
        return Papers(None, None, False)
    try:
        data = bmap.read_bytes()
    except FileNotFoundError as error:
        raise JobError("bmap_missing", f"There is no block map {bmap}; check the name.") from error
    if proved and hashlib.sha256(data).hexdigest() != proved.bmap.sha256:
        raise JobError(
            "wrong_bmap",
            f"{bmap.name} is not the block map that the manifest names; fetch all files of one image.",
        )
    return Papers(loads(data), proved, signing_key is not None)


class _ContainerSource:
    """Ranges out of the container's frames."""

    def __init__(self, path: Path, papers: Papers) -> None:
        self._reader = Reader(path)
        try:
            self._check(papers)
            self.ranges = _complete(papers, self._used)
        except BaseException:
            self.close()
            raise
        self.image_size = self._reader.size
        self.manifest = papers.manifest
        self.signed = papers.signed

    def _check(self, papers: Papers) -> None:
        papers.check_size(self._reader.size)
        if papers.manifest and papers.manifest.container.root != self._reader.root:
            raise JobError(
                "wrong_image",
                f"{self._reader.path.name} is not the container that the manifest names; "
                "fetch all files of one image.",
            )

    def _used(self) -> list[Range]:
        reader = self._reader
        data = [Range(each.offset, each.length) for each in reader.frames if not each.zero]
        return ranges_of(reader.pread, reader.size, data)

    def read(self, wanted: Range) -> memoryview:
        number, skip = divmod(wanted.offset, FRAME)
        data = self._reader.frame(number)
        frame = self._reader.frames[number]
        part = data[skip : skip + wanted.length]
        if len(part) != wanted.length:
            raise ValueError(f"{wanted} is not within one frame of the image")
        if len(part) != frame.length or wanted.sha256 != frame.sha256:
            prove(part, wanted, self._reader.path)
        return part

    def read_into(self, wanted: Range, buffer: memoryview) -> None:
        buffer[:] = self.read(wanted)

    def finish(self) -> None:
        """It is all here."""

    def close(self) -> None:
        self._reader.close()


class _PlainSource:
    """Ranges out of an uncompressed image."""

    def __init__(self, path: Path, papers: Papers) -> None:
        self._path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise JobError("image_missing", f"There is no image {path}; check the name.") from error
        try:
            self.image_size = os.fstat(self._fd).st_size
            papers.check_size(self.image_size)
            if papers.bmap:
                self._prove_long(papers.bmap)
            self.ranges = _complete(papers, lambda: mapped_ranges(path))
        except BaseException:
            self.close()
            raise
        self.manifest = papers.manifest
        self.signed = papers.signed

    def _prove_long(self, bmap: Bmap) -> None:
        """Prove now the ranges whose digest is lost when they are cut."""
        for each in bmap.ranges:
            if not _within_grid(each) and hashed(self._fd, each) != each:
                raise _wrong(each, self._path)

    def read(self, wanted: Range) -> memoryview:
        data = bytearray(wanted.length)
        self.read_into(wanted, memoryview(data))
        return memoryview(data)

    def read_into(self, wanted: Range, buffer: memoryview) -> None:
        if os.preadv(self._fd, [buffer], wanted.offset) != wanted.length:
            raise JobError("bad_image", f"{self._path.name} ends before byte {wanted.end}; fetch it again.")
        prove(buffer, wanted, self._path)

    def finish(self) -> None:
        """It is all here."""

    def close(self) -> None:
        os.close(self._fd)


def _complete(papers: Papers, used: Callable[[], list[Range]]) -> list[Range]:
    """The map's ranges, and what the file systems use beside them.

    A foreign map made from a file's holes lacks blocks that are in use and hold zeros. A signed
    map is complete, and nothing may be added to it.
    """
    if papers.bmap is None:
        return used()
    mapped = list(cut(papers.bmap.ranges))
    if papers.signed:
        return mapped
    return sorted([*mapped, *cut(subtract(used(), mapped))], key=lambda each: each.offset)


def _within_grid(each: Range) -> bool:
    return each.offset // GRID == (each.end - 1) // GRID


def prove(data: bytes | memoryview, wanted: Range, path: Path) -> None:
    """JobError `bad_image` unless the bytes have the range's digest."""
    if wanted.sha256 is not None and hashlib.sha256(data).hexdigest() != wanted.sha256:
        raise _wrong(wanted, path)


def _wrong(wanted: Range, path: Path) -> JobError:
    return JobError(
        "bad_image",
        f"{path.name} does not match its block map at byte {wanted.offset} ({wanted.length} bytes); "
        "fetch or build it again.",
    )
