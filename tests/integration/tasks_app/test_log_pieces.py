"""Logs: each report adds its own, once; the middle of a long log and old logs go."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test.utils import CaptureQueriesContext

from imager import clock
from tasks_app import followers, logbook, services
from tasks_app.models import Attempt, LogPiece, RefusedReport
from tasks_app.services import logs
from tests import factories as make
from workers.contract import MAX_LOG_CHUNK, MAX_LOG_KEPT

pytestmark = pytest.mark.django_db

CUT = "\x1b[0m\n[… {} …]\n"


@pytest.fixture
def running():
    task, host = make.task(), make.host()
    services.claim(task.pk, host, make.claim_body())
    return task, host


def say(running, offset: int, text: str, attempt: int = 1, **fields) -> str:
    task, host = running
    body = make.report_body(attempt, log={"offset": offset, "text": text}, **fields)
    return services.report(task.pk, host, body)


def whole(running, attempt: int = 1) -> str | None:
    return logbook.whole(running[0].pk, attempt)


def test_pieces_join_by_offset_and_repeats_add_nothing(running):
    pieces = [
        (0, "one\n"),
        (0, "one\n"),
        (4, "two\n"),
        (2, "e\ntwo\nthree\n"),
        (8, "three\n"),
        (0, "one\n"),
        (3, "\n"),
    ]
    for offset, text in pieces:
        say(running, offset, text)
    assert whole(running) == "one\ntwo\nthree\n"
    assert list(LogPiece.objects.values_list("start", "end", "text")) == [
        (0, 4, "one\n"),
        (4, 8, "two\n"),
        (8, 14, "three\n"),
    ]


@pytest.mark.parametrize("seed", range(5))
def test_lost_and_doubled_answers_at_random(running, seed):
    """The host sends from the offset that it knows was taken; it may know less than the server does."""
    rand, text, known = random.Random(seed), "".join(f"é{number} 🙂\n" for number in range(200)), 0
    while known < len(text):
        size = rand.randrange(1, 60)
        for _ in range(rand.choice([1, 1, 2])):
            say(running, known, text[known : known + size])
        known += size if rand.random() < 0.6 else 0
    assert whole(running) == text


def test_what_an_old_attempt_says_is_refused(running):
    task, host = running
    say(running, 0, "of the first\n")
    services.release(task.pk, host, event_id=make.report_body()["event_id"], attempt=1)
    services.claim(task.pk, host, make.claim_body())
    assert say(running, 13, "late\n", attempt=1) == "stale"
    assert say(running, 0, "of the second\n", attempt=2) == "go"
    assert (whole(running, 1), whole(running, 2)) == ("of the first\n", "of the second\n")
    assert RefusedReport.objects.count() == 1


def test_the_last_report_brings_its_piece_once(running):
    task, host = running
    trouble = {"fault": "job", "code": "broken", "message": "It broke."}
    body = make.report_body(1, log={"offset": 0, "text": "end\n"}, outcome="failed", trouble=trouble)
    assert [services.report(task.pk, host, body) for _ in range(2)] == ["go", "go"]
    assert whole(running) == "end\n"


def test_a_report_costs_what_it_brings(running):
    for number in range(20):
        say(running, number * 1000, "x" * 1000)
    before = dict(LogPiece.objects.values_list("pk", "text"))
    with CaptureQueriesContext(connection) as queries:
        say(running, 20_000, "new")
    touching = [query["sql"] for query in queries if "logpiece" in query["sql"]]
    assert not touching  # the only statement about pieces is the prepared one, which Django does not see
    assert all(LogPiece.objects.get(pk=pk).text == text for pk, text in before.items())
    assert LogPiece.objects.exclude(pk__in=before).get().text == "new"


def test_a_lost_piece_is_named(running):
    say(running, 10, "later\x00")
    say(running, 17, "last\n")
    assert (
        whole(running)
        == CUT.format("10 characters lost") + "later�" + CUT.format("1 character lost") + "last\n"
    )
    assert logbook.read(running[0].pk, 1, since=16).text == CUT.format("1 character lost") + "last\n"


def test_the_middle_of_a_long_log_is_left_out_and_counted(running, monkeypatch):
    for name, value in {"HEAD": 30, "TAIL": 60, "MAX_LOG_KEPT": 100}.items():
        monkeypatch.setattr(logs, name, value)
    lines = [f"line {number:04}\n" for number in range(100)]  # of ten characters
    for number, line in enumerate(lines):
        say(running, 10 * number, line)
    assert whole(running) == "".join(lines[:3]) + CUT.format("91 lines left out") + "".join(lines[-6:])
    assert LogPiece.objects.count() == 9
    task = running[0]
    assert logbook.read(task.pk, 1, since=980).text == lines[98] + lines[99]
    assert logbook.read(task.pk, 1, since=500).text == CUT.format("91 lines left out") + "".join(lines[-6:])
    say(running, 1005, "after a hole\n")
    assert whole(running).endswith(lines[99] + CUT.format("5 characters lost") + "after a hole\n")


def test_it_is_never_longer_than_the_contract_says(running):
    text = "x" * (MAX_LOG_CHUNK - 1) + "\n"
    for number in range(MAX_LOG_KEPT // MAX_LOG_CHUNK + 10):
        say(running, number * MAX_LOG_CHUNK, text)
    kept = sum(len(text) for text in LogPiece.objects.values_list("text", flat=True))
    assert MAX_LOG_KEPT * 0.9 < kept <= MAX_LOG_KEPT
    assert "lines left out" in whole(running)


def over(task, *, days: float, status: str) -> None:
    Attempt.objects.filter(task=task).update(ended_at=clock.now() - timedelta(days=days))
    type(task).objects.filter(pk=task.pk).update(status=status)


@pytest.mark.parametrize(
    ("days", "status", "stays"),
    [
        (89.9, "done", True),
        (90.1, "done", False),
        (90.1, "failed", False),
        (90.1, "canceled", False),
        (90.1, "queued", True),
    ],
)
def test_logs_of_tasks_that_are_long_over_go(running, days, status, stays):
    task, _ = running
    other = make.task()
    services.claim(other.pk, running[1], make.claim_body())
    services.report(other.pk, running[1], make.report_body(1, log={"offset": 0, "text": "other\n"}))
    say(running, 0, "old\n")
    over(task, days=days, status=status)
    assert logs.prune() == (0 if stays else 1)
    assert (whole(running) == "old\n") is stays
    assert stays or whole(running) == "[… the log is old and was removed …]\n"
    assert logbook.whole(other.pk, 1) == "other\n"


def test_many_old_logs_go_in_turns(running, monkeypatch):
    monkeypatch.setattr(logs, "AT_ONCE", 2)
    tasks = [running[0], *(make.task() for _ in range(4))]
    for task in tasks[1:]:
        services.claim(task.pk, running[1], make.claim_body())
    for task in tasks:
        services.report(task.pk, running[1], make.report_body(1, log={"offset": 0, "text": "old\n"}))
        over(task, days=100, status="done")
    assert logs.prune() == 5
    assert not LogPiece.objects.exists()


def test_it_is_a_chore():
    assert ("day", logs.prune) in followers.chores()


HURRY = """
CREATE FUNCTION refuse_hurry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('statement_timeout') <> '0' THEN
        RAISE EXCEPTION 'A long table would not be done in %.', current_setting('statement_timeout');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER refuse_hurry BEFORE {verb} ON {table} EXECUTE FUNCTION refuse_hurry();
