"""The archive that a kernel unpacks into memory (cpio, `newc`), and the modules that go into it in order."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_TRAILER: Final = "TRAILER!!!"


def archive(entries: Iterable[bytes]) -> bytes:
    """A whole archive. Several may follow each other: the kernel unpacks them one over the other."""
    return b"".join([*entries, entry(_TRAILER, 0)])


def entry(name: str, mode: int, data: bytes = b"") -> bytes:
    """One member, owned by root; for a link, `data` is what it points to."""
    raw_name = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw_name), 0)
    header = b"070701" + "".join(f"{field:08X}" for field in fields).encode()
    return _to_four(header + raw_name) + _to_four(data)


def tree(folder: Path, at: str = "") -> Iterable[bytes]:
    """All that is in a folder, as members below `at`; a folder comes before what is in it."""
    for path in sorted(folder.rglob("*")):
        name = f"{at}{path.relative_to(folder)}"
        mode = path.lstat().st_mode
        if path.is_symlink():
            yield entry(name, mode, str(path.readlink()).encode())
        elif path.is_dir():
            yield entry(name, stat.S_IFDIR | 0o755)
        else:
            yield entry(name, mode, path.read_bytes())


def modules(kernel: Path, wanted: Iterable[str]) -> list[Path]:
    """The kernel's modules with those that they need, in the order in which they can be loaded."""
    known = {_plain(path.stem): path for path in kernel.rglob("*.ko")}
    order: list[Path] = []

    def add(name: str) -> None:
        path = known[name]
        if path in order:
            return
        told = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
        for needed in told[1].decode().split(",") if told and told[1] else ():
            add(_plain(needed))
        order.append(path)

    for name in wanted:
        add(_plain(name))
    return order


def module_entries(order: Iterable[Path]) -> list[bytes]:
    """`modules/*.ko`, and `modules/list` that names them in their order."""
    found = list(order)
    names = "".join(f"{path.name}\n" for path in found).encode()
    files = [entry(f"modules/{path.name}", 0o100644, path.read_bytes()) for path in found]
    return [*files, entry("modules/list", 0o100644, names)]


def _plain(name: str) -> str:
    return name.replace("-", "_")


def _to_four(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
