"""Does an image hold what its papers say? Each part gets a verdict; one wrong part does not hide the next."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from workers.contract import (
    BMAP_SUFFIX,
    IMAGE_SUFFIX,
    MANIFEST_SUFFIX,
    SIGNATURE_SUFFIX,
    TORRENT_SUFFIX,
    Step,
)
from workers.errors import JobError
from workers.imaging import bmap, manifest, torrent
from workers.imaging.container import Frame, StreamChecker
from workers.imaging.ranges import Range
from workers.report import Report

PLAIN_SUFFIX: Final = ".img"
_SUFFIXES: Final = (
    SIGNATURE_SUFFIX,
    MANIFEST_SUFFIX,
    TORRENT_SUFFIX,
    IMAGE_SUFFIX,
    BMAP_SUFFIX,
    PLAIN_SUFFIX,
)
_PIECE: Final = 1024 * 1024


class Flaw(StrEnum):
    """What is wrong with a part, the worst last."""

    MISSING = "missing"
    DAMAGED = "damaged"  # its bytes are not what was made
    FOREIGN = "foreign"  # whole, but of another image
    UNTRUSTED = "untrusted"  # nobody whom the caller trusts vouches for it


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on one part; `flaw` is None where it is good. The message is for people."""

    part: str
    flaw: Flaw | None
    message: str


def stem_of(path: Path) -> str:
    """NAME of any file of an image; JobError `not_an_image`."""
    for suffix in _SUFFIXES:
        if path.name.endswith(suffix) and path.name != suffix:
            return path.name.removesuffix(suffix)
    raise JobError(
        "not_an_image", f"{path.name} is no file of an image; give one of NAME{', NAME'.join(_SUFFIXES)}."
    )


def examine(given: Path, *, trusted_key: str | None, report: Report) -> list[Finding]:
    """All verdicts on the image that `given` is a file of: its papers, and itself, packed or (`.img`) plain.

    Without `trusted_key` the signature is not looked at, and the manifest may be missing. OSError where a
    file cannot be read.
    """
    return _Examination(given.parent, stem_of(given), trusted_key, report).run(
        plain=given.name.endswith(PLAIN_SUFFIX)
    )


class RangeProver:
    """Is given an image's bytes in order and proves the ranges of a block map in them."""

    def __init__(self, ranges: Sequence[Range]) -> None:
        self._ranges = ranges
        self._next = 0
        self._hash = hashlib.sha256()
        self.wrong: Range | None = None

    def feed(self, offset: int, data: bytes | memoryview) -> None:
        """`data` lies at `offset`; the first range that does not hold is kept in `wrong`."""
        view = memoryview(data)
        while self._next < len(self._ranges) and self._ranges[self._next].offset < offset + len(view):
            each = self._ranges[self._next]
            self._hash.update(view[max(0, each.offset - offset) : each.end - offset])
            if each.end > offset + len(view):
                return
            if self._hash.hexdigest() != each.sha256:
                self.wrong = self.wrong or each
            self._hash = hashlib.sha256()
            self._next += 1


