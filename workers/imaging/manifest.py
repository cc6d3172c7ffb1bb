"""`NAME.manifest.json`: what an image holds, its digests, and the signature that vouches for them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit, urlunsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from workers.errors import JobError

_MAX_SIZE: Final = 16 * 1024 * 1024
_SIGNATURE: Final = re.compile(rb"[0-9a-f]{128}\n?")
_KEY: Final = re.compile(r"[0-9a-fA-F]{64}")


def public_source(source: str) -> str:
    """A URL without user, password, query and fragment; what is no URL stays as it is."""
    parts = urlsplit(source)
    if not parts.scheme or not parts.netloc:
        return source
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


Size = Annotated[int, Field(ge=0, strict=True)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[^/\x00]+$", max_length=255)]
Source = Annotated[str, AfterValidator(public_source)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImagePart(_Part):
    """The image itself, as it is on a card."""

    size: Size
    sha256: Digest
    mapped_bytes: Size


class FilePart(_Part):
    """A file beside the manifest."""

    name: FileName
    size: Size
    sha256: Digest


class ContainerPart(FilePart):
    """The container, with the root over its frames."""

    root: Digest


class Content(_Part):
    """One content file inside the image and where it came from (without credentials)."""

    to: str
    size: Size
    sha256: Digest
    source: Source


class PerCard(_Part):
    """A file of the boot partition that is different on each card; see `docs/formats.md`."""

    to: str
    content: str
    at: Size
    size_at: Size


class Manifest(_Part):
    """The whole page; `signing_key` names the key that signed, and proves nothing by itself."""

    version: Literal[1] = 1
    name: FileName
    builder: str
    recipe_sha256: Digest
    image: ImagePart
    container: ContainerPart
    bmap: FilePart
    contents: tuple[Content, ...]
    per_card: tuple[PerCard, ...] = ()
    signing_key: Digest


def dumps(manifest: Manifest) -> bytes:
    """The bytes that are signed: sorted keys, no spare white space, a final newline."""
    page = manifest.model_dump(mode="json")
    if not manifest.per_card:
        del page["per_card"]  # images without it are for older readers, too
    return (json.dumps(page, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n").encode()


def loads(data: bytes) -> Manifest:
    """A manifest out of its bytes, all of its shape checked; JobError `bad_manifest`."""
    if len(data) > _MAX_SIZE:
        raise JobError(
            "bad_manifest", f"The manifest is larger than {_MAX_SIZE} bytes; build the image again."
        )
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "its JSON"
        raise JobError(
            "bad_manifest", f"The manifest is damaged or of another version: {where}: {first['msg']}."
        ) from error


def load(path: Path) -> Manifest:
    """The manifest in a file, unsigned as far as this tells; JobError `manifest_missing`."""
    return loads(_read(path))


def public_hex(key: Ed25519PrivateKey) -> str:
    """The public half of a signing key, as manifests and settings write it."""
    return key.public_key().public_bytes_raw().hex()


def sign(data: bytes, key: Ed25519PrivateKey) -> bytes:
    """The signature file's content: one line, 128 hex digits."""
    return key.sign(data).hex().encode() + b"\n"


def verify(data: bytes, signature: bytes, trusted_key: str) -> Manifest:
    """The manifest, once the key that the caller trusts has signed exactly these bytes.

    JobError `bad_signature` if it has not, `bad_manifest` if what it signed is no manifest.
    """
    if not _KEY.fullmatch(trusted_key):
        raise JobError("bad_signing_key", "The signing key to trust must be 64 hex digits (Ed25519).")
    if not _SIGNATURE.fullmatch(signature):
        raise JobError("bad_signature", "The manifest's signature is not a line of 128 hex digits.")
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(trusted_key))
        key.verify(bytes.fromhex(signature.decode()), data)
    except InvalidSignature as error:
        raise JobError(
            "bad_signature",
            f"The manifest was not signed by the trusted key {trusted_key[:16]}…; do not use this image.",
        ) from error
    found = loads(data)
    if found.signing_key != trusted_key.lower():
        raise JobError("bad_manifest", "The manifest names another key than the one that signed it.")
    return found


def verify_file(path: Path, trusted_key: str) -> Manifest:
    """`verify` of `NAME.manifest.json` with the `.sig` beside it."""
    return verify(_read(path), _read(path.with_name(path.name + ".sig")), trusted_key)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise JobError(
            "manifest_missing", f"{path.name} is not beside the image; fetch all four files of it."
        ) from error