"""


@contextmanager
def refusing_hurry(table: str, verb: str) -> Iterator[None]:
    """Statements on that table may take their time, or fail at once."""
    with connection.cursor() as cursor:
        cursor.execute(HURRY.format(table=table, verb=verb))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION refuse_hurry CASCADE")


@pytest.mark.parametrize("name", ["0006_slots_in_quarantine", "0007_signs_of_life_touch_no_index"])
def test_indexes_of_long_tables_may_take_their_time(name):
    (first, *_) = import_module(f"tasks_app.migrations.{name}").Migration.operations
    assert first.sql == "SET LOCAL statement_timeout = 0"


@pytest.mark.django_db(transaction=True)
def test_the_logs_of_before_are_taken_along(running):
    """Short, empty, longer than a piece, cut, and with remarks of ours in it; and back again."""
    task, host = running
    first = ("tasks_app", "0002_scheduler_that_never_stumbles")
    executor = MigrationExecutor(connection)
    latest = [node for node in executor.loader.graph.leaf_nodes() if node[0] == "tasks_app"]
    long = "".join(f"line {number}\n" for number in range(20_000))
    cases = {
        2: ("", 0),
        3: ("short\n", 6),
        4: (long, len(long)),
        5: (long, 10**7),
        6: (long, len(long) - 100_000),
    }
    executor.migrate([first])
    try:
        old = executor.loader.project_state([first]).apps.get_model("tasks_app", "Attempt")
        for number, (text, end) in cases.items():
            claim = make.claim_body()["claim_id"]
            old.objects.create(
                task_id=task.pk, attempt=number, host_id=host.pk, claim_id=claim, log=text, log_end=end
            )
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate([("tasks_app", "0003_logs_in_pieces")])
        with refusing_hurry("tasks_app_logpiece", "INSERT"):
            MigrationExecutor(connection).migrate([("tasks_app", "0004_move_logs_into_pieces")])
        MigrationExecutor(connection).migrate(latest)
    for number, (text, end) in cases.items():
        assert logbook.whole(task.pk, number) == text
        piece = logbook.read(task.pk, number, since=None)
        assert piece.end == end
        assert text.endswith(piece.text)
    assert max(len(text) for text in LogPiece.objects.values_list("text", flat=True)) == 65536
    executor = MigrationExecutor(connection)
    executor.migrate([("tasks_app", "0004_move_logs_into_pieces")])
    with refusing_hurry("tasks_app_attempt", "UPDATE"):
        executor = MigrationExecutor(connection)
        executor.migrate([("tasks_app", "0003_logs_in_pieces")])
    executor = MigrationExecutor(connection)
    executor.migrate([first])
    old = executor.loader.project_state([first]).apps.get_model("tasks_app", "Attempt")
    kept = dict(old.objects.filter(attempt__gt=1).values_list("attempt", "log"))
    MigrationExecutor(connection).migrate(latest)
    assert kept == {number: text for number, (text, _) in cases.items()}
