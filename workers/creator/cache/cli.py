"""Looks after a host's cache: what it holds, whether it is whole, and what may go."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workers.config import default_data, default_path, read_table
from workers.creator.cache.door import VARIABLE, policy_path
from workers.creator.cache.policy import NAME, read_policy
from workers.creator.cache.shelf import Entry
from workers.creator.cache.store import Cache
from workers.errors import WorkError
from workers.imaging.sizes import readable
from workers.report import Recorder

DAMAGED = 1


def main(arguments: list[str] | None = None) -> int:
    """0; 1 if an entry was damaged; 2 for wrong usage; else the exit code of whose fault it is."""
    options = _parser().parse_args(arguments)
    try:
        root = options.cache or _data() / "cache"
        cache = Cache(root, read_policy(options.policy or policy_path(root)), Recorder())
        command = {"show": _show, "verify": _verify, "evict": _evict, "clear": _clear}[options.command]
        return command(cache, as_json=options.json)
    except WorkError as error:
        sys.stderr.write(f"{error.message}\n")
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers.creator.cache", description=__doc__)
    parser.add_argument("--cache", type=Path, metavar="DIR", help="the cache (this host's, if not given)")
    parser.add_argument("--policy", type=Path, metavar="FILE", help=f"its policy ({VARIABLE}, or DIR/{NAME})")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, does in (
        ("show", "list what is kept"),
        ("verify", "read everything; what is damaged is dropped"),
        ("evict", "apply the policy now"),
        ("clear", "give up everything that no build is using"),
    ):
        commands.add_parser(name, help=does)
    return parser


def _data() -> Path:
    named = read_table(default_path()).get("data")
    return Path(named) if isinstance(named, str) and named else default_data()


def _show(cache: Cache, *, as_json: bool) -> int:
    found = cache.entries()
    if as_json:
        _print([{**_page(entry), "in_use": in_use} for entry, in_use in found])
        return 0
    if not found:
        sys.stdout.write("The cache is empty.\n")
        return 0
    rows: list[tuple[str, ...]] = [("SIZE", "KIND", "ADDED", "LAST USED", "USES", "SOURCE")]
    for entry, in_use in sorted(found, key=lambda each: -each[0].facts.used):
        facts = entry.facts
        use = "now" if in_use else _day(facts.used)
        rows.append(
            (readable(facts.disk), facts.kind.value, _day(facts.added), use, str(facts.uses), facts.source)
        )
    _table(rows)
    total = sum(entry.facts.disk for entry, _ in found)
    sys.stdout.write(f"{len(found)} entries, {readable(total)}\n")
    return 0


def _verify(cache: Cache, *, as_json: bool) -> int:
    seen = list(cache.verify())
    damaged = [entry for entry, good in seen if not good]
    if as_json:
        _print([{**_page(entry), "good": good} for entry, good in seen])
    else:
        for entry in damaged:
            sys.stdout.write(f"damaged and dropped: {entry.facts.source}\n")
        sys.stdout.write(f"{len(seen) - len(damaged)} of {len(seen)} entries are good\n")
    return DAMAGED if damaged else 0


def _evict(cache: Cache, *, as_json: bool) -> int:
    return _say_gone(cache.evict(), as_json=as_json)


def _clear(cache: Cache, *, as_json: bool) -> int:
    return _say_gone(cache.clear(), as_json=as_json)


def _say_gone(gone: list[tuple[Entry, str]], *, as_json: bool) -> int:
    if as_json:
        _print([{**_page(entry), "reason": reason} for entry, reason in gone])
        return 0
    for entry, reason in gone:
        sys.stdout.write(f"gone: {entry.facts.source} ({reason})\n")
    size = sum(entry.facts.disk for entry, _ in gone)
    sys.stdout.write(f"{len(gone)} entries with {readable(size)} were removed\n")
    return 0


def _page(entry: Entry) -> dict[str, Any]:
    facts = entry.facts
    told = facts.model_dump(
        mode="json", include={"kind", "source", "disk", "added", "checked", "used", "uses"}
    )
    return {**told, "size": facts.size, "sha256": facts.content}


def _print(page: list[dict[str, Any]]) -> None:
    sys.stdout.write(json.dumps(page, indent=1) + "\n")


def _table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells: Iterable[str] = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))
