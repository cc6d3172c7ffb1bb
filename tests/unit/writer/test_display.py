from __future__ import annotations

import io
import json

from rich.console import Console

from workers.writer.display import Display, Lines


def console(*, terminal: bool) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=terminal, width=120), out


def test_without_a_terminal_there_is_a_plain_line_per_step() -> None:
    where, out = console(terminal=False)
    with Display(["/dev/sda", "/dev/sdb"], console=where) as display:
        display.step("/dev/sda", "writing", 2_000_000)
        for done in range(0, 2_000_000, 1000):
            display.progress("/dev/sda", done)
        display.step("/dev/sdb", "reading_back", None)
        display.ended("/dev/sda", "written and read back")
    assert out.getvalue().splitlines() == [
        "/dev/sda: writing 2 MB",
        "/dev/sdb: reading back",
        "/dev/sda: written and read back",
    ]


def test_on_a_terminal_each_card_has_a_line_that_ends_with_its_outcome() -> None:
    where, out = console(terminal=True)
    with Display(["/dev/sda", "/dev/sdb"], console=where) as display:
        display.step("/dev/sda", "writing", 100)
        display.progress("/dev/sda", 50)
        display.say("a word in between")
        display.ended("/dev/sda", "written and read back")
        display.ended("/dev/sdb", "canceled")  # before it began
    shown = out.getvalue()
    for words in ("/dev/sda: written and read back", "/dev/sdb: canceled", "a word in between"):
        assert words in shown


def test_square_brackets_are_not_taken_for_markup() -> None:
    for terminal in (True, False):
        where, out = console(terminal=terminal)
        with Display(["/x/[red]card"], console=where) as display:
            display.step("/x/[red]card", "writing", 10)
            display.say("[bold]as it is[/bold]")
        assert "/x/[red]card: writing" in out.getvalue()
        assert "[bold]as it is[/bold]" in out.getvalue()


def test_for_programs_each_event_is_a_line_of_json() -> None:
    where, out = console(terminal=True)
    with Lines(["/dev/sda"], console=where) as display:
        display.step("/dev/sda", "writing", 100)
        display.progress("/dev/sda", 50)
        display.say("[a word] in between")
        display.ended("/dev/sda", "written and read back")
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {"device": "/dev/sda", "step": "writing", "total": 100},
        {"device": "/dev/sda", "done": 50},
        {"log": "[a word] in between"},
        {"device": "/dev/sda", "ended": "written and read back"},
    ]
