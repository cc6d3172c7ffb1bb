"""A real HTTP server on loopback whose pages can misbehave in the ways that servers and networks do."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """What a path answers. `cuts`: after how many bytes the connection drops, request by request."""

    data: bytes = b""
    ranges: bool = True
    head: bool = True
    length: bool = True
    etag: str = '"v1"'
    statuses: list[int] = field(default_factory=list)  # answered first, one per GET
    cuts: list[int] = field(default_factory=list)
    after_cut: bytes | None = None  # the page's new content once it was cut
    etag_after_cut: str = '"v2"'
    location: str = ""
    retry_after: str = ""
    headers: tuple[tuple[str, str], ...] = ()  # more of them, also of redirects
    stall_after: int | None = None  # bytes, after which nothing more comes until the server closes
    drips: bool = False  # then bytes come all the same, one at a time


class ContentServer:
    """`server.pages["/x"] = Page(b"…")`; `server.seen` holds (method, path, Range) of every request."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.seen: list[tuple[str, str, str]] = []
        self.authorizations: list[str] = []
        self.stalled, self.closing = threading.Event(), threading.Event()
        outer = self

        class Handler(_Handler):
            owner = outer

        self._httpd = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._httpd.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def put(self, path: str, data: bytes = b"", **how: object) -> str:
        """Serve `data` at `path`; the URL."""
        self.pages[path] = Page(data, **how)  # type: ignore[arg-type]
        return f"http://127.0.0.1:{self._httpd.server_port}{path}"

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._httpd.server_port}{path}"

    def gets(self, path: str) -> list[str]:
        """The Range headers of the GETs of a path."""
        return [span for method, seen, span in self.seen if (method, seen) == ("GET", path)]

    @property
    def port(self) -> int:
        return self._httpd.server_port

    def close(self) -> None:
        self.closing.set()
        self._httpd.shutdown()
        self._httpd.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some tests are about; all else is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    owner: ContentServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        page = self._page()
        if page is None:
            return
        if not page.head:
            self._empty(405)
            return
        self.send_response(200)
        self._common(page, len(page.data))
        self.end_headers()

    def do_GET(self) -> None:
        page = self._page()
        if page is None:
            return
        if page.statuses:
            self._empty(page.statuses.pop(0), page)
            return
        if page.location:
            self._empty(302, page)
            return
        start = self._start_of(page)
        if start is None:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(page.data)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        first, last = start
        self.send_response(206 if self._asks_range(page) else 200)
        if self._asks_range(page):
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(page.data)}")
        self._common(page, last - first + 1)
        self.end_headers()
        self._body(page, page.data[first : last + 1])

    def _body(self, page: Page, data: bytes) -> None:
        if page.stall_after is not None:
            self.wfile.write(data[: page.stall_after])
            self.wfile.flush()
            self.owner.stalled.set()
            self._hold(data[page.stall_after :] if page.drips else b"")
            self.close_connection = True
            return
        cut = page.cuts.pop(0) if page.cuts else None
        self.wfile.write(data if cut is None else data[:cut])
        if cut is not None:
            self.close_connection = True
            if page.after_cut is not None:
                page.data, page.etag = page.after_cut, page.etag_after_cut

    def _hold(self, drops: bytes) -> None:
        for at in range(len(drops)):
            if self.owner.closing.wait(0.05):
                return
            self.wfile.write(drops[at : at + 1])
        self.owner.closing.wait(60)

    def _asks_range(self, page: Page) -> bool:
        known = self.headers.get("If-Range")
        return page.ranges and "Range" in self.headers and known in {None, page.etag}

    def _start_of(self, page: Page) -> tuple[int, int] | None:
        if not self._asks_range(page):
            return 0, len(page.data) - 1
        first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
        if int(first) >= len(page.data):
            return None
        return int(first), int(last) if last else len(page.data) - 1

    def _common(self, page: Page, length: int) -> None:
        self.send_header("ETag", page.etag)
        if page.ranges:
            self.send_header("Accept-Ranges", "bytes")
        for name, value in page.headers:
            self.send_header(name, value)
        if page.length:
            self.send_header("Content-Length", str(length))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True

    def _empty(self, status: int, page: Page | None = None) -> None:
        self.send_response(status)
        if page and page.location:
            self.send_header("Location", page.location)
            for name, value in page.headers:
                self.send_header(name, value)
        if page and page.retry_after:
            self.send_header("Retry-After", page.retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _page(self) -> Page | None:
        self.owner.seen.append((self.command, self.path, self.headers.get("Range", "")))
        self.owner.authorizations.append(self.headers.get("Authorization", ""))
        page = self.owner.pages.get(self.path)
        if page is None:
            self._empty(404)
        return page

    def log_message(self, *_: object) -> None:
        """Quiet: the tests look at `seen`."""
