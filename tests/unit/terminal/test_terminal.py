from __future__ import annotations

import io
import os
import signal
import threading

import pytest
from rich.console import Console

from workers.contract import Step
from workers.errors import Canceled
from workers.report import Report
from workers.terminal import TerminalReport


def screen(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=120, color_system=None)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def work(report: Report) -> None:
    report.step(Step.CHECKING)
    report.check()
    report.step(Step.READING_BACK, 8_000_000)
    report.progress(4_000_000)
    report.log("[bold]not markup[/bold]")
    report.progress(8_000_000)


def test_without_a_terminal_each_step_is_one_plain_line() -> None:
    console = screen(terminal=False)
    with TerminalReport("card 1", console=console) as report:
        work(report)
    assert shown(console).splitlines() == [
        "card 1: checking",
        "card 1: reading back (8.0 MB)",
        "[bold]not markup[/bold]",
    ]


def test_a_terminal_shows_a_bar_per_step_and_its_end() -> None:
    console = screen(terminal=True)
    with TerminalReport("[1] card", console=console) as report:
        work(report)
    last = shown(console).split("\x1b[2K")
    assert any("✓ [1] card: checking" in part for part in last)
    assert any("✓ [1] card: reading back" in part and "8.0/8.0 MB" in part for part in last)
    assert "[bold]not markup[/bold]" in shown(console)


def test_a_failed_step_is_not_shown_as_done() -> None:
    console = screen(terminal=True)

    def fail() -> None:
        with TerminalReport("card", console=console) as report:
            report.step(Step.WRITING, 100)
            report.progress(40)
            raise Canceled

    with pytest.raises(Canceled):
        fail()
    assert "✓" not in shown(console)


def test_check_stops_once_asked() -> None:
    report = TerminalReport("card", console=screen(terminal=False))
    report.check()
    report.cancel()
    with pytest.raises(Canceled):
        report.check()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_request_to_stop_and_the_next_one_is_as_before(number: signal.Signals) -> None:
    heard: list[int] = []
    before = signal.signal(number, lambda got, _: heard.append(got))
    try:
        with TerminalReport("card", console=screen(terminal=False)) as report:
            os.kill(os.getpid(), number)
            with pytest.raises(Canceled):
                report.check()
            assert heard == []
            os.kill(os.getpid(), number)
            assert heard == [number]
    finally:
        signal.signal(number, before)


def test_handlers_are_as_before_afterwards() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with TerminalReport("card", console=screen(terminal=False)):
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_other_threads_leave_signals_alone() -> None:
    seen: list[object] = []

    def inside() -> None:
        with TerminalReport("card", console=screen(terminal=False)) as report:
            work(report)
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]
