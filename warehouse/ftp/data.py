"""Data connections: what the FTP library does, and what it gets wrong about refusals."""

from __future__ import annotations

import sys
from typing import Any

from pyftpdlib.handlers import DTPHandler, TLS_DTPHandler
from pyftpdlib.log import logger as library

from warehouse.ftp.log import logger
from warehouse.ftp.upload import Upload

STALL_SECONDS = 120


class Data(DTPHandler):  # type: ignore[misc]  # the library has no types
    """A data connection whose upload may have been answered before its end."""

    _resp: tuple[Any, ...]
    timeout = STALL_SECONDS
    ac_in_buffer_size = 256 << 10
    ac_out_buffer_size = 1 << 20

    def close(self) -> None:
        """Let go of the file first: a peer that is slow to say goodbye must not keep it locked."""
        upload = self.file_obj
        if isinstance(upload, Upload):
            upload.close()
            if upload.refused:
                self.transfer_finished = False
                self._resp = ()
        super().close()

    def handle_error(self) -> None:
        """Answer, close, and leave a trace: under TLS the library would keep the client waiting."""
        logger(step="data", host=self.cmd_channel.remote_ip).warning(
            "transfer broken", exc_info=sys.exc_info()
        )
        self._resp = ("426 Transfer aborted.", library.debug)
        self._error = True  # no TLS farewell on a broken connection
        self.close()


class PlainData(Data):
    """Without TLS."""


class TLSData(Data, TLS_DTPHandler):  # type: ignore[misc]
    """With TLS."""
