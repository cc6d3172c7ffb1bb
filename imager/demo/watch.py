"""What a person sees while the line works: stages as bars, on a terminal; plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from imager.stack.processes import StackError

POLL = 0.5
PATIENCE = 20 * 60
GOOD = {"ready_to_ship", "shipped", "available"}
BAD = {"failed", "canceled", "expired"}
ICONS = {
    "done": "[green]✔[/green]",
    "running": "[cyan]▶[/cyan]",
    "failed": "[red]✘[/red]",
    "waiting": "[yellow]…[/yellow]",
    "queued": "·",
}


def size(count: float) -> str:
    """Bytes in decimal units."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def panel(order: dict[str, Any]) -> Panel:
    """One order with its stages."""
    table = Table.grid(padding=(0, 1))
    for stage in order["stages"]:
        total = stage["total"] or 0
        finished = stage["status"] == "done"
        bar = ProgressBar(
            total=1 if finished else max(total, 1), completed=1 if finished else stage["done"], width=28
        )
        rate = f"{size(stage['rate'])}/s" if stage["rate"] and not finished else ""
        eta = f"{stage['eta']:.0f} s left" if stage["eta"] and not finished else ""
        where = " ".join(filter(None, [stage["host"], stage["slot"] and f"slot {stage['slot']}"]))
        name = f"{stage['kind']}{' ' + str(stage['unit']) if stage['unit'] else ''}"
        table.add_row(
            ICONS.get(stage["status"], " "),
            name,
            bar,
            stage["step"] if not finished else "",
            size(stage["done"]),
            rate,
            eta,
            f"[dim]{where}[/dim]",
        )
    title = f"#{order['number']} {order['name']} — [bold]{order['status']}[/bold]"
    return Panel(table if order["stages"] else Text("…"), title=title, title_align="left")


def watch(
    console: Console, orders: dict[str, str], look: Callable[[str], dict[str, Any]], tick: Callable[[], None]
) -> dict[str, dict[str, Any]]:
    """Follow the orders until all have arrived. `tick` is called each round (the operator's look).

    Raises StackError when one fails, or nothing arrives in time.
    """
    end = time.monotonic() + PATIENCE
    said: dict[str, str] = {}
    with Live(console=console, refresh_per_second=8, transient=False) as live:
        while True:
            tick()
            seen = {name: look(order) for name, order in orders.items()}
            if console.is_terminal:
                live.update(Group(*[panel(order) for order in seen.values()]))
            else:
                _say_changes(console, seen, said)
            bad = [order for order in seen.values() if order["status"] in BAD]
            if bad:
                raise StackError(
                    f"#{bad[0]['number']} is {bad[0]['status']}: {bad[0].get('failure') or 'no reason given'}"
                )
            if all(order["status"] in GOOD for order in seen.values()):
                return seen
            if time.monotonic() > end:
                raise StackError(f"the orders did not arrive within {PATIENCE // 60} minutes")
            time.sleep(POLL)


def _say_changes(console: Console, seen: dict[str, dict[str, Any]], said: dict[str, str]) -> None:
    for name, order in seen.items():
        stages = ", ".join(
            f"{s['kind']}{s['unit'] or ''}: {s['step'] or s['status']}"
            for s in order["stages"]
            if s["status"] != "done"
        )
        line = f"#{order['number']} {order['status']} ({stages})"
        if said.get(name) != line:
            console.print(line, markup=False, highlight=False)
            said[name] = line
