"""What a person sees while the line works: stages as bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from imager.stack.processes import StackError

POLL = 0.5
PATIENCE = 20 * 60
WIDE = 96  # columns from which on the host has room in a row
GOOD = {"ready_to_ship", "shipped", "available"}
BAD = {"failed", "canceled", "expired"}
ICONS = {"done": "✔", "running": "▶", "failed": "✘", "canceled": "✘", "waiting": "…", "queued": "·"}
COLOURS = {"done": "green", "running": "cyan", "failed": "red", "canceled": "red", "waiting": "yellow"}

Order = dict[str, Any]
Stage = dict[str, Any]


def size(count: float) -> str:
    """Bytes in decimal units."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


@dataclass
class Times:
    """When each task was first seen at work, and how long it took; the API tells only where it is."""

    clock: Callable[[], float] = time.monotonic
    began: dict[str, float] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)

    def note(self, orders: list[Order]) -> None:
        """Take a look in."""
        for stage in (stage for order in orders for stage in order["stages"]):
            task = stage["task"]
            if stage["status"] == "running":
                self.began.setdefault(task, self.clock())
            elif stage["status"] == "done" and task in self.began:
                self.took[task] = self.clock() - self.began.pop(task)

    def of(self, stage: Stage) -> str:
        """“done in 7.3 s”, as far as we saw it."""
        took = self.took.get(stage["task"])
        return "done" if took is None else f"done in {took:.1f} s"


def name_of(stage: Stage) -> str:
    """“create”, “write 1”."""
    return f"{stage['kind']} {stage['unit']}" if stage["unit"] else str(stage["kind"])


def doing(stage: Stage, times: Times) -> str:
    """What the stage does now, in a word or three."""
    if stage["status"] == "done":
        return times.of(stage)
    if stage["status"] == "running":
        return str(stage["step"]).replace("_", " ")
    if stage["status"] == "waiting":
        return "waits for a card"
    if stage["status"] == "queued" and stage["position"]:
        return "next" if stage["position"] == 1 else f"{stage['position']} in the queue"
    return str(stage["status"])


def place_of(stage: Stage) -> str:
    """Where it happens: host, slot."""
    return " ".join(filter(None, [stage["host"], stage["slot"] and f"slot {stage['slot']}"]))


def panel(order: Order, times: Times, *, wide: bool) -> Panel:
    """One order with its stages; columns of fixed width, so that nothing jumps."""
    table = Table.grid(padding=(0, 1))
    for width, justify in (
        (1, "left"),
        (10, "left"),
        (18, "left"),
        (16, "left"),
        (9, "right"),
        (10, "right"),
    ):
        table.add_column(width=width, justify=justify, no_wrap=True)  # type: ignore[arg-type]  # rich's literals
    table.add_column(width=20 if wide else 6, no_wrap=True)
    for stage in order["stages"]:
        table.add_row(*_row(stage, times, wide=wide))
    colour = "green" if order["status"] in GOOD else "red" if order["status"] in BAD else "cyan"
    return Panel(
        table if order["stages"] else Text("…"),
        title=f"[bold]{escape(title(order))}[/bold] — [{colour}]{words(order['status'])}[/{colour}]",
        title_align="left",
        border_style="dim",
    )


def title(order: Order) -> str:
    """“#1001 School library, 2 cards”."""
    cards = order["quantity"]
    what = "download" if order["kind"] == "virtual" else f"{cards} card{'s' if cards > 1 else ''}"
    return f"#{order['number']} {order['name']}, {what}"


def words(status: str) -> str:
    """A status as words."""
    return status.replace("_", " ")


def _row(stage: Stage, times: Times, *, wide: bool) -> list[Text | ProgressBar | str]:
    done, running = stage["status"] == "done", stage["status"] == "running"
    colour = COLOURS.get(stage["status"], "")
    total = stage["total"] or 0
    known = running and total > 0
    bar = ProgressBar(
        total=total if known else 1,
        completed=min(stage["done"], total) if known else float(done),
        complete_style=colour or "dim",
        finished_style="green" if done else colour or "dim",
    )
    narrow = stage["slot"] or ""
    return [
        Text(ICONS.get(stage["status"], " "), style=colour),
        name_of(stage),
        bar,
        doing(stage, times),
        size(stage["done"]) if running and stage["done"] else "",
        f"{size(stage['rate'])}/s" if running and stage["rate"] else "",
        Text(place_of(stage) if wide else narrow and f"slot {narrow}", style="dim"),
    ]


def watch(
    console: Console,
    orders: dict[str, str],
    look: Callable[[str], Order],
    tick: Callable[[], None],
    patience: float = PATIENCE,
) -> dict[str, Order]:
    """Follow the orders until all have arrived. `tick` is called each round (the operator's look).

    Raises StackError when one fails, or nothing arrives in time.
    """
    times, lines = Times(), Lines(console)
    end = time.monotonic() + patience
    with Live(console=console, refresh_per_second=8, transient=False) as live:
        while True:
            tick()
            seen = {name: look(order) for name, order in orders.items()}
            times.note(list(seen.values()))
            if console.is_terminal:
                wide = console.width >= WIDE
                live.update(Group(*[panel(order, times, wide=wide) for order in seen.values()]))
            else:
                lines.say(list(seen.values()), times)
            if arrived(list(seen.values())):
                return seen
            if time.monotonic() > end:
                raise StackError(f"the orders did not arrive within {patience / 60:.0f} minutes")
            time.sleep(POLL)


def arrived(orders: list[Order]) -> bool:
    """Whether all are where they should go. Raises StackError if one never will be."""
    for order in orders:
        if order["status"] in BAD:
            reason = order.get("failure") or "no reason given"
            raise StackError(f"#{order['number']} is {words(order['status'])}: {reason}")
    return all(order["status"] in GOOD for order in orders)


class Lines:
    """The same for a file or a pipe: one line for each thing that changed."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.said: dict[str, str] = {}

    def say(self, orders: list[Order], times: Times) -> None:
        """Print what is new since the last time."""
        for order in orders:
            for stage in order["stages"]:
                place = place_of(stage)
                what = doing(stage, times) + (f" ({place})" if place else "")
                self._once(stage["task"], f"#{order['number']} {name_of(stage)}: {what}")
            self._once(order["id"], f"#{order['number']} is {words(order['status'])}")

    def _once(self, about: str, line: str) -> None:
        if self.said.get(about) != line:
            self.said[about] = line
            self.console.print("  " + line, markup=False, highlight=False, soft_wrap=True)
