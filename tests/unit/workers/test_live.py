"""What a beat's answer means to the attempts that it named, and when a report may wait."""

from __future__ import annotations

from workers.contract import Answer
from workers.live import Live
from workers.pace import Schedule


class Attempt:
    def __init__(self, task: str, attempt: int = 1) -> None:
        self.held = {"task": task, "attempt": attempt}
        self.heard: list[Answer] = []

    def told(self, answer: Answer) -> None:
        self.heard.append(answer)


def test_each_attempt_hears_its_own_answer() -> None:
    live, one, two = Live(), Attempt("one"), Attempt("two")
    live.add(one)
    live.add(two)
    asked = live.held()
    late = Attempt("late")
    live.add(late)

    live.take(asked, {"ring": [], "drain": False, "answers": {"two": "cancel"}, "pace": 7.0})

    assert (one.heard, two.heard, late.heard) == ([Answer.GO], [Answer.CANCEL], [])
    assert live.pace == 7.0


def test_a_server_that_says_nothing_of_attempts_is_no_go() -> None:
    live, one = Live(), Attempt("one")
    live.add(one)
    live.take(live.held(), {"ring": [], "drain": False})
    assert one.heard == []
    assert live.pace == 1


def test_no_server_makes_us_faster_than_once_a_second() -> None:
    live = Live()
    live.take([], {"ring": [], "drain": False, "answers": {}, "pace": 0.0})
    assert live.pace == 1


def test_an_end_that_comes_late_takes_nothing_from_the_next_attempt() -> None:
    live, first, second = Live(), Attempt("task"), Attempt("task", 2)
    live.add(first)
    live.add(second)
    live.remove(first)
    assert live.held() == [second]
    live.remove(second)
    assert live.held() == []


class TestSchedule:
    def test_a_beat_holds_the_place_of_a_report_that_brings_nothing_new(self) -> None:
        schedule = Schedule(15, now=0, lease=90)
        schedule.sent(0, taken=True)
        assert schedule.due(18.1, changed=False)
        schedule.held(10)
        assert not schedule.due(39, changed=False)
        assert schedule.due(40, changed=False)
        assert schedule.due(11, changed=True)

    def test_a_short_lease_is_held_by_reports_where_beats_would_be_too_rare(self) -> None:
        schedule = Schedule(0.2, now=0, lease=1.2)
        schedule.sent(0, taken=True)
        schedule.held(1)
        assert schedule.due(1.5, changed=False)

    def test_what_is_no_new_step_waits_for_the_pace_of_the_server(self) -> None:
        schedule = Schedule(15, now=0)
        schedule.sent(0, taken=True)
        assert not schedule.due(6.9, changed=True, least=7)
        assert schedule.due(7, changed=True, least=7)
        assert schedule.due(1, changed=True)

    def test_an_unanswered_report_is_repeated_whatever_the_beats_say(self) -> None:
        schedule = Schedule(15, now=0)
        schedule.sent(0, taken=False)
        schedule.held(0.5)
        assert schedule.due(30, changed=False)
