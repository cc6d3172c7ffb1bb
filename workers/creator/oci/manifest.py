"""What a registry tells of an image: index, manifest and configuration, read strictly."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workers.errors import JobError

INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
ACCEPT: Final = ", ".join((*INDEXES, *MANIFESTS))
MOST: Final = 4 << 20  # bytes of one such page
PLATFORM: Final = "linux/arm64"
_VARIANTS: Final = ("v8", "")
_PLAIN: Final = ("application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar")
_GZIP: Final = (f"{_PLAIN[0]}+gzip", f"{_PLAIN[1]}.gzip")
_ZSTD: Final = (f"{_PLAIN[0]}+zstd", f"{_PLAIN[1]}.zstd")
_SHOWN: Final = 12

Page = TypeVar("Page", bound=BaseModel)
Sha256 = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Size = Annotated[int, Field(ge=0, le=1 << 40, strict=True)]


class _Page(BaseModel):
    """Pages of registries hold more than we read."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Platform(_Page):
    """What an image runs on."""

    os: str = ""
    architecture: str = ""
    variant: str = ""

    @property
    def fits(self) -> bool:
        return f"{self.os}/{self.architecture}" == PLATFORM and self.variant in _VARIANTS

    def __str__(self) -> str:
        return "/".join(each for each in (self.os, self.architecture, self.variant) if each) or "unknown"


class Blob(_Page):
    """Something that the registry has under its digest."""

    digest: Sha256
    size: Size
    media_type: Annotated[str, Field(alias="mediaType")] = ""
    platform: Platform | None = None

    @property
    def hex(self) -> str:
        return self.digest.partition(":")[2]

    @property
    def packing(self) -> str:
        """`tar`, `gzip` or `zstd`, of a layer; else empty."""
        for kind, types in (("tar", _PLAIN), ("gzip", _GZIP), ("zstd", _ZSTD)):
            if self.media_type in types:
                return kind
        return ""


class _Index(_Page):
    manifests: tuple[Blob, ...]


class Manifest(_Page):
    """One image for one platform."""

    config: Blob
    layers: Annotated[tuple[Blob, ...], Field(min_length=1, max_length=512)]


class _RootFs(_Page):
    diff_ids: tuple[Sha256, ...]


class Config(Platform):
    """The image's own page: what it runs on, and the digests of its unpacked layers."""

    rootfs: _RootFs


@dataclass(frozen=True)
class Image:
    """All that is known of an image before its layers are fetched. `config` is the page's own bytes."""

    digest: str
    config_hex: str
    config: bytes
    layers: tuple[Blob, ...]
    diff_ids: tuple[str, ...]


def digest_of(page: bytes) -> str:
    return f"sha256:{hashlib.sha256(page).hexdigest()}"


def read_index(page: bytes, where: str) -> Blob | None:
    """The manifest for our platform out of an index; None if the page is a manifest. JobError."""
    data = _json(page, where)
    if "manifests" not in data:
        return None
    listed = _validated(_Index, data, where).manifests
    for each in listed:
        if each.platform is not None and each.platform.fits:
            return each
    there = sorted({str(each.platform) for each in listed if each.platform is not None})
    raise _not_for_us(where, there)


def read_manifest(page: bytes, where: str) -> Manifest:
    """JobError `bad_image` for what is no image of ours."""
    data = _json(page, where)
    if data.get("schemaVersion") == 1:
        raise _bad(where, "it is stored in the registry's old format; push it anew with a current tool")
    manifest = _validated(Manifest, data, where)
    for layer in manifest.layers:
        if not layer.packing:
            raise _bad(where, f"a layer is of the kind {layer.media_type!r}, which is not supported")
    return manifest


def read_config(page: bytes, manifest: Manifest, where: str) -> Config:
    """The configuration, which has to fit the manifest and our platform."""
    config = _validated(Config, _json(page, where), where)
    if not config.fits:
        raise _not_for_us(where, [str(Platform(**config.model_dump(exclude={"rootfs"})))])
    if len(config.rootfs.diff_ids) != len(manifest.layers):
        raise _bad(where, "its configuration does not fit its layers; push it anew")
    return config


def _json(page: bytes, where: str) -> dict[str, Any]:
    try:
        data = json.loads(page)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise _bad(where, "the registry's answer is no manifest")
    return data


def _validated(model: type[Page], data: dict[str, Any], where: str) -> Page:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise _bad(where, f"its manifest is wrong at {path}: {first['msg']}") from None


def _not_for_us(where: str, there: list[str]) -> JobError:
    names = ", ".join(there[:_SHOWN]) or "none"
    return JobError(
        "bad_image", f"{where} is not there for {PLATFORM}, only for: {names}; choose another image or tag"
    )


def _bad(where: str, problem: str) -> JobError:
    return JobError("bad_image", f"{where} cannot be used: {problem}")
