"""A small HTTP server on loopback for what cards are made of: the base image and content files."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
from dataclasses import dataclass
from pathlib import Path

BLOCK = 1 << 20


@dataclass(frozen=True)
class Served:
    """A file that the server offers."""

    path: Path
    url: str
    size: int
    sha256: str


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        pass


class ContentServer:
    """Serves the files of `folder` until stopped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        handler = functools.partial(_Handler, directory=str(folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def served(self, name: str) -> Served:
        """Facts of a file in the folder."""
        path = self.folder / name
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Served(path, f"http://127.0.0.1:{self.server.server_port}/{name}", path.stat().st_size, digest)

    def add(self, name: str, content: bytes) -> Served:
        """Offer `content` under `name`."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return self.served(name)

    def add_base_image(self) -> Served:
        """Offer the project's small base image, made now if it is not there yet."""
        from workers.creator import demo_base

        path = self.folder / "base.img"
        if not path.exists():
            fresh = path.with_suffix(".new")
            demo_base.make_demo_base(fresh)
            fresh.replace(path)
        return self.served("base.img")

    def stop(self) -> None:
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()
