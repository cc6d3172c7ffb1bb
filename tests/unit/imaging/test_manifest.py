from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from workers.errors import JobError
from workers.imaging import manifest

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = manifest.public_hex(KEY)
PAGE: dict[str, Any] = {
    "version": 1,
    "name": "été",
    "builder": "imager-service 0.1.0",
    "recipe_sha256": "11" * 32,
    "image": {"size": 8_000_000_000, "sha256": "22" * 32, "mapped_bytes": 5},
    "container": {"name": "été.img.zst", "size": 4, "sha256": "33" * 32, "root": "44" * 32},
    "bmap": {"name": "été.img.bmap", "size": 3, "sha256": "55" * 32},
    "contents": [{"to": "/data/a.zim", "size": 2, "sha256": "66" * 32, "source": "https://x.org/a.zim"}],
    "signing_key": PUBLIC,
}


def changed(path: str, value: Any) -> bytes:
    """The page as JSON with the value at `image.size` (say) replaced."""
    page = json.loads(json.dumps(PAGE))
    *folders, last = path.split(".")
    place = page
    for folder in folders:
        place = place[int(folder)] if folder.isdigit() else place[folder]
    place[last] = value
    return json.dumps(page).encode()


@pytest.fixture
def data() -> bytes:
    return manifest.dumps(manifest.Manifest.model_validate(PAGE))


def test_the_bytes_are_canonical(data: bytes) -> None:
    expected = json.dumps(PAGE, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
    assert data == expected.encode()
    assert manifest.dumps(manifest.loads(data)) == data


def test_a_signature_is_one_line_and_holds(data: bytes) -> None:
    signature = manifest.sign(data, KEY)
    assert len(signature) == 129
    assert signature.endswith(b"\n")
    assert manifest.verify(data, signature, PUBLIC).name == "été"
    assert manifest.verify(data, signature.strip(), PUBLIC.upper()).image.size == 8_000_000_000


def test_every_byte_is_guarded(data: bytes) -> None:
    signature = manifest.sign(data, KEY)
    for at in range(len(data)):
        with pytest.raises(JobError) as error:
            manifest.verify(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], signature, PUBLIC)
        assert error.value.code == "bad_signature"
    for at in range(128):
        wrong = bytearray(signature)
        wrong[at] = ord("0") if wrong[at] != ord("0") else ord("1")
        with pytest.raises(JobError, match="not signed by the trusted key"):
            manifest.verify(data, bytes(wrong), PUBLIC)


def test_another_signer_is_refused_whatever_the_page_says(data: bytes) -> None:
    thief = Ed25519PrivateKey.generate()
    with pytest.raises(JobError, match="do not use this image"):
        manifest.verify(data, manifest.sign(data, thief), PUBLIC)


def test_a_page_that_names_another_key_is_refused(data: bytes) -> None:
    other = changed("signing_key", "77" * 32)
    with pytest.raises(JobError, match="another key"):
        manifest.verify(other, manifest.sign(other, KEY), PUBLIC)


@pytest.mark.parametrize(
    "signature", [b"", b"zz" * 64, b"0" * 127, b"0" * 129, b"0" * 128 + b"\n\n", b"AB" * 64]
)
def test_a_malformed_signature_is_named(data: bytes, signature: bytes) -> None:
    with pytest.raises(JobError, match="128 hex digits"):
        manifest.verify(data, signature, PUBLIC)


@pytest.mark.parametrize("key", ["", "12", "zz" * 32, "00" * 33])
def test_a_malformed_key_is_named(data: bytes, key: str) -> None:
    with pytest.raises(JobError) as error:
        manifest.verify(data, manifest.sign(data, KEY), key)
    assert error.value.code == "bad_signing_key"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 2),
        ("name", "../etc/passwd"),
        ("name", ""),
        ("image.size", -1),
        ("image.size", "5"),
        ("image.size", True),
        ("image.sha256", "22" * 31),
        ("image.sha256", "GG" * 32),
        ("container.root", None),
        ("container.name", "a/b"),
        ("contents", {}),
        ("contents.0.extra", 1),
        ("extra", 1),
        ("contents.0.source", "http://[::1"),
    ],
)
def test_wrong_pages_are_refused_and_the_place_is_named(path: str, value: Any) -> None:
    with pytest.raises(JobError) as error:
        manifest.loads(changed(path, value))
    assert error.value.code == "bad_manifest"
    assert path in error.value.message


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff\xfe", b"null", b"{}"])
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(JobError) as error:
        manifest.loads(data)
    assert error.value.code == "bad_manifest"


@pytest.mark.parametrize(
    ("source", "public"),
    [
        ("https://user:pa%40ss@x.org:8443/a/b.zim?token=1#f", "https://x.org:8443/a/b.zim"),
        ("https://a@b@x.org/z", "https://x.org/z"),
        ("http://x.org", "http://x.org"),
        ("inline", "inline"),
        ("/srv/a file.zim", "/srv/a file.zim"),
    ],
)
def test_sources_lose_their_secrets(source: str, public: str) -> None:
    assert manifest.public_source(source) == public
    assert manifest.loads(changed("contents.0.source", source)).contents[0].source == public


def test_files_are_verified_and_missing_ones_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.manifest.json"
    with pytest.raises(JobError, match=r"a\.manifest\.json is not beside") as error:
        manifest.verify_file(path, PUBLIC)
    assert error.value.code == "manifest_missing"
    path.write_bytes(data)
    with pytest.raises(JobError, match=r"a\.manifest\.json\.sig is not beside"):
        manifest.verify_file(path, PUBLIC)
    path.with_name("a.manifest.json.sig").write_bytes(manifest.sign(data, KEY))
    assert manifest.verify_file(path, PUBLIC) == manifest.load(path)
