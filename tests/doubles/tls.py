"""A TLS door in front of a broker that has none: with a good certificate the real thing, else an impostor."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import warnings
from pathlib import Path
from urllib.parse import urlsplit


class Door:
    """Listens on loopback and passes everything on to the broker `url`; remembers what it could read.

    Without `chain` it speaks no TLS. `heard` is what a client has told whoever stands behind this door.
    """

    def __init__(self, url: str, chain: Path | None, *, newest: ssl.TLSVersion | None = None) -> None:
        parts = urlsplit(url)
        self.broker = (parts.hostname or "", parts.port or 6379)
        self.trust = _server(chain, newest) if chain else None
        self.heard = b""
        self.knocks = 0
        self.changed = threading.Condition()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def url(self, user: str, password: str, name: str = "localhost") -> str:
        """The address for a client that wants TLS."""
        return f"rediss://{user}:{password}@{name}:{self.listener.getsockname()[1]}/0"

    def await_knocks(self, many: int, within: float = 60) -> None:
        """Return once so many connections were made."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.knocks >= many, within)

    def close(self) -> None:
        """No more connections; those that are open end."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for one in list(self.open):
            _end(one)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with self.changed:
            self.knocks += 1
            self.changed.notify_all()
        try:
            inside = self.trust.wrap_socket(client, server_side=True) if self.trust else client
        except OSError:
            client.close()
            return
        broker = socket.create_connection(self.broker)
        self.open += [inside, broker]
        threading.Thread(target=_pump, args=(broker, inside), daemon=True).start()
        with contextlib.suppress(OSError):
            while data := inside.recv(65536):
                self.heard += data
                broker.sendall(data)
        _end(broker)
        _end(inside)


def _server(chain: Path, newest: ssl.TLSVersion | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    if newest:
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is the point
            context.minimum_version = context.maximum_version = newest
    return context


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    _end(target)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
