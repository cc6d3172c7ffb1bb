"""The key that signs manifests: an Ed25519 private key in a PEM file that only its owner may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from workers.errors import HostError


def own_key_path() -> Path:
    """Where the key of the person at the terminal lies."""
    home = os.environ.get("XDG_DATA_HOME", "")
    return (Path(home) if Path(home).is_absolute() else Path.home() / ".local/share") / "imager/creator.key"


def load_key(path: Path) -> Ed25519PrivateKey:
    """HostError `bad_key` unless the file holds an unencrypted Ed25519 key and is private."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            key = load_pem_private_key(file.read(), password=None)
    except OSError as error:
        raise HostError("bad_key", f"the signing key {path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise HostError(
            "bad_key", f"{path} holds no Ed25519 private key in PEM without a password; name another file"
        )
    if mode & 0o077:
        raise HostError("bad_key", f"the signing key {path} can be read by others; run chmod 600 on it")
    return key


def own_key(path: Path) -> Ed25519PrivateKey:
    """The key at `path`, made now if there is none."""
    if path.exists():
        return load_key(path)
    try:
        return _make(path)
    except OSError as error:
        raise HostError("bad_key", f"the signing key {path} cannot be made: {error.strerror}") from error


def _make(path: Path) -> Ed25519PrivateKey:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = Ed25519PrivateKey.generate()
    page = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(page)
            file.flush()
            os.fsync(file.fileno())
        os.link(fresh, path)  # fails if another one was faster: then its key counts
    except FileExistsError:
        return load_key(path)
    finally:
        fresh.unlink()
    return key
