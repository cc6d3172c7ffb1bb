"""An image file → what a creator hands out: container, block map, manifest, signature, torrent."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from workers.contract import (
    BMAP_SUFFIX,
    IMAGE_SUFFIX,
    MANIFEST_SUFFIX,
    SIGNATURE_SUFFIX,
    TORRENT_SUFFIX,
    FileFacts,
    Step,
)
from workers.creator.disk import check_disk
from workers.imaging import bmap, container, manifest, torrent
from workers.imaging.allocation import mapped_ranges
from workers.imaging.ranges import total
from workers.report import Report

BUILDER: Final = "imager-service 0.1.0"


@dataclass(frozen=True)
class Label:
    """What the manifest says beyond what the image itself tells."""

    name: str
    recipe_sha256: str
    contents: tuple[manifest.Content, ...]
    builder: str = BUILDER
    per_card: tuple[manifest.PerCard, ...] = ()
    torrent: bool = False  # whether one is wanted


@dataclass(frozen=True)
class Built:
    """What a build has made: the files in its folder, and the facts of the image."""

    files: list[FileFacts]
    image_size: int
    image_sha256: str
    mapped_bytes: int


def emit(
    image: Path, out_dir: Path, label: Label, *, signing_key: Ed25519PrivateKey, report: Report
) -> Built:
    """Make the files of `image` beside it, then bring them to `out_dir` (on the same file system)."""
    packed = _pack(image, label, report)
    page = _manifest(label, packed, signing_key)
    _write_signed(image.parent, page, signing_key)
    suffixes = [IMAGE_SUFFIX, *([TORRENT_SUFFIX] if label.torrent else []), BMAP_SUFFIX, MANIFEST_SUFFIX]
    return _put_down(image.parent, out_dir, page, [*suffixes, SIGNATURE_SUFFIX])


class _Packed(NamedTuple):
    """What one pass over the image gave."""

    facts: container.ContainerFacts
    blocks: bmap.Bmap
    raw_map: bytes


def _pack(image: Path, label: Label, report: Report) -> _Packed:
    report.step(Step.PACKING, image.stat().st_size)
    target = image.with_name(label.name + IMAGE_SUFFIX)
    ranges = mapped_ranges(image)
    report.check()
    check_disk(image.parent, total(ranges))
    pieces = torrent.Pieces(torrent.piece_length(total(ranges)))
    facts, blocks = container.pack_mapped(
        image, target, ranges, taps=[pieces] if label.torrent else [], report=report
    )
    raw = bmap.dumps(blocks)
    image.with_name(label.name + BMAP_SUFFIX).write_bytes(raw)
    if label.torrent:
        made = torrent.dumps(pieces.torrent(target.name), label.builder)
        image.with_name(label.name + TORRENT_SUFFIX).write_bytes(made)
    return _Packed(facts, blocks, raw)


def _manifest(label: Label, packed: _Packed, key: Ed25519PrivateKey) -> manifest.Manifest:
    facts, raw = packed.facts, packed.raw_map
    return manifest.Manifest(
        name=label.name,
        builder=label.builder,
        recipe_sha256=label.recipe_sha256,
        image=manifest.ImagePart(
            size=facts.image_size, sha256=facts.image_sha256, mapped_bytes=packed.blocks.mapped_bytes
        ),
        container=manifest.ContainerPart(
            name=label.name + IMAGE_SUFFIX, size=facts.size, sha256=facts.sha256, root=facts.root
        ),
        bmap=manifest.FilePart(
            name=label.name + BMAP_SUFFIX, size=len(raw), sha256=hashlib.sha256(raw).hexdigest()
        ),
        contents=label.contents,
        per_card=label.per_card,
        signing_key=manifest.public_hex(key),
    )


def _write_signed(work: Path, page: manifest.Manifest, key: Ed25519PrivateKey) -> None:
    signed = manifest.dumps(page)
    (work / f"{page.name}{MANIFEST_SUFFIX}").write_bytes(signed)
    (work / f"{page.name}{SIGNATURE_SUFFIX}").write_bytes(manifest.sign(signed, key))


def _put_down(work: Path, out_dir: Path, page: manifest.Manifest, suffixes: Sequence[str]) -> Built:
    """The files to their final names; the signature, without which nobody takes the rest, last."""
    (out_dir / f"{page.name}{SIGNATURE_SUFFIX}").unlink(missing_ok=True)
    files: list[FileFacts] = []
    for suffix in suffixes:
        made = work / f"{page.name}{suffix}"
        _sync(made)
        size = made.stat().st_size
        digest = (
            page.container.sha256 if suffix == IMAGE_SUFFIX else hashlib.sha256(made.read_bytes()).hexdigest()
        )
        made.replace(out_dir / made.name)
        files.append({"name": made.name, "size": size, "sha256": digest})
    _sync(out_dir)
    return Built(files, page.image.size, page.image.sha256, page.image.mapped_bytes)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
