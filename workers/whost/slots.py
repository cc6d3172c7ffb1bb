"""The slots of this host: which reader goes by which name."""

from __future__ import annotations

import re
from argparse import Namespace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from workers.config import ConfigError, default_path, read_table, slots_of
from workers.contract import SlotState
from workers.imaging.sizes import readable
from workers.imaging.sysfs import Sysfs
from workers.whost.readers import readers, usb_storage
from workers.whost.store import change
from workers.writer.slots import SlotConfig, find

_SIZE = re.compile(r"(\d+)\s*(B|[kMGT]B|[KMGT]iB)?")
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def show(_options: Namespace, console: Console) -> int:
    """The table of slots, with what is in them now."""
    slots = slots_of(read_table(default_path()).get("slots", []), default_path())
    if not slots:
        console.print("No slots yet. See the readers with: python -m workers.whost slots readers")
        return 0
    table = Table("Slot", "Place", "Card", "Holds", "Problem")
    for slot in slots:
        state = find(slot)
        table.add_row(slot.name, place_of(slot), card_of(state), state["contents"], state["problem"])
    console.print(table)
    return 0


def add(options: Namespace, console: Console) -> int:
    """One slot more; a name or place that is taken is refused."""
    path = default_path()
    row: dict[str, Any] = {"name": options.name}
    if options.port:
        row["port"] = options.port
    if options.device:
        row["device"] = str(Path(options.device).absolute())
    if options.max_size:
        row["max_bytes"] = size_of(options.max_size)
    change(path, slots=[*read_table(path).get("slots", []), row])
    console.print(f"Slot {options.name} added to {path}.")
    return 0


def remove(options: Namespace, console: Console) -> int:
    """One slot less."""
    path = default_path()
    rows = read_table(path).get("slots", [])
    left = [row for row in rows if row.get("name") != options.name]
    if len(left) == len(rows):
        names = ", ".join(str(row.get("name")) for row in rows) or "none"
        raise ConfigError(f"There is no slot {options.name} in {path}; its slots are: {names}.")
    change(path, slots=left)
    console.print(f"Slot {options.name} removed from {path}.")
    return 0


def show_readers(_options: Namespace, console: Console) -> int:
    """The card readers that are plugged in, by USB port."""
    found = readers(Sysfs(), usb_storage())
    if not found:
        console.print("No card reader on USB. Plug one in, then ask again.")
        return 0
    table = Table("Port", "Reader", "USB id", "Device", "Card")
    for reader in found:
        table.add_row(reader.port, reader.name, reader.ids, reader.device, reader.card)
    console.print(table)
    return 0


def place_of(slot: SlotConfig) -> str:
    """Where the slot is, for people."""
    return f"USB {slot.port}" if slot.port else str(slot.device)


def card_of(state: SlotState) -> str:
    """What is inserted, for people."""
    return f"{readable(state['size'])} {state['model']}".strip() if state["present"] else "no card"


def size_of(text: str) -> int:
    """`64GB`, `512 MiB` or a number of bytes."""
    found = _SIZE.fullmatch(text.strip())
    if not found or int(found[1]) == 0:
        raise ConfigError(f"{text!r} is not a size: write a number and a unit, as 64GB.")
    return int(found[1]) * _UNITS[found[2] or "B"]
