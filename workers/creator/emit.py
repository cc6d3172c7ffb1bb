"""An image file → what a creator hands out: container, block map, manifest, signature."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from workers.contract import BMAP_SUFFIX, IMAGE_SUFFIX, MANIFEST_SUFFIX, SIGNATURE_SUFFIX, FileFacts, Step
from workers.creator.disk import check_disk
from workers.imaging import bmap, container, manifest
from workers.imaging.allocation import mapped_ranges
from workers.report import Report

BUILDER: Final = "imager-service 0.1.0"


@dataclass(frozen=True)
class Label:
    """What the manifest says beyond what the image itself tells."""

    name: str
    recipe_sha256: str
    contents: tuple[manifest.Content, ...]
    builder: str = BUILDER


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
    page = _pack(image, label, signing_key, report)
    return _put_down(image.parent, out_dir, page)


def _pack(image: Path, label: Label, key: Ed25519PrivateKey, report: Report) -> manifest.Manifest:
    work, name = image.parent, label.name
    report.step(Step.PACKING, image.stat().st_size)
    blocks = bmap.make(image, mapped_ranges(image))
    raw = bmap.dumps(blocks)
    (work / f"{name}{BMAP_SUFFIX}").write_bytes(raw)
    report.check()
    check_disk(work, blocks.mapped_bytes)
    facts = container.pack(image, work / f"{name}{IMAGE_SUFFIX}", report=report)
    page = manifest.Manifest(
        name=name,
        builder=label.builder,
        recipe_sha256=label.recipe_sha256,
        image=manifest.ImagePart(
            size=facts.image_size, sha256=facts.image_sha256, mapped_bytes=blocks.mapped_bytes
        ),
        container=manifest.ContainerPart(
            name=f"{name}{IMAGE_SUFFIX}", size=facts.size, sha256=facts.sha256, root=facts.root
        ),
        bmap=manifest.FilePart(
            name=f"{name}{BMAP_SUFFIX}", size=len(raw), sha256=hashlib.sha256(raw).hexdigest()
        ),
        contents=label.contents,
        signing_key=manifest.public_hex(key),
    )
    signed = manifest.dumps(page)
    (work / f"{name}{MANIFEST_SUFFIX}").write_bytes(signed)
    (work / f"{name}{SIGNATURE_SUFFIX}").write_bytes(manifest.sign(signed, key))
    return page


def _put_down(work: Path, out_dir: Path, page: manifest.Manifest) -> Built:
    """The files to their final names; the signature, without which nobody takes the rest, last."""
    (out_dir / f"{page.name}{SIGNATURE_SUFFIX}").unlink(missing_ok=True)
    files: list[FileFacts] = []
    for suffix in (IMAGE_SUFFIX, BMAP_SUFFIX, MANIFEST_SUFFIX, SIGNATURE_SUFFIX):
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
