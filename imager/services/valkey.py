"""The embedded Valkey: the broker that carries doorbells, on a loopback port, its users in an ACL file."""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path

from imager.services import packages, process
from imager.services.layout import Layout, Passwords, account, write_private

NAME = "Valkey"

CONFIGURATION = """\
bind 127.0.0.1
port {port}
protected-mode yes
daemonize no
dir ./
aclfile users.acl
appendonly {appendonly}
appendfsync everysec
save ""
maxmemory-policy noeviction
"""


def start(layout: Layout, passwords: Passwords, *, port: int, guard: int, fsync: bool) -> process.Server:
    """A Valkey of this `var` that answers on `port`."""
    _write(layout.valkey / "users.acl", _users(layout.valkey / "users.acl", passwords))
    configuration = CONFIGURATION.format(port=port, appendonly="yes" if fsync else "no")
    _write(layout.valkey / "valkey.conf", configuration)
    binary = packages.valkey()
    server = process.start(
        NAME,
        [str(binary), "valkey.conf"],
        reads=[binary],
        folder=layout.valkey,
        log=layout.log("valkey"),
        guard=guard,
        death_signal=signal.SIGTERM,
        stop_signals=((signal.SIGTERM, 10),),
    )
    try:
        server.await_ready("Ready to accept connections")
    except BaseException:
        server.stop()
        raise
    return server


def url(passwords: Passwords, port: int) -> str:
    """The address for the product, as the default user."""
    return f"redis://:{passwords.redis}@127.0.0.1:{port}/0"


def _users(acl: Path, passwords: Passwords) -> str:
    """The ACL file's text: our default user, and all others as `ACL SAVE` has left them."""
    saved = acl.read_text().splitlines() if acl.exists() else []
    digest = hashlib.sha256(passwords.redis.encode()).hexdigest()
    others = [line for line in saved if line.strip() and line.split()[:2] != ["user", "default"]]
    return "\n".join([f"user default on #{digest} ~* &* +@all", *others, ""])


def _write(path: Path, text: str) -> None:
    write_private(path, text)
    if as_whom := account():
        os.chown(path, as_whom.uid, as_whom.gid)
