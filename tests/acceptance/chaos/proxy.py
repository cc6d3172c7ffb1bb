"""A proxy on loopback between hosts and web that loses some requests and replies and doubles others."""

from __future__ import annotations

import http.client
import random
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

LOST_BEFORE, LOST_AFTER = "request lost on its way", "reply lost on its way back"
DOUBLED, LATE = "request doubled", "request doubled, the second one late"
LATE_BY = (0.2, 3.0)  # seconds
HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length", "date", "server"}
TIMEOUT = 60


class Lossy:
    """Forwards calls to `port` of loopback to `target`; loses `rate` of them and doubles as many, by seed."""

    def __init__(self, port: int, target: str, *, seed: int, rate: float) -> None:
        self.counts: Counter[str] = Counter()
        self.rate = rate
        self._target = urlsplit(target).netloc
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        lossy = self

        class Handler(_Handler):
            proxy = lossy

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def fate(self) -> tuple[str, float]:
        """What happens to the next call, and how late its double is."""
        with self._lock:
            dice, late = self._chance.random(), self._chance.uniform(*LATE_BY)
            kinds = (LOST_BEFORE, LOST_AFTER, DOUBLED, LATE)
            kind = next((kind for n, kind in enumerate(kinds, 1) if dice < n * self.rate / 2), "")
            self.counts["calls"] += 1
            if kind:
                self.counts[kind] += 1
            return kind, late

    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Ask the web; raises OSError or HTTPException when it is away."""
        connection = http.client.HTTPConnection(self._target, timeout=TIMEOUT)
        try:
            connection.request(method, path, body or None, headers)
            reply = connection.getresponse()
            return reply.status, reply.getheaders(), reply.read()
        finally:
            connection.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: Lossy

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        pass

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind, late = self.proxy.fate()
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
        call = (self.command, self.path, headers, body)
        self.close_connection = True  # one call each: nothing of another hangs on what we do to this one
        if kind == LOST_BEFORE:
            return
        try:
            reply = self.proxy.forward(*call)
            if kind == DOUBLED:
                reply = self.proxy.forward(*call)
            elif kind == LATE:
                threading.Timer(late, self._again, call).start()
        except (OSError, http.client.HTTPException):
            return  # the web is away: so are we
        if kind != LOST_AFTER:
            self._answer(*reply)

    do_POST = do_GET  # noqa: N815  # more is not asked for

    def _again(self, *call: object) -> None:
        try:
            self.proxy.forward(*call)  # type: ignore[arg-type]
        except (OSError, http.client.HTTPException):
            return

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            return  # whoever asked is gone
