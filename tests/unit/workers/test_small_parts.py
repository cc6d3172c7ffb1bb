"""Pace, schedule, limits, transcript, bench, places, scrubber, machine: each with nothing around it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest

from workers import machine, places
from workers.backoff import Backoff
from workers.bench import Bench
from workers.child import State
from workers.contract import BUILD_STALL_LIMIT, MAX_LOG_KEPT, REPORT_EVERY, STALL_LIMIT, Step
from workers.errors import HostError, JobError
from workers.limits import Limits
from workers.links import is_loopback
from workers.locks import held, is_held
from workers.logs import Scrubber
from workers.pace import Pace, Schedule
from workers.transcript import PIECE, Transcript

TASK = "3f0e9a52-8d5a-4b5c-9a6b-0c5f8f6f1a11"


class TestPace:
    def test_a_steady_rate_gives_the_time_that_is_left(self) -> None:
        pace = Pace(1000, 0.0)
        for second in range(1, 11):
            pace.update(second * 50, float(second))
        progress = pace.progress(500)
        assert progress == {"done": 500, "total": 1000, "rate": pytest.approx(50), "eta": pytest.approx(10)}

    def test_one_slow_second_moves_it_a_little(self) -> None:
        pace = Pace(None, 0.0)
        for second in range(1, 61):
            pace.update(second * 100, float(second))
        pace.update(6000, 61.0)
        rate = pace.progress(6000)["rate"]
        assert rate is not None
        assert 90 < rate < 100

    def test_nothing_is_known_at_first(self) -> None:
        assert Pace(None, 0.0).progress(0) == {"done": 0, "total": None, "rate": None, "eta": None}
        standing = Pace(10, 0.0)
        standing.update(0, 5.0)
        assert standing.progress(0)["eta"] is None

    def test_going_back_is_no_negative_rate(self) -> None:
        pace = Pace(100, 0.0)
        pace.update(50, 1.0)
        pace.update(10, 2.0)
        rate = pace.progress(10)["rate"]
        assert rate is not None
        assert rate >= 0


class TestSchedule:
    def test_a_change_is_told_after_a_second(self) -> None:
        schedule = Schedule(REPORT_EVERY, 100.0)
        assert schedule.due(100.0, changed=True)
        schedule.sent(100.0, taken=True)
        assert not schedule.due(100.9, changed=True)
        assert schedule.due(101.0, changed=True)

    def test_without_a_change_within_a_fifth_of_the_time(self) -> None:
        for _ in range(50):
            schedule = Schedule(15, 0.0)
            schedule.sent(0.0, taken=True)
            assert not schedule.due(11.9, changed=False)
            assert schedule.due(18.0, changed=False)

    def test_while_nobody_answers_the_pauses_grow_but_end(self) -> None:
        schedule, now, gaps = Schedule(15, 0.0), 0.0, []
        for _ in range(12):
            schedule.sent(now, taken=False)
            before = now
            while not schedule.due(now, changed=True):
                now += 0.25
            gaps.append(now - before)
        assert gaps[0] <= 1.25
        assert 15 <= max(gaps) <= 30.25
        schedule.sent(now, taken=True)
        assert schedule.due(now + 1, changed=True)


class TestLimits:
    def test_the_hard_limit(self) -> None:
        limits = Limits(3600, 0.0)
        assert limits.exceeded(State(Step.BUILDING, 10, 1), 3600.0) is None
        trouble = limits.exceeded(State(Step.BUILDING, 10, 2), 3601.0)
        assert trouble is not None
        assert (trouble["code"], "1.0 h" in trouble["message"]) == ("too_slow", True)

    @pytest.mark.parametrize(
        ("step", "size", "limit"),
        [
            (Step.FETCHING, 10, 36 * 3600),
            (Step.BUILDING, None, 36 * 3600),
            (Step.WIPING, 2**40, 30 * 60),
            (Step.DOWNLOADING, 2**20, 10 * 60),  # the floor
            (Step.DOWNLOADING, 32 * 2**30, 2**16),  # at half a MiB per second
            (Step.UPLOADING, 32 * 2**30, 2**16 + 15 * 60),
            (Step.UPLOADING, 2**20, 10 * 60 + 15 * 60),  # above the patience of its line
            (Step.WRITING, 8 * 2**30, 2**14),
            (Step.READING_BACK, 8 * 2**30, 2**14),
        ],
    )
    def test_each_step_has_a_hard_limit_of_its_own(self, step: Step, size: int | None, limit: int) -> None:
        limits = Limits(10**9, 0.0)
        begun = 0.0 if step in (Step.FETCHING, Step.BUILDING) else 5000.0
        assert limits.exceeded(State(Step.CHECKING, None, 0), 0.0) is None
        for done in range(100):  # it moves all the time
            at = begun + limit * done / 99
            assert limits.exceeded(State(step, size, done), at) is None, f"{at} s"
        trouble = limits.exceeded(State(step, size, 100), begun + limit + 1)
        assert trouble is not None
        assert (trouble["code"], step in trouble["message"]) == ("too_slow", True)

    def test_what_one_step_takes_is_not_taken_from_the_next(self) -> None:
        limits = Limits(10**9, 0.0)
        for number, step in enumerate((Step.WIPING, Step.WRITING, Step.READING_BACK)):
            for half in (0, 1):
                assert limits.exceeded(State(step, 2**20, half), number * 600.0 + half * 599) is None

    @pytest.mark.parametrize(
        ("step", "limit"), [(Step.WRITING, STALL_LIMIT), (Step.BUILDING, BUILD_STALL_LIMIT)]
    )
    def test_standing_still(self, step: Step, limit: int) -> None:
        limits = Limits(0, 0.0)
        assert limits.exceeded(State(step, None, 1), 50.0) is None
        assert limits.exceeded(State(step, None, 1), 50.0 + limit) is None
        trouble = limits.exceeded(State(step, None, 1), 51.0 + limit)
        assert trouble is not None
        assert trouble["code"] == "stalled"
        assert limits.exceeded(State(step, None, 2), 52.0 + limit) is None


class TestTranscript:
    def test_pieces_by_offset_make_the_whole(self) -> None:
        transcript = Transcript(lambda line: line)
        for number in range(9000):
            transcript.add(f"line {number} é€𝄞")
        told = ""
        while len(told) < len(transcript):
            piece = transcript.piece(len(told))
            assert piece["offset"] == len(told)
            assert 0 < len(piece["text"]) <= PIECE
            told += piece["text"]
        assert told == "".join(f"line {number} é€𝄞\n" for number in range(9000))

    def test_the_last_piece_loses_the_middle_only(self) -> None:
        transcript = Transcript(lambda line: line)
        for number in range(9000):
            transcript.add(f"line {number}")
        text = transcript.last_piece(7)["text"]
        assert text.startswith("line 1\n")
        assert text.endswith("line 8999\n")
        assert "characters cut" in text
        assert len(text) <= PIECE

    def test_it_never_outgrows_its_limit(self) -> None:
        transcript = Transcript(lambda line: line)
        for _ in range(1100):
            transcript.add("x" * 1000)
        assert len(transcript) <= MAX_LOG_KEPT // 4 + 100
        assert "the log is full" in transcript.last_piece(len(transcript) - 80)["text"]

    def test_what_no_database_takes_is_replaced(self) -> None:
        transcript = Transcript(lambda line: line)
        transcript.add("a\0b\udcffc")
        assert transcript.piece(0)["text"] == "a\ufffdb?c\n"

    def test_every_line_passes_the_scrubber(self) -> None:
        transcript = Transcript(Scrubber(["hunter22"]))
        transcript.add("login with hunter22 failed")
        assert "hunter22" not in transcript.piece(0)["text"] + transcript.tail()


class TestScrubber:
    def test_known_secrets_and_tokens_go(self) -> None:
        scrub = Scrubber(["short", "shorter-secret", "abc"])
        text = scrub("shorter-secret short abc eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl.")
        assert text == "[secret] [secret] abc [token]."

    def test_without_secrets(self) -> None:
        assert Scrubber()("plain words") == "plain words"


class TestBench:
    def test_a_task_that_rings_twice_runs_once(self) -> None:
        ran, go = [], threading.Event()

        def work(task: str) -> None:
            ran.append(task)
            go.wait(10)

        bench = Bench(2, work)
        assert bench.start("a")
        assert not bench.run("a")
        assert not bench.start("a")
        assert bench.start("b")
        assert not bench.start("c"), "no place is free"
        assert sorted(bench.running()) == ["a", "b"]
        go.set()
        bench.wait()
        assert sorted(ran) == ["a", "b"]
        assert bench.run("c")
        assert bench.running() == []

    def test_closed(self) -> None:
        bench = Bench(1, lambda _: None)
        bench.close()
        assert not bench.run("a")
        assert not bench.start("a")
        bench.wait()

    def test_what_began_since_is_told_and_held_back(self) -> None:
        entered, began = threading.Event(), []
        bench = Bench(2, began.append)
        before = bench.begun()
        with bench.still(before) as still:
            assert still
            late = threading.Thread(target=lambda: (entered.set(), bench.run("a")))
            late.start()
            entered.wait(10)
            assert (bench.running(), began) == ([], [])
        late.join(10)
        assert began == ["a"]
        with bench.still(before) as still:
            assert not still, "it began and ended meanwhile"
        with bench.still(bench.begun()) as still:
            assert still

    def test_more_is_asked_for_at_once_only_after_work(self) -> None:
        heard: list[bool] = []
        bench = Bench(1, lambda task: task if task == "done" else None)
        bench.changed = heard.append
        bench.run("done")
        bench.run("refused")
        assert heard == [False, True, False, False]

    def test_a_place_is_free_again_after_a_failure(self) -> None:
        bench = Bench(1, lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            bench.run("a")
        assert bench.running() == []


class TestPlaces:
    @pytest.mark.parametrize("bad", ["", "..", "../x", "/etc", "a/b", "3f0e9a52", f"{TASK}/..", None, 7])
    def test_an_id_that_is_no_uuid_becomes_no_folder(self, tmp_path: Path, bad: str) -> None:
        with pytest.raises(JobError, match="is not a task or order id"):
            places.images_folder(tmp_path, bad)
        with pytest.raises(JobError):
            places.work_folder(tmp_path, bad, 1)

    @pytest.mark.parametrize(
        "bad",
        ["x", "../demo.img.zst", "/demo.img.zst", ".img.zst", "a b.img.zst", "demo.img.zst\n", "é.img.zst"],
    )
    def test_a_name_that_leads_elsewhere_is_refused(self, tmp_path: Path, bad: str) -> None:
        with pytest.raises(JobError, match="names no file of an image"):
            places.artifact(tmp_path, bad)

    def test_names_of_an_image(self, tmp_path: Path) -> None:
        assert places.artifact(tmp_path, "demo.manifest.json.sig") == tmp_path / "demo.manifest.json.sig"

    def test_clearing(self, tmp_path: Path) -> None:
        work = places.work_folder(tmp_path, TASK, 2)
        (work / "deep").mkdir(parents=True)
        places.clear_work(tmp_path, TASK, 2)
        places.clear_work(tmp_path, TASK, 2)
        assert not work.exists()
        images = places.images_folder(tmp_path, TASK)
        images.mkdir(parents=True)
        (images / "demo.img.zst.part").touch()
        (images / "demo.img.bmap").touch()
        places.clear_images(tmp_path, TASK)
        assert not images.exists()
        places.clear_images(tmp_path, TASK)

    def test_pruning_keeps_what_is_needed(self, tmp_path: Path) -> None:
        assert places.prune(tmp_path, {TASK}) == []
        other = TASK.replace("3", "4")
        for order in (TASK, other):
            folder = places.images_folder(tmp_path, order)
            folder.mkdir(parents=True)
            (folder / "demo.img.zst").touch()
        assert places.prune(tmp_path, {TASK}) == [other]
        assert (places.images_folder(tmp_path, TASK) / "demo.img.zst").exists()

    def test_pruning_leaves_alone_what_is_no_order(self, tmp_path: Path) -> None:
        names = ["lost+found", "a note", TASK.upper(), f"{{{TASK}}}"]
        for name in names:
            (tmp_path / "images" / name).mkdir(parents=True)
        assert places.prune(tmp_path, []) == []
        assert sorted(path.name for path in (tmp_path / "images").iterdir()) == sorted(names)

    def test_what_cannot_be_removed_is_named_and_keeps_no_other(self, tmp_path: Path) -> None:
        other = TASK.replace("3f", "ff")
        places.images_folder(tmp_path, TASK).parent.mkdir(parents=True)
        places.images_folder(tmp_path, TASK).touch()  # a file: no folder of images
        places.images_folder(tmp_path, other).mkdir()
        with pytest.raises(HostError, match=f"cannot be removed: .*{TASK} .*by hand") as trouble:
            places.prune(tmp_path, [])
        assert trouble.value.code == "not_removed"
        assert not places.images_folder(tmp_path, other).exists()


class TestMachine:
    def test_a_process_is_named_by_pid_and_start(self) -> None:
        assert machine.started(os.getpid()) == machine.started(os.getpid())
        assert machine.started(2**22 + 1) is None
        assert machine.boot_id() == machine.boot_id() != ""

    def test_a_group_is_killed_only_when_it_is_the_same_process(self) -> None:
        sleeper = subprocess.Popen(["sleep", "60"], start_new_session=True)
        start = machine.started(sleeper.pid)
        assert start is not None
        assert not machine.kill_group(sleeper.pid, start + 1)
        assert sleeper.poll() is None
        assert machine.kill_group(sleeper.pid, start)
        assert sleeper.wait() == -9
        assert not machine.kill_group(sleeper.pid, start)

    def test_marked_processes_and_their_children_are_found(self) -> None:
        script = (
            "import subprocess, time; p = subprocess.Popen(['sleep', '60']); "
            "print(p.pid, flush=True); time.sleep(60)"
        )
        claim, other_claim = str(uuid.uuid4()), str(uuid.uuid4())  # other runs on this machine have theirs
        env = {**os.environ, "IMAGER_CLAIM": claim}
        parent = subprocess.Popen([sys.executable, "-c", script], env=env, stdout=subprocess.PIPE, text=True)
        other = subprocess.Popen(["sleep", "60"], env={**os.environ, "IMAGER_CLAIM": other_claim})
        assert parent.stdout is not None
        grandchild = int(parent.stdout.readline())
        assert set(machine.kill_marked("IMAGER_CLAIM", claim)) == {parent.pid, grandchild}
        assert parent.wait() == -9
        parent.stdout.close()
        assert other.poll() is None
        other.kill()
        other.wait()


def test_a_marked_child_that_shows_itself_late_is_found_too(monkeypatch) -> None:
    """Between fork and exec a process shows no environment: here the second look is the first to see it."""
    marked = [subprocess.Popen(["sleep", "60"]) for _ in range(2)]
    looks = iter([[marked[0].pid], [marked[0].pid, marked[1].pid], [marked[1].pid]])
    monkeypatch.setattr(machine, "_marked", lambda _wanted: next(looks))

    assert machine.kill_marked("IMAGER_CLAIM", "claim-1") == [each.pid for each in marked]
    assert [each.wait() for each in marked] == [-9, -9]


def test_backoff_doubles_and_spreads() -> None:
    delays = Backoff(first=1.0, most=10.0).delays()
    for ceiling in (1, 2, 4, 8, 10, 10):
        assert ceiling / 2 <= next(delays) <= ceiling


def test_a_lock_is_one_holder_s(tmp_path: Path) -> None:
    lock = tmp_path / "locks" / "writer.lock"
    assert not is_held(lock)
    with held(lock, patience=0, busy="first"):
        assert is_held(lock)
        with (
            pytest.raises(HostError, match="somebody has it"),
            held(lock, patience=0, busy="somebody has it"),
        ):
            pytest.fail("two holders")
    assert not is_held(lock)
    with held(lock, patience=0, busy="again"):
        pass


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://localhost", True),
        ("http://127.9.9.9:80/x", True),
        ("http://[::1]:8000", True),
        ("http://localhost.example", False),
        ("http://127.0.0.1@evil.example", False),
        ("http://[::1", False),
        ("http://10.0.0.1", False),
        ("", False),
    ],
)
def test_loopback(url: str, here: bool) -> None:
    assert is_loopback(url) is here
