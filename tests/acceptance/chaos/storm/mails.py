"""The mail server of the storm: takes every mail and remembers it."""

from __future__ import annotations

import email
import logging
from collections import Counter
from typing import Any

from aiosmtpd.controller import Controller

from imager.stack.line import free_port


class Sink:
    """Mails by Message-ID."""

    def __init__(self) -> None:
        self.copies: Counter[str] = Counter()
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port())
        logging.getLogger("mail.log").setLevel(logging.WARNING)
        self._controller.start()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        mail = email.message_from_bytes(envelope.content)
        self.copies[str(mail["Message-ID"])] += 1
        return "250 OK"

    @property
    def port(self) -> int:
        return int(self._controller.port)

    def stop(self) -> None:
        self._controller.stop()
