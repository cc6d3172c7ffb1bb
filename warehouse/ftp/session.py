"""What a login may do: list, store, read, publish - in the one folder that its ticket names."""

# ruff: noqa: N802 - the FTP library finds a command by a method of its name

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyftpdlib.handlers import TLS_FTPHandler
from pyftpdlib.handlers.ftp.producers import FileProducer

from warehouse.ftp import commands, folders, publication
from warehouse.ftp.data import TLSData
from warehouse.ftp.door import Door
from warehouse.ftp.incoming import Incoming
from warehouse.ftp.refusal import BAD_OFFSET, DISK_FULL, NOT_ALLOWED, TRY_AGAIN, Refused
from workers.contract import Right, Step


class Session(Door):
    """The file commands."""

    _in_dtp_queue: Any
    _out_dtp_queue: Any
    _restart_position: int

    @property
    def _folder(self) -> Path:
        layout, ticket = self.depot.layout, self.ticket
        return layout.attempt(ticket.user) if ticket.right is Right.STORE else layout.image(ticket.order)

    @property
    def _incoming(self) -> Incoming:
        return self.depot.incoming(self.ticket.user)

    def ftp_STOR(self, name: str) -> None:
        """Receive a file, or its rest after `REST <size so far>`."""
        offset, self._restart_position = self._restart_position, 0
        self._make_ready()
        try:
            upload = self._incoming.store(name, offset, self.ticket.max_bytes)
        except OSError as error:
            raise Refused(
                DISK_FULL, f"{name} cannot be written: {error.strerror}; try again later."
            ) from error
        upload.on_refused = self._upload_refused
        upload.on_drained = self._upload_drained
        self._log(Step.UPLOADING).info("upload begins", name=name, offset=offset)
        if self.data_channel is None:
            self._in_dtp_queue = (upload, "STOR")
            self.respond("150 Connect and send.")
        else:
            self.data_channel.file_obj = upload
            self.respond("125 Send.")
            self.data_channel.enable_receiving("i", "STOR")

    def ftp_RETR(self, name: str) -> None:
        """Send a file, from `REST` on."""
        offset, self._restart_position = self._restart_position, 0
        self._make_ready()
        file = folders.open_for_reading(self._folder, name)
        size = file.seek(0, os.SEEK_END)
        if offset > size:
            file.close()
            raise Refused(BAD_OFFSET, f"{name} has {size} bytes: it cannot be read from {offset} on.")
        file.seek(offset)
        self.push_dtp_data(FileProducer(file, "i"), isproducer=True, file=file, cmd="RETR")

    def ftp_SIZE(self, name: str) -> None:
        """Bytes of a file; while it arrives, the bytes so far."""
        facts = folders.entries(self._folder).get(name)
        if facts is None:
            raise Refused(NOT_ALLOWED, f"{name} does not exist.")
        self.respond(f"213 {facts.st_size}")

    def ftp_LIST(self, arg: str) -> None:
        """The folder, for people."""
        self._list(arg, folders.plain_listing, "LIST")

    def ftp_MLSD(self, arg: str) -> None:
        """The folder, for machines."""
        self._list(arg, folders.machine_listing, "MLSD")

    def ftp_NLST(self, arg: str) -> None:
        """The folder, names only."""
        self._list(arg, folders.name_listing, "NLST")

    def ftp_ABOR(self, line: str) -> None:
        """Give up the running transfer, and one that waits for its data connection."""
        self._drop_queued()
        super().ftp_ABOR(line)

    def ftp_SITE_PUBLISH(self, argument: str) -> None:
        """Make the uploaded files the order's image."""
        files = publication.parse(argument)
        visit = self.visit
        log = self._log(Step.PUBLISHING)
        try:
            self.depot.publisher.publish(visit.ticket, self._incoming, files, lambda: self.depot.check(visit))
        except OSError as error:
            log.exception("publishing failed")
            raise Refused(TRY_AGAIN, f"The warehouse's disk failed: {error.strerror}.") from error
        finally:
            if not self._idler.cancelled:
                self._idler.reset()  # hashing may have taken longer than a client may be idle
        log.info("published", files=len(files), bytes=sum(facts["size"] for facts in files))
        self.respond("250 Published.")

    def _list(self, arg: str, listing: Callable[[Path], str], cmd: str) -> None:
        if arg not in commands.HERE:
            raise Refused(NOT_ALLOWED, "There is one folder here; list it without an argument.")
        self._make_ready(binary=False)
        self.push_dtp_data(listing(self._folder).encode(), cmd=cmd)

    def _make_ready(self, *, binary: bool = True) -> None:
        """One transfer at a time, over a data connection that was asked for, without changing a byte."""
        if binary and self._current_type != "i":
            raise Refused(504, "Files are bytes: send TYPE I first.")
        self._drop_queued()
        if self.data_channel is not None and self.data_channel.file_obj is not None:
            raise Refused(TRY_AGAIN, "A transfer is running here; wait for its end, or send ABOR.")
        if self.data_channel is None and self._dtp_acceptor is None:
            raise Refused(425, "Send PASV or EPSV first.")

    def _drop_queued(self) -> None:
        """Forget a transfer that never got its data connection."""
        if self._in_dtp_queue:
            self._in_dtp_queue[0].close()
        if self._out_dtp_queue and self._out_dtp_queue[2]:
            self._out_dtp_queue[2].close()
        self._in_dtp_queue = self._out_dtp_queue = None

    def _upload_refused(self, no: Refused) -> None:
        self._log(Step.UPLOADING).warning("upload refused", reply=no.code, reason=str(no))
        self.respond(no.reply())

    def _upload_drained(self) -> None:
        if self.data_channel is not None:
            self.data_channel.close()


class PlainSession(Session):
    """Without TLS: loopback and closed networks."""


class TLSSession(Session, TLS_FTPHandler):  # type: ignore[misc]
    """With TLS, required for control and data."""

    proto_cmds = commands.TLS
    features = commands.FEATURES + commands.TLS_FEATURES
    dtp_handler = TLSData
    tls_control_required = True
    tls_data_required = True

    def ftp_AUTH(self, line: str) -> None:
        """Begin TLS; what somebody slipped in behind the command in clear is not read as a command."""
        super().ftp_AUTH(line)
        self.ac_in_buffer = b""
