"""Debian's docker-registry on loopback, and images that tests push to it over its own API."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import socket
import subprocess
import tarfile
import time
import urllib.error
import urllib.request

import zstandard

PROGRAM = shutil.which("docker-registry") or ""
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def layer_tar(**files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def pack(data: bytes, how: str) -> bytes:
    if how == "gzip":
        return gzip.compress(data, mtime=0)
    return zstandard.ZstdCompressor(write_content_size=False).compress(data) if how == "zstd" else data


class Registry:
    """A running registry; `push` brings an image, `url` is its API."""

    def __init__(self, folder) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.place = f"127.0.0.1:{port}"
        config = folder / "config.yml"
        config.write_text(
            f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: '{self.place}'}}\n"
            f"storage: {{filesystem: {{rootdirectory: '{folder / 'data'}'}}}}\n"
        )
        self.folder = folder / "data"
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen([PROGRAM, "serve", str(config)], stdout=log, stderr=log)
        self._wait(folder / "log")

    def _wait(self, log) -> None:
        end = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://{self.place}/v2/", timeout=10):
                    return
            except OSError:
                assert self._process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.05)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()

    def blob(self, name: str, data: bytes) -> str:
        with self._ask("POST", f"/v2/{name}/blobs/uploads/") as answer:
            goal = answer.headers["Location"]
        goal += f"{'&' if '?' in goal else '?'}digest={digest(data)}"
        with self._ask("PUT", goal, data, "application/octet-stream"):
            return digest(data)

    def manifest(self, name: str, tag: str, page: dict, kind: str) -> str:
        data = json.dumps(page).encode()
        with self._ask("PUT", f"/v2/{name}/manifests/{tag}", data, kind):
            return digest(data)

    def image(self, name: str, tag: str, layers, *, architecture="arm64", variant="v8", **changes):
        """Push one; `layers`: (plain tar, how it is packed). Its descriptor for an index."""
        blobs = [pack(tar, how) for tar, how in layers]
        config = {
            "os": "linux",
            "architecture": architecture,
            "variant": variant,
            "rootfs": {"type": "layers", "diff_ids": [digest(tar) for tar, _ in layers]},
            **changes,
        }
        raw = json.dumps(config).encode()
        page = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": self.blob(name, raw),
                "size": len(raw),
            },
            "layers": [
                {
                    "mediaType": LAYER if how == "tar" else f"{LAYER}+{how}",
                    "digest": self.blob(name, blob),
                    "size": len(blob),
                }
                for blob, (_, how) in zip(blobs, layers, strict=True)
            ],
        }
        found = self.manifest(name, tag, page, MANIFEST)
        return {
            "mediaType": MANIFEST,
            "digest": found,
            "size": len(json.dumps(page)),
            "platform": {"os": "linux", "architecture": architecture, "variant": variant},
        }

    def index(self, name: str, tag: str, described: list[dict]) -> str:
        return self.manifest(
            name, tag, {"schemaVersion": 2, "mediaType": INDEX, "manifests": described}, INDEX
        )

    def blob_file(self, found: str):
        """Where the registry keeps a blob."""
        hexed = found.partition(":")[2]
        return self.folder / "docker/registry/v2/blobs/sha256" / hexed[:2] / hexed / "data"

    def _ask(self, method: str, path: str, data: bytes = b"", kind: str = ""):
        url = path if path.startswith("http") else f"http://{self.place}{path}"
        asked = urllib.request.Request(url, data=data, method=method)  # noqa: S310 - our own registry
        if kind:
            asked.add_header("Content-Type", kind)
        try:
            return urllib.request.urlopen(asked, timeout=30)  # noqa: S310
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(error.read()) from None
