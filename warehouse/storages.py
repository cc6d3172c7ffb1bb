"""How the web reads what a warehouse keeps: from a folder that it sees itself, or through the FTP server.

django-storages' own FTP storage loads a whole file into memory, checks no certificate and puts the password
into its error messages. Images have gigabytes and passwords are tickets: ours streams, checks and is silent.
"""

from __future__ import annotations

import ftplib  # the warehouse speaks FTP, encrypted where it has a certificate
import io
import socket
import ssl
from collections.abc import Callable
from typing import Any

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage
from storages.backends.ftp import FTPStorage  # type: ignore[import-untyped]
from typing_extensions import Buffer

from workers.contract import Ticket

__all__ = ["FileSystemStorage", "Storage", "TicketFTPStorage"]

BUFFER = 1024 * 1024
CONNECT_SECONDS = 20
IDLE_SECONDS = 60
TRIES = 3


class TicketFTPStorage(FTPStorage):  # type: ignore[misc]  # the library has no types
    """The published files of one order, through the warehouse's FTP server. Read only.

    `ticket` makes a fresh login each time that one is needed; no password is kept.
    """

    def __init__(self, ticket: Callable[[], Ticket]) -> None:
        self._ticket = ticket
        super().__init__(location="ftp://ticket:ticket@warehouse:21/", base_url=None)

    def connect(self) -> ftplib.FTP:
        """A fresh login; encrypted, and the certificate checked, where the ticket says so. Raises OSError."""
        ticket = self._ticket()
        ftp = _tls() if ticket["tls"] else ftplib.FTP(timeout=IDLE_SECONDS)  # noqa: S321
        try:
            ftp.connect(ticket["host"], ticket["port"], timeout=CONNECT_SECONDS)
            ftp.login(ticket["user"], ticket["password"])
            if isinstance(ftp, ftplib.FTP_TLS):
                ftp.prot_p()
            ftp.voidcmd("TYPE I")
        except ftplib.all_errors as error:
            ftp.close()
            raise _failed("log in", f"{ticket['host']}:{ticket['port']}", error) from None
        return ftp

    def size(self, name: str) -> int:
        """Bytes of the file. Raises FileNotFoundError, or another OSError."""
        ftp = self.connect()
        try:
            return ftp.size(name) or 0
        except ftplib.error_perm as error:
            raise FileNotFoundError(f"no such file in the warehouse: {name}") from error
        except ftplib.all_errors as error:
            raise _failed("ask for the size of", name, error) from error
        finally:
            ftp.close()

    def exists(self, name: str) -> bool:
        """Whether it is there."""
        try:
            self.size(name)
        except FileNotFoundError:
            return False
        return True

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        if mode != "rb":
            raise io.UnsupportedOperation("published files are only read")
        size = self.size(name)
        file: File[bytes] = File(io.BufferedReader(RemoteFile(self, name, size), BUFFER), name)
        file.size = size  # known: nobody has to seek for it
        return file

    def _save(self, name: str, content: Any) -> str:  # noqa: ARG002  # the storage interface
        raise io.UnsupportedOperation(f"{name}: images are published by creators alone")

    def delete(self, name: str) -> None:
        """Never: the warehouse deletes by itself what the server has given up."""
        raise io.UnsupportedOperation(f"{name}: images are removed by the warehouse alone")


class RemoteFile(io.RawIOBase):
    """A file on the FTP server. A seek costs a new connection (`REST`); reading goes on in one.

    A transfer that is cut is taken up again where it stopped, up to three times without a byte between.
    """

    def __init__(self, storage: TicketFTPStorage, name: str, size: int) -> None:
        self._storage = storage
        self._name = name
        self._size = size
        self._position = 0
        self._ftp: ftplib.FTP | None = None
        self._data: socket.socket | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if position < 0:
            raise ValueError(f"negative position: {position}")
        if position != self._position:
            self._hang_up()
        self._position = position
        return position

    def readinto(self, buffer: Buffer) -> int:
        """The next bytes, at most up to the size that the file had when it was opened."""
        view = memoryview(buffer)[: max(0, self._size - self._position)]
        if not view:
            return 0
        for _ in range(TRIES):
            if count := self._receive(view):
                self._position += count
                return count
            self._hang_up()
        raise OSError(f"the warehouse stopped in the middle of {self._name}, at byte {self._position}")

    def close(self) -> None:
        self._hang_up()
        super().close()

    def _receive(self, view: memoryview) -> int:
        """Bytes received; 0 when the transfer is cut."""
        try:
            return self._stream().recv_into(view)
        except ftplib.error_perm as error:
            raise FileNotFoundError(f"no longer in the warehouse: {self._name}") from error
        except ftplib.all_errors:
            return 0

    def _stream(self) -> socket.socket:
        if self._data is None:
            self._ftp = self._storage.connect()
            self._data, _ = self._ftp.ntransfercmd(f"RETR {self._name}", rest=self._position or None)
            self._data.settimeout(IDLE_SECONDS)
        return self._data

    def _hang_up(self) -> None:
        """Close both connections at once; the server needs no farewell."""
        if self._data is not None:
            self._data.close()
        if self._ftp is not None:
            self._ftp.close()
        self._data = self._ftp = None


def _tls() -> ftplib.FTP_TLS:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return ftplib.FTP_TLS(context=context, timeout=IDLE_SECONDS)  # noqa: S321


def _failed(what: str, whom: str, error: BaseException) -> OSError:
    """All that FTP can raise as one kind of error. The reply may be told; a password never is in it."""
    return OSError(f"the warehouse's FTP server: cannot {what} {whom}: {error}")
