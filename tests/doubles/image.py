"""A small real image: four signed files, as a creator emits them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from workers.contract import BMAP_SUFFIX, IMAGE_SUFFIX, MANIFEST_SUFFIX, SIGNATURE_SUFFIX, FileFacts
from workers.imaging import bmap, manifest
from workers.imaging.container import pack
from workers.imaging.ranges import Range, cut

MIB = 1024 * 1024
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@dataclass
class Image:
    """The files of one image in `folder`, and its plain bytes."""

    folder: Path
    name: str
    plain: bytes
    files: list[FileFacts]

    @property
    def signing_key(self) -> str:
        return manifest.public_hex(KEY)

    @property
    def spec(self) -> dict[str, Any]:
        return {"name": self.name, "files": self.files, "signing_key": self.signing_key}

    @property
    def container(self) -> Path:
        return self.folder / f"{self.name}{IMAGE_SUFFIX}"


def make_image(folder: Path, *, name: str = "demo", size: int = 9 * MIB, seed: int = 7) -> Image:
    """Incompressible data, so that a container is about as long as its image."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = Random(seed).randbytes(size)
    raw = folder / "plain.img"
    raw.write_bytes(plain)
    facts = pack(raw, folder / f"{name}{IMAGE_SUFFIX}")
    chart = bmap.make(raw, list(cut([Range(0, size)])))
    (folder / f"{name}{BMAP_SUFFIX}").write_bytes(bmap.dumps(chart))
    page = manifest.Manifest(
        name=name,
        builder="test",
        recipe_sha256="0" * 64,
        image=manifest.ImagePart(size=size, sha256=facts.image_sha256, mapped_bytes=chart.mapped_bytes),
        container=manifest.ContainerPart(**_facts(folder, f"{name}{IMAGE_SUFFIX}"), root=facts.root),
        bmap=manifest.FilePart(**_facts(folder, f"{name}{BMAP_SUFFIX}")),
        contents=(),
        signing_key=manifest.public_hex(KEY),
    )
    (folder / f"{name}{MANIFEST_SUFFIX}").write_bytes(manifest.dumps(page))
    (folder / f"{name}{SIGNATURE_SUFFIX}").write_bytes(manifest.sign(manifest.dumps(page), KEY))
    raw.unlink()
    suffixes = (IMAGE_SUFFIX, BMAP_SUFFIX, MANIFEST_SUFFIX, SIGNATURE_SUFFIX)
    return Image(folder, name, plain, [_facts(folder, name + suffix) for suffix in suffixes])


def _facts(folder: Path, name: str) -> FileFacts:
    data = (folder / name).read_bytes()
    return {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
