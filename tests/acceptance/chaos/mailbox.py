"""A real SMTP server that keeps what it gets; now and then it is busy, or hangs up when it has a mail."""

from __future__ import annotations

import email
import logging
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

from aiosmtpd.controller import Controller

logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd tells of each command


@dataclass(frozen=True)
class Mail:
    """One delivery."""

    message_id: str
    subject: str
    to: tuple[str, ...]


class Mailbox:
    """Listens on a port of loopback until stopped."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.mails: list[Mail] = []
        self.refusals = 0  # of the next deliveries so many are put off
        self.hang_ups = 0  # after so many of the next ones the sender hears no answer
        self.unanswered: Counter[str] = Counter()  # by Message-ID: those may come again
        self._lock = threading.Lock()
        self._controller = Controller(self, hostname="127.0.0.1", port=port)
        self._controller.start()

    def stop(self) -> None:
        """Listen no more."""
        self._controller.stop()

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's
        message = email.message_from_bytes(envelope.content)
        mail = Mail(
            str(message["Message-ID"]), " ".join(str(message["Subject"]).split()), tuple(envelope.rcpt_tos)
        )
        with self._lock:
            if self.refusals:
                self.refusals -= 1
                return "451 Busy, try again later"
            self.mails.append(mail)
            if self.hang_ups:
                self.hang_ups -= 1
                self.unanswered[mail.message_id] += 1
                server.transport.close()
            return "250 Taken"

    def delivered(self) -> Counter[str]:
        """How often each Message-ID came."""
        with self._lock:
            return Counter(mail.message_id for mail in self.mails)
