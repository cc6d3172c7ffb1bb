"""A session at the warehouse: logged in with a fresh ticket, kept alive, and opened again after a cut."""

from __future__ import annotations

import contextlib
import ftplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from workers.backoff import Backoff
from workers.contract import Ticket
from workers.errors import HostError
from workers.report import Report

TIMEOUT = 60.0  # seconds without a byte in either direction
PATIENCE = 600.0  # seconds without progress before the attempt fails
BUFFER = 1024 * 1024
_TICK = 0.2  # seconds between two looks at a cancel while waiting

TakeTicket = Callable[[], Ticket]
T = TypeVar("T")


@contextmanager
def session(ticket: Ticket, ca_file: Path | None) -> Iterator[ftplib.FTP]:
    """A binary, passive FTP session, over TLS when the ticket says so; certificates are always checked."""
    ftp = _connection(ticket, ca_file)
    try:
        ftp.connect(ticket["host"], ticket["port"])
        keep_alive(ftp.sock)
        ftp.login(ticket["user"], ticket["password"])
        if isinstance(ftp, ftplib.FTP_TLS):
            ftp.prot_p()
        ftp.voidcmd("TYPE I")
        yield ftp
    finally:
        ftp.close()


def _connection(ticket: Ticket, ca_file: Path | None) -> ftplib.FTP:
    if not ticket["tls"]:
        return ftplib.FTP(timeout=TIMEOUT, encoding="ascii")  # noqa: S321 - the server decides, per warehouse, by its ticket
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return ftplib.FTP_TLS(timeout=TIMEOUT, encoding="ascii", context=context)  # noqa: S321 - with TLS


def keep_alive(connection: socket.socket | None) -> None:
    """The control connection is silent for hours during a transfer: keep routers from forgetting it."""
    if connection is None:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 6)


class Line:
    """Repeats a piece of work in new sessions until it is through.

    `take_ticket` is asked for each session. Progress renews the patience; without any for `patience` seconds
    the last error becomes a `HostError`.
    """

    def __init__(
        self,
        take_ticket: TakeTicket,
        ca_file: Path | None,
        report: Report,
        *,
        patience: float = PATIENCE,
        backoff: Backoff = Backoff(first=1.0, most=60.0),  # noqa: B008 - frozen
    ) -> None:
        self._take_ticket = take_ticket
        self._ca_file = ca_file
        self._report = report
        self._patience = patience
        self._backoff = backoff
        self._moved = time.monotonic()
        self._delays = backoff.delays()

    def moved(self) -> None:
        """Bytes went through: start counting anew."""
        self._moved = time.monotonic()
        self._delays = self._backoff.delays()

    def through(self, work: Callable[[ftplib.FTP], T]) -> T:
        """What `work` returns, in this session or a later one."""
        self.moved()
        while True:
            try:
                with session(self._take_ticket(), self._ca_file) as ftp:
                    return work(ftp)
            except ssl.SSLCertVerificationError as error:
                raise HostError(
                    "bad_certificate",
                    f"The certificate of the warehouse is not trusted ({error.verify_message}): "
                    "name its CA in ca_file.",
                ) from error
            except ftplib.error_perm as error:
                raise HostError("warehouse_refused", f"The warehouse refused: {_words(error)}") from error
            except (*_CUT, HostError) as error:
                self._wait(error)

    def _wait(self, error: Exception) -> None:
        if isinstance(error, HostError) and error.code != "server_away":
            raise error
        if time.monotonic() - self._moved > self._patience:
            raise HostError(
                "warehouse_away",
                f"No byte went to or from the warehouse for {self._patience:.0f} s ({_words(error)}): "
                "check its process and the network.",
            ) from error
        delay = next(self._delays)
        self._report.log(f"warehouse: {_words(error)}; next try in {delay:.0f} s")
        until = time.monotonic() + delay
        while (left := until - time.monotonic()) > 0:
            self._report.check()
            time.sleep(min(left, _TICK))


_CUT = (OSError, EOFError, ftplib.error_temp, ftplib.error_reply, ftplib.error_proto)


def _words(error: Exception) -> str:
    return str(error).splitlines()[0][:300] if str(error) else type(error).__name__


def size(ftp: ftplib.FTP, name: str) -> int:
    """Bytes of `name` that are at the warehouse; 0 when there is none."""
    try:
        return ftp.size(name) or 0
    except ftplib.error_perm as refusal:
        if str(refusal).startswith("550"):
            return 0
        raise


def finish(ftp: ftplib.FTP, data: socket.socket) -> None:
    """End a transfer properly: TLS says goodbye first, so that an end is not mistaken for a cut."""
    if isinstance(data, ssl.SSLSocket):
        with contextlib.suppress(OSError):
            data.unwrap()
    data.close()
    ftp.voidresp()