class _Examination:
    """One image, part by part. What was read of its papers serves the parts after them."""

    def __init__(self, folder: Path, stem: str, key: str | None, report: Report) -> None:
        self._folder, self._stem, self._key, self._report = folder, stem, key, report
        self._found: list[Finding] = []
        self._page: manifest.Manifest | None = None
        self._map: bmap.Bmap | None = None
        self._torrent: torrent.Torrent | None = None

    def run(self, *, plain: bool) -> list[Finding]:
        self._examine_manifest()
        self._examine_map()
        if plain:
            self._examine_plain()
        else:
            self._examine_container()
        return self._found

    def _say(self, part: str, flaw: Flaw | None, message: str) -> None:
        self._found.append(Finding(part, flaw, message))

    def _path(self, suffix: str) -> Path:
        return self._folder / (self._stem + suffix)

    def _read(self, part: str, suffix: str) -> bytes | None:
        path = self._path(suffix)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            self._say(part, Flaw.MISSING, f"{path.name} is missing; fetch all files of the image.")
            return None

    def _examine_manifest(self) -> None:
        if self._key is None and not self._path(MANIFEST_SUFFIX).exists():
            self._say("manifest", None, "There is none, so nothing is compared with it.")
            return
        data = self._read("manifest", MANIFEST_SUFFIX)
        if data is None:
            return
        try:
            page = manifest.loads(data)
        except JobError as error:
            self._say("manifest", Flaw.DAMAGED, error.message)
        else:
            if page.name == self._stem:
                self._page = page
                self._say("manifest", None, f"{len(page.contents)} content files, made by {page.builder}.")
            else:
                self._say(
                    "manifest", Flaw.FOREIGN, f"It is the manifest of {page.name}, not of {self._stem}."
                )
        self._examine_signature(data)

    def _examine_signature(self, data: bytes) -> None:
        if self._key is None:
            self._say("signature", None, "Not looked at, as asked: nobody vouches for this image.")
            return
        signature = self._read("signature", SIGNATURE_SUFFIX)
        if signature is None:
            return
        try:
            manifest.verify(data, signature, self._key)
        except JobError as error:
            self._say("signature", Flaw.UNTRUSTED, error.message)
        else:
            self._say("signature", None, f"The manifest is signed by {self._key.lower()}.")

    def _examine_map(self) -> None:
        data = self._read("block map", BMAP_SUFFIX)
        if data is None:
            return
        try:
            found = bmap.loads(data)
        except JobError as error:
            self._say("block map", Flaw.DAMAGED, error.message)
            return
        if self._page and hashlib.sha256(data).hexdigest() != self._page.bmap.sha256:
            self._say("block map", Flaw.FOREIGN, "It is whole, but not the one that the manifest names.")
            return
        self._map = found
        self._say("block map", None, f"{len(found.ranges)} ranges with {found.mapped_bytes} bytes.")

    def _examine_container(self) -> None:
        path = self._path(IMAGE_SUFFIX)
        pieces = self._examine_torrent()
        whole, prover = hashlib.sha256(), RangeProver(self._map.ranges if self._map else ())

        def take(frame: Frame, data: memoryview) -> None:
            whole.update(data)
            prover.feed(frame.offset, data)

        checker = StreamChecker(take)
        packed = hashlib.sha256()
        try:
            with path.open("rb") as file:
                self._report.step(Step.VERIFYING, os.fstat(file.fileno()).st_size)
                while data := file.read(_PIECE):
                    self._report.check()
                    packed.update(data)
                    if pieces:
                        pieces.update(data)
                    checker.feed(data)
                    self._report.progress(checker.verified)
                checker.finish()
        except FileNotFoundError:
            self._say("container", Flaw.MISSING, f"{path.name} is missing; fetch all files of the image.")
            return
        except JobError as error:
            self._say("container", Flaw.DAMAGED, error.message)
            return
        self._judge_container(checker, packed.hexdigest())
        self._judge_image(checker.image_bytes, whole.hexdigest(), prover)
        if pieces:
            self._judge_torrent(pieces.torrent(path.name))

    def _judge_container(self, checker: StreamChecker, packed: str) -> None:
        wanted = self._page and self._page.container
        facts = f"{checker.verified} bytes, root {checker.root}"
        if wanted and (checker.root, checker.verified, packed) != (wanted.root, wanted.size, wanted.sha256):
            text = f"It is whole, but not the one that the manifest names ({facts}; wanted {wanted.root})."
            self._say("container", Flaw.FOREIGN, text)
        else:
            self._say("container", None, f"Every frame has its digest: {facts}.")

    def _examine_plain(self) -> None:
        path = self._path(PLAIN_SUFFIX)
        whole, prover = hashlib.sha256(), RangeProver(self._map.ranges if self._map else ())
        offset = 0
        try:
            with path.open("rb") as file:
                self._report.step(Step.VERIFYING, os.fstat(file.fileno()).st_size)
                while data := file.read(_PIECE):
                    self._report.check()
                    whole.update(data)
                    prover.feed(offset, data)
                    offset += len(data)
                    self._report.progress(offset)
        except FileNotFoundError:
            self._say("image", Flaw.MISSING, f"{path.name} is missing; check the name.")
            return
        self._judge_image(offset, whole.hexdigest(), prover)

    def _judge_image(self, size: int, sha256: str, prover: RangeProver) -> None:
        """Size, mapped ranges, the whole: what is told is the first that does not hold."""
        for what, named in (
            ("manifest", self._page and self._page.image.size),
            ("block map", self._map and self._map.image_size),
        ):
            if named is not None and named != size:
                text = f"It has {size} bytes, its {what} is for one of {named}: it is cut or another."
                self._say("image", Flaw.DAMAGED, text)
                return
        if prover.wrong:
            text = (
                f"It differs from its block map in the {prover.wrong.length} bytes at {prover.wrong.offset}."
            )
            self._say("image", Flaw.DAMAGED, text)
        elif self._page and self._page.image.sha256 != sha256:
            text = "All mapped ranges hold" if self._map else "It has the right size"
            self._say(
                "image",
                Flaw.DAMAGED,
                f"{text}, but the SHA-256 of the whole is {sha256}, not the manifest's.",
            )
        else:
            self._say("image", None, f"{size} bytes, SHA-256 {sha256}.")

    def _examine_torrent(self) -> torrent.Pieces | None:
        """What digests the container's pieces as its torrent cuts them, if there is one."""
        path = self._path(TORRENT_SUFFIX)
        if not path.exists():
            return None
        try:
            self._torrent = torrent.loads(path.read_bytes())
        except JobError as error:
            self._say("torrent", Flaw.DAMAGED, error.message)
            return None
        return torrent.Pieces(self._torrent.piece_length)

    def _judge_torrent(self, found: torrent.Torrent) -> None:
        if found == self._torrent:
            count = len(found.pieces) // 20
            self._say("torrent", None, f"{count} pieces of this container, info hash {found.info_hash}.")
        else:
            self._say("torrent", Flaw.FOREIGN, "It is whole, but of another container.")
