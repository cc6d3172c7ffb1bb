"""A real FTP server (pyftpdlib) that takes any ticket and, when told to, cuts transfers like a bad link."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

from workers.contract import Ticket

with warnings.catch_warnings():  # it imports asyncore, which Python 3.11 calls outdated
    warnings.simplefilter("ignore", DeprecationWarning)
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.filesystems import AbstractedFS
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer


class Cut:
    """A file that ends after `limit` bytes, whatever its size: a transfer that ends too early."""

    def __init__(self, file: Any, limit: int) -> None:
        self._file, self._left = file, limit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, size: int) -> bytes:
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data


class Files(AbstractedFS):
    def open(self, filename: str, mode: str) -> Any:
        file, limit = super().open(filename, mode), self.cmd_channel.double.cut_after
        return file if limit is None else Cut(file, limit)


class Anybody(DummyAuthorizer):
    """Every user may read; who came is remembered."""

    def __init__(self, root: Path, users: list[str]) -> None:
        super().__init__()
        self._root, self._users = root, users

    def validate_authentication(self, username: str, password: str, handler: Any) -> None:
        self._users.append(f"{username}:{password}")
        if not super().has_user(username):
            self.add_user(username, password, str(self._root), perm="elr")


class Handler(FTPHandler):
    abstracted_fs = Files
    use_sendfile = False
    double: Server

    def ftp_RETR(self, file: str) -> Any:  # noqa: N802  # the library finds commands by name
        self.double.transfers.append(self._restart_position)
        return super().ftp_RETR(file)


class Server:
    """Listens on loopback until `stop()`. `cut_after`: bytes per transfer, or None for all of them."""

    def __init__(self, root: Path) -> None:
        self.cut_after: int | None = None
        self.users: list[str] = []
        self.transfers: list[int] = []
        handler = type("Ours", (Handler,), {"double": self, "authorizer": Anybody(root, self.users)})
        self._server = FTPServer(("127.0.0.1", 0), handler, ioloop=IOLoop())
        self.port: int = self._server.address[1]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def ticket(self) -> Ticket:
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "tls": False,
            "user": "task.1",
            "password": "secret-ticket",
            "right": "read",
            "expires_in": 600,
        }

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._server.ioloop.loop(timeout=0.05, blocking=False)
        self._server.close_all()
