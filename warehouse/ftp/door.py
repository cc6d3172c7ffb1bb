"""One control connection: who may come in, which commands pass, and how a visit ends."""

# ruff: noqa: N802 - the FTP library finds a command by a method of its name

from __future__ import annotations

import socket
import sys
from typing import Any, ClassVar, Final

from OpenSSL import SSL
from pyftpdlib.handlers import FTPHandler

from warehouse.ftp import commands
from warehouse.ftp.data import PlainData
from warehouse.ftp.depot import Depot
from warehouse.ftp.log import logger
from warehouse.ftp.names import is_attempt, stem_of
from warehouse.ftp.refusal import BAD_NAME, GOING_AWAY, NOT_ALLOWED, NOT_LOGGED_IN, Refused, one_line
from warehouse.ftp.tickets import Ticket
from warehouse.ftp.visits import Visit
from workers.contract import Step

LONGEST_LINE: Final = 16 << 10  # the list of four files with the longest names fits several times
LOGIN_SECONDS: Final = 60
IDLE_SECONDS: Final = 300
LOOK_EVERY: Final = 0.5
STEPS: Final = {"STOR": Step.UPLOADING, "RETR": Step.DOWNLOADING}


class Door(FTPHandler):  # type: ignore[misc]  # the library has no types
    """Default-deny: every command passes `_admit` before the library sees it."""

    depot: ClassVar[Depot]
    proto_cmds = commands.PLAIN
    features: ClassVar[tuple[str, ...]] = commands.FEATURES
    dtp_handler = PlainData
    timeout = LOGIN_SECONDS
    max_login_attempts = 1
    auth_failed_timeout = 3
    permit_foreign_addresses = False
    permit_privileged_ports = False
    log_prefix = "%(remote_ip)s"  # a stranger's user name has no place in our logs

    _in_buffer: list[bytes]
    _in_buffer_len: int
    _idler: Any
    _ticker: Any = None
    _visit: Visit | None = None
    _tried = False

    def handle(self) -> None:
        """Greet; notice peers that vanish during hours of transfer."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
        super().handle()

    def collect_incoming_data(self, data: bytes) -> None:
        """Keep what may become a line; hang up on what never ends."""
        self._in_buffer.append(data)
        self._in_buffer_len += len(data)
        if self._in_buffer_len > LONGEST_LINE:
            self._in_buffer, self._in_buffer_len = [], 0
            self._hang_up("500 Command too long.")

    def pre_process_command(self, _line: str, cmd: str, arg: str) -> None:
        """Carry out a command that the table, the ticket and the name rules allow."""
        if self._closed or self._closing:
            return
        cmd, arg = commands.split(cmd, arg)
        try:
            self._admit(cmd, arg)
            self.process_command(cmd, arg)
        except Refused as no:
            self._log(cmd).info("refused", reply=no.code, reason=str(no))
            self.respond(no.reply())

    def _admit(self, cmd: str, arg: str) -> None:
        rule = self.proto_cmds.get(cmd)
        if rule is None:
            raise Refused(502, f"{one_line(cmd)[:40]} is not available in this warehouse.")
        if rule.login and self._visit is None:
            raise Refused(NOT_LOGGED_IN, "Log in with USER and PASS first.")
        if rule.argument is not None and rule.argument != bool(arg):
            raise Refused(501, f"{cmd} needs {'an' if rule.argument else 'no'} argument.")
        if rule.right and self.ticket.right is not rule.right:
            raise Refused(NOT_ALLOWED, f"This ticket does not allow {cmd}: its right is {self.ticket.right}.")
        if rule.file and stem_of(arg) is None:
            raise Refused(BAD_NAME, "The warehouse keeps only NAME plus the suffix of an image's file.")

    def ftp_USER(self, line: str) -> None:
        """One login per connection, and only with names of our form."""
        if self._tried:
            raise Refused(503, "One login per connection; connect again.")
        if not is_attempt(line):
            raise Refused(NOT_LOGGED_IN, "The user must be <task>.<attempt>.")
        self.username = line
        self.respond("331 Send the ticket as password.")

    def ftp_PASS(self, line: str) -> None:
        """Check the ticket. A second try needs a new connection, also for a client that does not wait."""
        if self._tried or not self.username:
            raise Refused(503, "Send USER first, once per connection.")
        self._tried = True
        try:
            self._visit = self.depot.admit(self.username, line)
        except Refused as no:
            self._log("login").warning("login refused", reason=str(no))
            if no.code == GOING_AWAY:
                self._hang_up(no.reply())
            else:
                self.handle_auth_failed(str(no), "")
            return
        self._settle_in()

    def _settle_in(self) -> None:
        self.timeout = IDLE_SECONDS
        self._idler.cancel()
        self._idler = self.ioloop.call_later(self.timeout, self.handle_timeout, _errback=self.handle_error)
        self._ticker = self.ioloop.call_every(LOOK_EVERY, self._look, _errback=self.handle_error)
        self.handle_auth_success("/", "", "Welcome.")
        self._log("login").info("logged in", right=self.ticket.right)

    @property
    def ticket(self) -> Ticket:
        """What this login may do."""
        return self.visit.ticket

    @property
    def visit(self) -> Visit:
        """This login; raises `Refused` before there is one."""
        if self._visit is None:
            raise Refused(NOT_LOGGED_IN, "Log in with USER and PASS first.")
        return self._visit

    def ftp_FEAT(self, _line: str) -> None:
        """What clients may use."""
        self.push("211-Features:\r\n" + "".join(f" {feature}\r\n" for feature in self.features))
        self.respond("211 End.")

    def ftp_OPTS(self, line: str) -> None:
        """UTF-8 is all that there is."""
        if line.upper() not in {"UTF8 ON", "UTF8"}:
            raise Refused(501, "There are no options but UTF8 ON.")
        self.respond("200 Always in UTF-8.")

    def ftp_QUIT(self, _line: str) -> None:
        """Leave. A running transfer is cut: whoever wants its end waits for it."""
        self._hang_up("221 Goodbye.")

    def _look(self) -> None:
        """Each half second: must this visit end?"""
        try:
            self.depot.check(self.visit)
        except Refused as no:
            if self._closing:  # told before, and the peer does not read
                self.close()
                return
            self._log("leave").info("visit ended", reason=str(no))
            self._hang_up(no.reply())

    def _hang_up(self, reply: str) -> None:
        self.respond(reply)
        self.close_when_done()

    def close(self) -> None:
        """Leave the register when the connection is really gone."""
        super().close()
        if self._closed and self._visit is not None:
            if self._ticker is not None and not self._ticker.cancelled:
                self._ticker.cancel()
            self.depot.visits.left(self._visit)

    def log_transfer(self, **facts: Any) -> None:
        """One line per transfer."""
        kept = {key: facts[key] for key in ("completed", "bytes", "elapsed")}
        self._log(STEPS.get(facts["cmd"], "listing")).info("transfer over", name=facts["filename"], **kept)

    def log_exception(self, instance: object) -> None:
        """A broken session: with its trace, unless the peer merely spoke no good TLS."""
        about, error = type(instance).__name__, sys.exc_info()[1]
        if isinstance(error, SSL.Error):
            self._log("session").warning("no good TLS", reason=one_line(str(error)))
        else:
            self._log("session").error("session broken", instance=about, exc_info=sys.exc_info())

    def _log(self, step: str) -> Any:
        if self._visit is None:
            return logger(host=self.remote_ip, step=step.lower())
        ticket = self._visit.ticket
        return logger(order=ticket.order, task=ticket.task, host=self.remote_ip, step=step.lower())
