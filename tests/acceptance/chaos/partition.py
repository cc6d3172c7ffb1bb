"""A host in a network namespace of its own: a link that drops what it should carry, or is pulled; needs root.

Inside, loopback addresses lead through the link to the loopback of this machine, so the host's processes need
not know. What is dropped is dropped silently: connections hang, as they do behind a broken router.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

TOOLS = ("ip", "iptables", "nsenter")
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
MISSING = "a network namespace needs root, and iproute2, iptables and util-linux"


def possible() -> bool:
    """Whether this machine lets us."""
    return os.geteuid() == 0 and all(shutil.which(tool, path=PATH) for tool in TOOLS)


class Island:
    """The namespace `name`, joined to this machine by one link. `number` tells several apart (0 to 63)."""

    def __init__(self, name: str, number: int) -> None:
        self.name = f"{name}-{os.getpid()}"
        self._ours, self._theirs = f"ch{os.getpid() % 10**6}o{number}", f"ch{os.getpid() % 10**6}t{number}"
        net = f"10.213.{os.getpid() % 250}"
        self._here, self._there = f"{net}.{4 * number + 1}", f"{net}.{4 * number + 2}"
        self._undo = ExitStack()
        try:
            self._build()
        except BaseException:
            self.remove()
            raise

    @property
    def prefix(self) -> list[str]:
        """Words before a command that shall run there."""
        return ["nsenter", f"--net=/run/netns/{self.name}", "--"]

    def drop(self, *, on: bool) -> None:
        """Swallow every packet of the link, or carry them again."""
        for chain, way in (("INPUT", "-i"), ("OUTPUT", "-o")):
            self._inside("iptables", "-A" if on else "-D", chain, way, self._theirs, "-j", "DROP")

    def pull(self, *, on: bool) -> None:
        """Pull the link's plug, or put it back."""
        _run("ip", "-n", self.name, "link", "set", self._theirs, "down" if on else "up")

    def remove(self) -> None:
        """Leave nothing of it behind. Its processes have ended."""
        self._undo.close()

    def _build(self) -> None:
        _run("ip", "netns", "add", self.name)
        self._undo.callback(_run, "ip", "netns", "del", self.name)
        _run("ip", "link", "add", self._ours, "type", "veth", "peer", self._theirs, "netns", self.name)
        _run("ip", "addr", "add", f"{self._here}/30", "dev", self._ours)
        _run("ip", "link", "set", self._ours, "up")
        _run("ip", "-n", self.name, "addr", "add", f"{self._there}/30", "dev", self._theirs)
        for device in ("lo", self._theirs):
            _run("ip", "-n", self.name, "link", "set", device, "up")
        Path(f"/proc/sys/net/ipv4/conf/{self._ours}/route_localnet").write_text("1")
        self._inside("sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet")
        out = ["OUTPUT", "-d", "127.0.0.1", "-p", "tcp", "-j", "DNAT", "--to-destination", self._here]
        self._inside("iptables", "-t", "nat", "-A", *out)
        back = ["POSTROUTING", "-o", self._theirs, "-j", "SNAT", "--to-source", self._there]
        self._inside("iptables", "-t", "nat", "-A", *back)
        rule = ["PREROUTING", "-i", self._ours, "-p", "tcp", "-d", self._here, "-j", "DNAT"]
        rule += ["--to-destination", "127.0.0.1"]
        _run("iptables", "-t", "nat", "-A", *rule)
        self._undo.callback(_run, "iptables", "-t", "nat", "-D", *rule)

    def _inside(self, *argv: str) -> None:
        _run(*self.prefix, *argv)


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, env={**os.environ, "PATH": PATH}, capture_output=True)
