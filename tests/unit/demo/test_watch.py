"""What a person sees of the line at work: on a terminal of 80 columns, and in a file."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from imager.demo import watch
from imager.demo.watch import Lines, Times, panel
from imager.stack.processes import StackError


def stage(kind="create", status="running", **other) -> dict:
    return {
        "task": f"{kind}-{other.get('unit', 0)}",
        "kind": kind,
        "unit": 0,
        "status": status,
        "step": "packing",
        "done": 1_200_000_000,
        "total": 7_759_998_976,
        "rate": 999_900_000.0,
        "eta": 14.2,
        "position": None,
        "host": "creator-1",
        "slot": "",
    } | other


def order(*stages: dict, status="creating", **other) -> dict:
    return {
        "id": "o1",
        "number": 1001,
        "name": "School library",
        "kind": "physical",
        "quantity": 2,
        "status": status,
        "stages": list(stages),
    } | other


def drawn(*orders: dict, width: int = 80, times: Times | None = None) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    for each in orders:
        console.print(panel(each, times or Times(), wide=width >= watch.WIDE))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


FULL = order(
    stage(status="done"),
    stage("download", step="verifying"),
    stage("write", unit=1, slot="A", host="writer-1", step="reading_back"),
    stage("write", unit=10, slot="B", host="writer-1", status="waiting", step=""),
)


@pytest.mark.parametrize("width", [80, 96, 100, 200])
def test_every_stage_is_one_line_and_no_line_is_wider_than_the_terminal(width):
    lines = drawn(FULL, width=width)

    assert len(lines) == 4 + 2
    assert max(map(cell_len, lines)) <= width
    assert "reading back" in lines[3]
    assert "1.2 GB" in lines[3]
    assert "999.9 MB/s" in lines[3]
    assert "slot A" in lines[3]
    assert ("writer-1" in lines[3]) == (width >= watch.WIDE)
    assert "waits for a card" in lines[4]


def test_columns_stand_still_when_numbers_change():
    few = drawn(order(stage(done=1, rate=2.0)))[1]
    many = drawn(order(stage(done=999_900_000_000, rate=999_900_000.0)))[1]

    assert few.index("B ") - len("1") > 0
    assert [i for i, c in enumerate(few) if c == "│"] == [i for i, c in enumerate(many) if c == "│"]
    assert few.index("packing") == many.index("packing")


def test_a_finished_stage_tells_how_long_it_took_and_no_stale_bytes():
    now = iter([10.0, 17.25])
    times = Times(clock=lambda: next(now))
    times.note([order(stage())])
    done = order(stage(status="done"))
    times.note([done])
    times.note([done])  # asks the clock no more

    line = drawn(done, times=times)[1]

    assert "done in 7.2 s" in line
    assert "GB" not in line
    assert "/s" not in line


def test_what_was_over_before_the_first_look_is_just_done():
    times = Times()
    done = stage(status="done")
    times.note([order(done)])

    assert watch.doing(done, times) == "done"


@pytest.mark.parametrize(
    ("status", "position", "said"),
    [
        ("queued", 1, "next"),
        ("queued", 3, "3 in the queue"),
        ("queued", None, "queued"),
        ("failed", None, "failed"),
    ],
)
def test_a_stage_that_does_not_run_says_why(status, position, said):
    assert watch.doing(stage(status=status, position=position), Times()) == said


def test_names_with_brackets_are_shown_as_they_are():
    assert "School [red] [/x]" in drawn(order(stage(), name="School [red] [/x]"))[0]


def test_titles():
    assert watch.title(order()) == "#1001 School library, 2 cards"
    assert watch.title(order(quantity=1)) == "#1001 School library, 1 card"
    assert watch.title(order(quantity=1, kind="virtual")) == "#1001 School library, download"


def test_in_a_file_each_change_is_one_line_once():
    console = Console(file=io.StringIO(), width=40)
    lines, times = Lines(console), Times()
    first = order(stage(step="fetching"))
    for seen in (
        first,
        first,
        order(stage(done=5, step="fetching")),
        order(stage(status="done"), status="writing"),
    ):
        times.note([seen])
        lines.say([seen], times)

    said = console.file.getvalue().splitlines()  # type: ignore[attr-defined]

    assert said[:2] == ["  #1001 create: fetching (creator-1)", "  #1001 is creating"]
    assert said[2].startswith("  #1001 create: done in ")
    assert said[3:] == ["  #1001 is writing"]


def test_a_failed_order_ends_the_watch_with_its_reason():
    failed = order(status="failed", failure="the base image is missing")

    with pytest.raises(StackError, match=r"#1001 is failed: the base image is missing"):
        watch.watch(Console(file=io.StringIO()), {"o": "o1"}, lambda _: failed, lambda: None)


def test_the_watch_gives_up_in_the_end():
    with pytest.raises(StackError, match=r"did not arrive within -?0 minutes"):
        watch.watch(
            Console(file=io.StringIO()), {"o": "o1"}, lambda _: order(stage()), lambda: None, patience=-0.1
        )


def test_the_watch_ends_when_all_are_there_and_lets_the_operator_look_each_time(monkeypatch):
    monkeypatch.setattr(watch, "POLL", 0)
    seen = iter([order(stage()), order(stage(), status="writing"), order(stage(), status="ready_to_ship")])
    looks = []

    end = watch.watch(Console(file=io.StringIO()), {"o": "o1"}, lambda _: next(seen), lambda: looks.append(1))

    assert end["o"]["status"] == "ready_to_ship"
    assert len(looks) == 3


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (24e6, "24.0 MB"), (7.76e12, "7760.0 GB")],
)
def test_sizes(count, said):
    assert watch.size(count) == said
