"""The warehouse's surroundings in tests: a small real HTTP server for the web side, the real FTP process."""

from __future__ import annotations

import base64
import ftplib
import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ROOT = Path(__file__).resolve().parents[3]
SLUG = "main"
SECRET = "canary-secret-of-the-warehouse"
SUFFIXES = (".img.zst", ".img.bmap", ".manifest.json", ".manifest.json.sig")


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 20) -> Any:
    """Look again and again until the condition holds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} s")


class Signer:
    """The server's signing key."""

    ahead = 0.0  # of the server's clock against ours

    def __init__(self, kid: str = "key-1") -> None:
        self.kid = kid
        self.key = Ed25519PrivateKey.generate()

    @property
    def public_raw(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def jwk(self) -> dict[str, str]:
        x = base64.urlsafe_b64encode(self.public_raw).rstrip(b"=").decode()
        return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.kid, "x": x}

    def ticket(self, task: str, attempt: int, order: str, right: str = "store", **changes: Any) -> str:
        claims = {
            "iss": "imager",
            "aud": "warehouse",
            "exp": int(time.time() + self.ahead) + 600,
            "task": task,
            "attempt": attempt,
            "order": order,
            "right": right,
            "folder": f"{task}.{attempt}" if right == "store" else order,
            "max_bytes": 1 << 30,
            **changes,
        }
        return jwt.encode(claims, self.key, algorithm="EdDSA", headers={"kid": self.kid})


class Web:
    """The four addresses that the warehouse uses. `refuse` and `broken` change the answers."""

    def __init__(self) -> None:
        self.signer = Signer()
        self.key_set = {"keys": [self.signer.jwk()]}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.fetches = 0
        self.polls = 0
        self.refuse: dict[str, tuple[int, dict[str, Any]]] = {}
        self.news: list[dict[str, Any]] = []
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [path for path, _ in self.calls]

    def end(self, ended: list[dict[str, Any]] | None = None, removed: list[str] | None = None) -> None:
        self.news.append({"ended": ended or [], "removed": removed or []})

    def answer(self, method: str, path: str, body: dict[str, Any], authorization: str) -> tuple[int, Any]:
        if path == "/.well-known/jwks.json":
            self.fetches += 1
            assert not authorization
            return 200, self.key_set
        if authorization != f"Warehouse {SLUG}:{SECRET}":
            return 401, {"code": "unknown", "detail": "who are you?"}
        if path.startswith("/api/v1/warehouse/ended?since="):
            self.polls += 1
            return self.refuse.get("ended") or (200, self._news(path.rpartition("=")[2]))
        name = path.rpartition("/")[2]
        assert method == "POST"
        assert name in {"publish", "published"}
        self.calls.append((name, body))
        return self.refuse.get(name, (200, {}))

    def _news(self, cursor: str) -> dict[str, Any]:
        seen = int(cursor or 0)
        fresh = self.news[seen:]
        return {
            "cursor": str(len(self.news)),
            "now": time.time() + self.signer.ahead,
            "ended": [row for piece in fresh for row in piece["ended"]],
            "removed": [order for piece in fresh for order in piece["removed"]],
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._serve()

            def do_POST(self) -> None:
                self._serve()

            def _serve(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                body = json.loads(content) if content else {}
                status, answer = web.answer(
                    self.command, self.path, body, self.headers.get("Authorization", "")
                )
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                pass

        return Handler


class Warehouse:
    """The real process, `python -m warehouse.ftp`."""

    def __init__(self, folder: Path, web: Web, **settings: str) -> None:
        self.root = folder / "store"
        self.root.mkdir(exist_ok=True)
        self.log = folder / "log"
        self.port_file = folder / "port"
        self.web = web
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", ""),
            "WAREHOUSE_ROOT": str(self.root),
            "WAREHOUSE_SLUG": SLUG,
            "WAREHOUSE_SECRET": SECRET,
            "WAREHOUSE_SERVER_URL": self.web.url,
            "WAREHOUSE_LISTEN": "127.0.0.1:0",
            "WAREHOUSE_PORT_FILE": str(self.port_file),
            "WAREHOUSE_POLL_SECONDS": "0.1",
            "WAREHOUSE_KEEP_FREE_PERCENT": "0",
            **self.settings,
        }

    def start(self) -> Warehouse:
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "warehouse.ftp"], env=self.environment(), stderr=log, cwd=ROOT
            )
        wait_for(lambda: self.port_file.exists() or self.process.poll() is not None, "start of the warehouse")
        assert self.process.poll() is None, self.log.read_text()
        return self

    def start_and_hear(self) -> Warehouse:
        """Start, and wait for the first answer of the server."""
        self.start()
        state = self.root / "state"
        wait_for(lambda: (state / "ended.json").exists() and (state / "jwks.json").exists(), "first round")
        return self

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(20)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(20)
        self.port_file.unlink(missing_ok=True)

    @property
    def port(self) -> int:
        return int(self.port_file.read_text())

    def connect(self, ftp: ftplib.FTP | None = None) -> ftplib.FTP:
        ftp = ftp or ftplib.FTP(timeout=30)  # noqa: S321 - the protocol under test
        try:
            ftp.connect("127.0.0.1", self.port)
        except ftplib.Error:
            ftp.close()
            raise
        return ftp

    def events(self, event: str) -> list[dict[str, Any]]:
        rows = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [row for row in rows if row["event"] == event]


class Attempt:
    """One attempt of a create task: its names, its tickets, its four files."""

    def __init__(self, web: Web, task: str | None = None, attempt: int = 1, order: str | None = None) -> None:
        self.web = web
        self.task = task or str(uuid.uuid4())
        self.attempt = attempt
        self.order = order or str(uuid.uuid4())
        self.files = {"demo" + suffix: os.urandom(3000 + len(suffix)) for suffix in SUFFIXES}

    @property
    def user(self) -> str:
        return f"{self.task}.{self.attempt}"

    def ticket(self, right: str = "store", **changes: Any) -> str:
        return self.web.signer.ticket(self.task, self.attempt, self.order, right, **changes)

    def login(self, house: Warehouse, right: str = "store", **changes: Any) -> ftplib.FTP:
        ftp = house.connect()
        try:
            ftp.login(self.user, self.ticket(right, **changes))
        except ftplib.Error:
            ftp.close()
            raise
        ftp.voidcmd("TYPE I")
        return ftp

    def facts(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in self.files.items()
        ]

    def publish_command(self, facts: Any = None) -> str:
        return "SITE PUBLISH " + json.dumps(self.facts() if facts is None else facts).encode().hex()

    def upload(self, ftp: ftplib.FTP) -> None:
        for name, data in self.files.items():
            assert ftp.storbinary(f"STOR {name}", io.BytesIO(data)).startswith("226")

    def image(self, house: Warehouse) -> Path:
        return house.root / "images" / self.order

    def incoming(self, house: Warehouse) -> Path:
        return house.root / "incoming" / self.user

    def is_published(self, house: Warehouse) -> bool:
        return all((self.image(house) / name).read_bytes() == data for name, data in self.files.items())
