"""An FTP warehouse in this process: pyftpdlib with one account, `SITE PUBLISH`, and knobs for trouble."""

from __future__ import annotations

import hashlib
import json
import threading
import warnings
from pathlib import Path
from typing import Any

with warnings.catch_warnings():  # asyncore, which Python 3.12 lacks, warns on Python 3.11
    warnings.simplefilter("ignore", DeprecationWarning)
    from pyftpdlib.authorizers import AuthenticationFailed, DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler, ThrottledDTPHandler, TLS_FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer

PASSWORD = "eyJ0aWNrZXQi.dGhlLXRpY2tldC1vZi1hbg.YXR0ZW1wdA"


class _AnyUser(DummyAuthorizer):
    """Every user with the right ticket, at home in one folder."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self.home = home

    def validate_authentication(self, username: str, password: str, handler: Any) -> None:
        if password != PASSWORD:
            raise AuthenticationFailed("530 the ticket is not good")
        if username not in self.user_table:
            self.add_user(username, password, str(self.home), perm="elrw")


class Warehouse:
    """Serves `home`.

    `cut_after`: bytes of a transfer after which its connection dies, while `cuts` last.
    `hold_after`: bytes of a download after which no more comes until it is None again; `held` is set then.
    `take_at_most`: bytes of an upload after which not another one is taken; then `full` is set.
    """

    def __init__(self, home: Path, *, rate: int = 0, certificate: Path | None = None) -> None:
        self.home = home
        self.cut_after = 0
        self.cuts = 0
        self.hold_after: int | None = None
        self.take_at_most: int | None = None
        self.full = threading.Event()
        self.held = threading.Event()
        self.reads: list[tuple[str, int]] = []
        self.busy = 0  # so many times `450` to PUBLISH
        self.logins = 0
        self.published: list[dict[str, Any]] = []
        self.stores: list[tuple[str, int]] = []
        self._loop = IOLoop()
        handler = self._handler(rate, certificate)
        self._server = FTPServer(("127.0.0.1", 0), handler, ioloop=self._loop)
        self.port = self._server.address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"timeout": 0.02, "handle_exit": False}
        )
        self._thread.start()

    @property
    def ticket(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self.port, "tls": False, "password": PASSWORD}

    def close(self) -> None:
        self._loop.call_later(0, self._server.close_all)
        self._thread.join()

    def _take(self, page: str) -> str:
        if self.busy:
            self.busy -= 1
            return "450 not now"
        files = json.loads(bytes.fromhex(page))
        for facts in files:
            data = (self.home / facts["name"]).read_bytes()
            if (len(data), hashlib.sha256(data).hexdigest()) != (facts["size"], facts["sha256"]):
                return f"550 {facts['name']} has another digest"
        self.published.append(files)
        return "250 published"

    def _handler(self, rate: int, certificate: Path | None) -> type[FTPHandler]:
        base = TLS_FTPHandler if certificate else FTPHandler
        data = _data_class(self, ThrottledDTPHandler if rate else base.dtp_handler)
        data.read_limit = data.write_limit = rate
        handler = _control_class(self, base)
        handler.dtp_handler = data
        if certificate:
            handler.certfile = str(certificate)
            handler.tls_control_required = handler.tls_data_required = True
        return handler


def _data_class(house: Warehouse, base: Any) -> Any:
    class Data(base):
        ac_in_buffer_size = ac_out_buffer_size = 16 * 1024

        def handle_read(self) -> None:
            super().handle_read()
            self._count(self.tot_bytes_received)
            if house.take_at_most is not None and self.tot_bytes_received >= house.take_at_most:
                self.del_channel()
                house.full.set()

        handle_read_event = handle_read  # as the base class has it

        def handle_write(self) -> None:
            if house.hold_after is not None and self.tot_bytes_sent >= house.hold_after:
                house.held.set()
                self.del_channel()
                self.ioloop.call_later(0.05, self._look_again)
                return
            super().handle_write()
            self._count(self.tot_bytes_sent)

        def _look_again(self) -> None:
            if not self._closed:
                self.add_channel(events=self.ioloop.WRITE)

        def _count(self, moved: int) -> None:
            if house.cuts and moved >= house.cut_after:
                house.cuts -= 1
                self.cmd_channel.close()
                self.close()

    return Data


def _control_class(house: Warehouse, base: Any) -> Any:
    publish = {"perm": None, "auth": True, "arg": True, "help": "SITE PUBLISH <hex>"}

    class Control(base):
        authorizer = _AnyUser(house.home)
        use_sendfile = False
        proto_cmds = {**base.proto_cmds, "SITE PUBLISH": publish}

        def on_login(self, username: str) -> None:
            house.logins += 1

        def ftp_STOR(self, file: str, mode: str = "w") -> Any:  # noqa: N802 - the library's name
            house.stores.append((Path(file).name, self._restart_position))
            return super().ftp_STOR(file, mode)

        def ftp_RETR(self, file: str) -> Any:  # noqa: N802
            house.reads.append((Path(file).name, self._restart_position))
            return super().ftp_RETR(file)

        def ftp_SITE_PUBLISH(self, line: str) -> None:  # noqa: N802
            self.respond(house._take(line))

    return Control
