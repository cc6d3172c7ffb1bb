"""Several jobs at a time: results in order, the first failure ends the rest, a cancel ends all."""

import threading

import pytest

from workers.creator.crew import Sum, all_of
from workers.errors import Canceled, HostError
from workers.report import Recorder


def test_results_come_in_the_order_of_the_jobs():
    turn = [threading.Event() for _ in range(3)]

    def job(number):
        if number < 2:
            assert turn[number + 1].wait(10)  # the later ones end first
        turn[number].set()
        return number

    jobs = [lambda n=n: job(n) for n in range(3)]
    assert all_of(jobs, width=3, report=Recorder(), cut=lambda: None) == [0, 1, 2]


def test_never_more_than_the_width_at_a_time():
    lock, running, most = threading.Lock(), 0, 0
    gate = threading.Barrier(2, timeout=10)

    def job():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        gate.wait()
        with lock:
            running -= 1

    all_of([job] * 6, width=2, report=Recorder(), cut=lambda: None)
    assert most == 2


def test_a_failure_cuts_the_others_and_is_told():
    cut = threading.Event()

    def stuck():
        assert cut.wait(10)
        raise Canceled

    def fail():
        raise HostError("broken", "it broke")

    started = []
    with pytest.raises(HostError, match="it broke"):
        all_of([stuck, fail, lambda: started.append(1)], width=2, report=Recorder(), cut=cut.set)


def test_a_cancel_cuts_what_runs():
    report, cut = Recorder(), threading.Event()

    def stuck():
        report.canceled.set()
        assert cut.wait(10)

    with pytest.raises(Canceled):
        all_of([stuck, stuck], width=1, report=report, cut=cut.set)


def test_one_progress_out_of_many():
    report = Recorder()
    both = Sum(report)
    first, second = both.part(), both.part()
    for tell, done in ((first, 5), (second, 7), (first, 6), (second, 0)):
        tell(done)
    assert report.done == 6
