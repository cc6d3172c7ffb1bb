"""How long a card still takes: the past before the first byte, the present soon after."""

from __future__ import annotations

import pytest

from tasks_app import forecast
from tasks_app.forecast import Pace
from tasks_app.models import Task
from workers.contract import Step

PAST = Pace(write=20.0, read=40.0, beside=10.0)
MAPPED = 4000  # 10 s beside, 200 s to write, 100 s to read


def task(step: str = "", done: int = 0, rate: float | None = None, **fields) -> Task:
    told = {"status": "running", "step": step, "progress_done": done, "progress_total": MAPPED}
    return Task(**{**told, "progress_rate": rate, **fields})


def test_before_the_first_byte_only_the_past_is_known():
    for step in ("", Step.CLAIMED, Step.CHECKING, Step.WIPING):
        assert forecast.left(task(step, progress_total=7), PAST, MAPPED) == 310
    assert forecast.left(task(Step.WRITING, status="queued"), PAST, MAPPED) == 310
    assert forecast.left(task(Step.WRITING, progress_total=None), PAST, MAPPED) == 310


def test_a_writing_that_has_just_begun_goes_as_it_went_before():
    assert forecast.left(task(Step.WRITING, 0, 1.0), PAST, MAPPED) == 300
    assert forecast.left(task(Step.WRITING, 0, None), PAST, MAPPED) == 300


def test_the_present_weighs_more_with_each_byte_and_everything_from_a_quarter_on():
    assert forecast.left(task(Step.WRITING, 1000, 5.0), PAST, MAPPED) == 3000 / 5 + 100
    assert forecast.left(task(Step.WRITING, 2000, 5.0), PAST, MAPPED) == 2000 / 5 + 100
    half = forecast.left(task(Step.WRITING, 500, 5.0), PAST, MAPPED)
    assert half == pytest.approx(3500 * (0.5 / 20 + 0.5 / 5) + 100), "by seconds per byte"


def test_reading_back_is_all_that_is_left():
    assert forecast.left(task(Step.READING_BACK, 0, 1.0), PAST, MAPPED) == 100
    assert forecast.left(task(Step.READING_BACK, 2000, 10.0), PAST, MAPPED) == 200
    assert forecast.left(task(Step.READING_BACK, MAPPED, 10.0), PAST, MAPPED) == 0


def test_without_a_past_the_present_alone_is_told_and_nothing_is_made_up():
    assert forecast.left(task(), None, MAPPED) is None
    assert forecast.left(task(Step.WRITING, 0, None), None, MAPPED) is None
    assert forecast.left(task(Step.WRITING, 1000, 10.0), None, MAPPED) == 300 + 400, (
        "read no slower than written"
    )
    assert forecast.left(task(Step.READING_BACK, 0, None, progress_eta=9.0), None, MAPPED) == 9.0


def test_an_image_of_unknown_size_is_foreseen_only_once_its_bytes_are_told():
    assert forecast.left(task(), PAST, None) is None
    assert forecast.left(task(Step.WRITING, 0, None), PAST, None) == 300


def test_what_was_right_before_is_read_back_all_the_same():
    few = task(Step.WRITING, 0, None, progress_total=400)
    assert forecast.left(few, PAST, MAPPED) == 20 + 100


def test_more_than_all_is_no_time_below_zero():
    assert forecast.left(task(Step.WRITING, MAPPED + 1, 10.0), PAST, MAPPED) == 100


@pytest.mark.parametrize(
    "result", [None, {}, [], {"mapped_bytes": "5"}, {"mapped_bytes": True}, {"mapped_bytes": 0}]
)
def test_a_build_that_does_not_say_what_a_card_gets(result):
    assert forecast.mapped_in(result) is None


def test_the_nearest_past_counts():
    near, slot, media, host = (Pace(n, n, 0) for n in (1.0, 2.0, 3.0, 4.0))
    past = {(7, 1): near, (7, None): slot, (None, 1): media, (None, None): host}
    assert forecast.pace_of(past, 7, 1) is near
    assert forecast.pace_of(past, 7, 2) is slot
    assert forecast.pace_of(past, 8, 1) is media
    assert forecast.pace_of(past, None, 1) is media
    assert forecast.pace_of(past, 8, 2) is host
    assert forecast.pace_of({}, 7, 1) is None


@pytest.mark.parametrize("rate", [5e-324, 1e-300, 0.5])
def test_a_standstill_is_no_rate(rate):
    assert forecast.left(task(Step.WRITING, 1000, rate), PAST, MAPPED) == 150 + 100
    assert forecast.left(task(Step.WRITING, 1000, rate), None, MAPPED) is None
