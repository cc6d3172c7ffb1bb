"""Connections that are guarded and can be cut: the socket level below `http`.

An address is checked when it is connected to, so that a name cannot mean one thing when it is looked up and
another one afterwards. `Wire.cut` ends every transfer at once: a cancel waits for no time-out.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import weakref
from typing import Any, Final

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from workers.creator.guard import Guard, refused
from workers.errors import Canceled

_HEADERS: Final = {"Accept-Encoding": "identity", "User-Agent": "imager-service"}
_NAP: Final = 0.1
_RESOLVE: Final = 20.0  # seconds
_POOL: Final = 16


class Wire:
    """All connections of one build."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._ended = False

    def session(self) -> requests.Session:
        """A session whose connections are guarded. It knows no .netrc; proxies are given per request."""
        session = requests.Session()
        session.trust_env = False
        session.headers.clear()
        session.headers.update(_HEADERS)
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        session.verify = bundle or True
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(self))
        return session

    def cut(self) -> None:
        """End all transfers and begin no new one."""
        with self._lock:
            self._ended = True
            still_open = list(self._open)
        for sock in still_open:
            with contextlib.suppress(OSError):  # it has ended by itself
                sock.shutdown(socket.SHUT_RDWR)

    def renew(self) -> None:
        """Transfers may begin again."""
        with self._lock:
            self._ended = False

    def check(self) -> None:
        """Raise `Canceled` once the wire is cut."""
        if self._ended:
            raise Canceled

    def watch(self, sock: socket.socket) -> None:
        """Let `cut` end this one too."""
        with self._lock:
            self._open.add(sock)
        self.check()

    def resolve(self, host: str, port: int) -> list[Any]:
        """Addresses as `getaddrinfo` gives them, in a thread of its own: no resolver holds up a cancel."""
        found: list[Any] = []
        trouble: list[OSError] = []

        def ask() -> None:
            try:
                found.extend(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
            except OSError as error:
                trouble.append(error)
            except UnicodeError as error:
                trouble.append(socket.gaierror(socket.EAI_NONAME, str(error)))

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        end = time.monotonic() + _RESOLVE
        while asking.is_alive() and time.monotonic() < end:
            asking.join(_NAP)
            self.check()
        if trouble:
            raise trouble[0]
        if not found:
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return found


class _Watched(HTTPConnection):
    """A connection that its wire knows; not `guarded` is one to a proxy, which the host has chosen."""

    wire: Wire
    guarded: bool
    _opening: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        port = self.port or self.default_port
        try:
            places = self.wire.resolve(self.host, port)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        if self.guarded:
            places = [place for place in places if self.wire.guard.permits(place[4][0])]
            if not places:
                raise refused(self.host)
        trouble: OSError = OSError("no address")
        for family, kind, protocol, _, address in places:
            try:
                return self._connected(family, kind, protocol, address)
            except OSError as error:
                trouble = error
                self.wire.check()
        if isinstance(trouble, TimeoutError):
            raise ConnectTimeoutError(self, f"{self.host} did not answer") from trouble
        raise NewConnectionError(self, f"no connection: {trouble}") from trouble

    def _connected(self, family: int, kind: int, protocol: int, address: Any) -> socket.socket:
        sock = socket.socket(family, kind, protocol)
        try:
            for option in self.socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(_seconds(self.timeout))
            self._opening = sock.dup()  # TLS takes the socket over before it is ready: this one stays ours
            self.wire.watch(self._opening)
            sock.connect(address)
        except BaseException:
            sock.close()
            raise
        return sock

    def connect(self) -> None:
        try:
            super().connect()
            if self.sock is not None:
                self.wire.watch(self.sock)
        finally:
            if self._opening is not None:
                self._opening.close()
                self._opening = None


class _WatchedTls(_Watched, HTTPSConnection):
    """The same with TLS; the certificate is checked for the name, as ever."""


class _Adapter(HTTPAdapter):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        super().__init__(pool_connections=_POOL, pool_maxsize=_POOL)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _pools(self._wire, guarded=True)

    def proxy_manager_for(self, proxy: str, **options: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = _pools(self._wire, guarded=False)
        return manager


def _pools(wire: Wire, *, guarded: bool) -> dict[str, type[HTTPConnectionPool]]:
    known = {"wire": wire, "guarded": guarded}
    plain = type("Plain", (HTTPConnectionPool,), {"ConnectionCls": type("P", (_Watched,), known)})
    tls = type("Tls", (HTTPSConnectionPool,), {"ConnectionCls": type("T", (_WatchedTls,), known)})
    return {"http": plain, "https": tls}


def _seconds(timeout: Any) -> float | None:
    return timeout if isinstance(timeout, int | float) else None
