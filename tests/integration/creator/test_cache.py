"""The cache on a real disk: found again, proved, shared by builds, and whole whenever a build dies."""

import errno
import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from workers.creator.cache.cli import main
from workers.creator.cache.policy import Policy, Section
from workers.creator.cache.share import Way, share
from workers.creator.cache.shelf import Pin
from workers.creator.cache.store import Cache
from workers.creator.inputs import Fetched, Input, Told, What
from workers.creator.recipe import Checksum
from workers.errors import Canceled, HostError, JobError
from workers.locks import is_held
from workers.report import Recorder

DATA = b"content " * 1000
SIZE = len(DATA)
SHA = hashlib.sha256(DATA).hexdigest()


def wanted(source="http://m/a.bin", *, version='"1"', size=SIZE, checksum=None, what=What.FILE):
    return Input(what, source, checksum, Told(size, version))


class Source:
    """Counts how often it is fetched."""

    def __init__(self, data=DATA):
        self.data, self.times = data, 0

    def __call__(self, path):
        self.times += 1
        path.write_bytes(self.data)
        return Fetched(len(self.data), hashlib.sha256(self.data).hexdigest())


@pytest.fixture
def clock():
    return [1_700_000_000.0]


@pytest.fixture
def make(tmp_path, clock):
    return lambda policy=None: Cache(
        tmp_path / "cache", policy or Policy(), Recorder(), clock=lambda: clock[0]
    )


def read(cache, what, source):
    with cache.get(what, source) as kept:
        return None if kept is None else kept.path.read_bytes()


def test_fetched_once_and_found_again(make):
    source = Source()
    assert read(make(), wanted(), source) == DATA
    assert read(make(), wanted(), source) == DATA
    assert source.times == 1
    [(entry, in_use)] = make().entries()
    assert (entry.facts.content, entry.facts.uses, in_use) == (SHA, 2, False)


def test_another_version_is_fetched_and_replaces_the_first(make):
    cache, new = make(), Source(b"new" * 10)
    read(cache, wanted(), Source())
    assert read(cache, wanted(version='"2"', size=30), new) == b"new" * 10
    assert [entry.facts.validator for entry, _ in cache.entries()] == ['"2"']


def test_without_a_version_nothing_is_believed_but_for_check_after(make, clock):
    source, policy = Source(), Policy(check_after=100)
    for _ in range(2):
        read(make(), wanted(version=""), source)
    assert source.times == 2
    read(make(policy), wanted(version=""), source)
    assert source.times == 2
    clock[0] += 101
    read(make(policy), wanted(version=""), source)
    assert source.times == 3


def test_within_check_after_another_size_is_another_file(make):
    source = Source()
    read(make(Policy(check_after=100)), wanted(), source)
    other = Source(b"12")
    assert read(make(Policy(check_after=100)), wanted(size=2, version='"2"'), other) == b"12"


def test_a_strong_digest_is_good_for_every_address(make):
    source, checksum = Source(), Checksum(algo="sha-256", value=SHA)
    read(make(), wanted(checksum=checksum), source)
    read(make(), wanted("http://elsewhere/b", version="", checksum=checksum), source)
    assert source.times == 1


def test_a_weak_digest_is_good_for_its_own_address_alone(make):
    source, checksum = (
        Source(),
        Checksum(algo="md5", value=hashlib.md5(DATA, usedforsecurity=False).hexdigest()),
    )
    read(make(), wanted(), source)
    read(make(), wanted(version="", checksum=checksum), source)  # computed from what is there
    assert source.times == 1
    read(make(), wanted("http://elsewhere/b", checksum=checksum), source)
    assert source.times == 2


def test_a_wrong_digest_is_fetched_anew(make):
    source = Source()
    read(make(), wanted(), source)
    read(make(), wanted(checksum=Checksum(algo="sha-256", value="ab" * 32)), source)
    assert source.times == 2


def test_damage_is_found_by_stamp_and_digest(make):
    cache, source = make(), Source()
    with cache.get(wanted(), source) as kept:
        path = kept.path
    path.chmod(0o644)
    path.write_bytes(b"X" + DATA[1:])
    assert read(cache, wanted(), source) == DATA
    assert source.times == 2


def test_a_touched_file_with_the_right_bytes_is_kept(make):
    cache, source = make(), Source()
    with cache.get(wanted(), source) as kept:
        path = kept.path
    os.utime(path, (1, 1))
    assert read(cache, wanted(), source) == DATA
    assert source.times == 1


def test_damage_found_while_reading_drops_the_entry(make):
    cache = make()
    with cache.get(wanted(), Source()) as kept:
        kept.prove(SHA)
        with pytest.raises(HostError, match="has changed in the cache"):
            kept.prove("00" * 32)
    assert cache.entries() == []


@pytest.mark.parametrize("error", [JobError("checksum_mismatch", "x"), Canceled(), OSError(5, "io")])
def test_a_failed_fetch_leaves_nothing(make, tmp_path, error):
    def fetch(path):
        path.write_bytes(b"half")
        raise error

    cache = make()
    with pytest.raises(type(error)), cache.get(wanted(), fetch):
        pass
    assert cache.entries() == []
    assert list((tmp_path / "cache/incoming").iterdir()) == []


def test_a_full_disk_means_no_cache_but_no_failure(make):
    def fetch(path):
        raise OSError(28, "no space")

    assert read(make(), wanted(), fetch) is None


def test_what_the_policy_does_not_keep_is_declined(make):
    assert read(make(Policy(enabled=False)), wanted(), Source()) is None
    assert read(make(Policy(max_size=100)), wanted(), Source()) is None
    assert read(make(Policy(files=Section(enabled=False))), wanted(), Source()) is None


def test_of_unknown_size_and_too_large_it_is_there_only_for_this_build(make):
    cache = make(Policy(max_size=100))
    with cache.get(wanted(size=None), Source()) as kept:
        assert kept.path.read_bytes() == DATA
    assert cache.entries() == []
    assert not kept.path.exists()


def test_the_one_in_use_is_not_evicted(make):
    policy = Policy(max_num=1)
    cache = make(policy)
    with cache.get(wanted("http://m/1"), Source()) as first:
        assert read(make(policy), wanted("http://m/2"), Source()) is None
        assert cache.clear() == []
        assert first.path.read_bytes() == DATA
    assert read(make(policy), wanted("http://m/2"), Source()) == DATA
    assert [entry.facts.source for entry, _ in cache.entries()] == ["http://m/2"]


def test_room_for_a_build(make, monkeypatch):
    cache = make()
    for number in range(3):
        read(cache, wanted(f"http://m/{number}"), Source())
    free = iter([10_000, 18_192, 18_192])
    monkeypatch.setattr("workers.creator.cache.store.free_bytes", lambda folder: next(free))
    cache.make_room(18_000)
    assert len(cache.entries()) == 2
    monkeypatch.setattr("workers.creator.cache.store.free_bytes", lambda folder: 18_000)
    assert read(cache, wanted("http://m/new"), Source()) is None  # the room was promised


def test_secrets_of_an_address_are_nowhere_on_the_disk(make, tmp_path):
    read(make(), wanted("https://me:secret@m/a?token=hidden"), Source())
    for path in (tmp_path / "cache").rglob("*"):
        assert "secret" not in path.name
        if path.is_file():
            assert b"secret" not in path.read_bytes()
            assert b"hidden" not in path.read_bytes()


def test_two_threads_want_the_same(make):
    begun, go_on, got = threading.Event(), threading.Event(), []
    source = Source()

    def slow(path):
        begun.set()
        assert go_on.wait(30)
        return source(path)

    first = threading.Thread(target=lambda: got.append(read(make(), wanted(), slow)))
    first.start()
    assert begun.wait(30)
    second = threading.Thread(target=lambda: got.append(read(make(), wanted(), source)))
    second.start()
    go_on.set()
    first.join()
    second.join()
    assert got == [DATA, DATA]
    assert source.times == 1


CHILD = """
import sys, hashlib
from pathlib import Path
from workers.creator.cache.policy import Policy
from workers.creator.cache.store import Cache
from workers.creator.inputs import *
from workers.report import Recorder

def fetch(path):
    path.write_bytes(b"content " * 500)
    if sys.argv[2] == "half":
        print("now", flush=True)
        sys.stdin.read()
    path.write_bytes(b"content " * 1000)
    return Fetched(8000, hashlib.sha256(b"content " * 1000).hexdigest())

cache = Cache(Path(sys.argv[1]), Policy(), Recorder())
with cache.get(Input(What.FILE, "http://m/a.bin", None, Told(8000, '"1"')), fetch) as kept:
    print("now", flush=True)
    sys.stdin.read()
"""


def child(root, when):
    started = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(root), when], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert started.stdout.readline() == b"now\n"
    return started


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_build_that_is_killed_while_it_fetches(make, tmp_path):
    process = child(tmp_path / "cache", "half")
    assert make().entries() == []
    kill(process)
    source = Source()
    assert read(make(), wanted(), source) == DATA
    assert source.times == 1
    assert list((tmp_path / "cache/incoming").iterdir()) == []


def test_a_build_that_is_killed_while_it_uses_an_entry(make, tmp_path):
    process = child(tmp_path / "cache", "whole")
    cache = make()
    assert [in_use for _, in_use in cache.entries()] == [True]
    assert cache.clear() == []
    kill(process)
    assert [in_use for _, in_use in cache.entries()] == [False]
    assert len(cache.clear()) == 1


def test_many_builds_at_once(make, tmp_path):
    processes = [child(tmp_path / "cache", "whole") for _ in range(3)]
    for process in processes:
        process.communicate(b"")
        assert process.returncode == 0
    [(entry, in_use)] = make().entries()
    assert (entry.facts.uses, in_use) == (3, False)


def test_broken_entries_are_never_seen_and_go(make, tmp_path):
    cache = make()
    read(cache, wanted(), Source())
    [(entry, _)] = cache.entries()
    (entry.folder / "facts.json").write_text("{")
    assert cache.entries() == []
    cache.evict()
    assert list((tmp_path / "cache/entries").iterdir()) == []


def test_an_entry_in_use_stays_even_when_its_facts_are_broken(make):
    cache = make()
    with cache.get(wanted(), Source()) as kept:
        (kept.path.parent / "facts.json").write_text("{")
        cache.evict()
        assert kept.path.read_bytes() == DATA
    cache.evict()
    assert not kept.path.exists()


def test_nobody_removes_an_entry_in_the_moment_in_which_it_comes(make, tmp_path, monkeypatch):
    """A lock that becomes a shared one is let go first: then others must be kept out otherwise."""

    def share(pin):
        fcntl.flock(pin._fd, fcntl.LOCK_UN)
        if not is_held(tmp_path / "cache/lock"):
            make().clear()
        fcntl.flock(pin._fd, fcntl.LOCK_SH)

    monkeypatch.setattr(Pin, "share", share)
    with make().get(wanted(), Source()) as kept:
        assert kept.path.read_bytes() == DATA


def test_what_turned_out_wrong_while_another_build_uses_it_is_used_no_more(make):
    cache, source = make(), Source()
    with cache.get(wanted(), source) as first:
        with cache.get(wanted(), source) as second, pytest.raises(HostError, match="not used any more"):
            second.prove("00" * 32)
        assert first.path.exists()  # the other build may know better
        assert read(cache, wanted(), source) == DATA
        assert source.times == 2
    cache.evict()
    assert [entry.facts.uses for entry, _ in cache.entries()] == [1]


def test_an_entry_that_the_disk_does_not_give_back_is_fetched_anew(make, monkeypatch):
    cache, source = make(), Source()
    read(cache, wanted(), source)

    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("workers.creator.cache.find.digest_of", fail)
    checksum = Checksum(algo="md5", value=hashlib.md5(DATA, usedforsecurity=False).hexdigest())
    assert read(cache, wanted(checksum=checksum), source) == DATA
    assert source.times == 2


def test_sharing(tmp_path):
    kept = tmp_path / "kept"
    kept.write_bytes(DATA)
    way = share(kept, tmp_path / "read", read_only=True)
    assert way in {Way.CLONE, Way.LINK}
    own = share(kept, tmp_path / "own", read_only=False)
    assert own in {Way.CLONE, Way.COPY}
    (tmp_path / "own").write_bytes(b"changed")
    assert kept.read_bytes() == (tmp_path / "read").read_bytes() == DATA
    with pytest.raises(FileExistsError):
        share(kept, tmp_path / "own", read_only=True)


def test_commands(make, tmp_path, capsys):
    root = ["--cache", str(tmp_path / "cache")]
    assert main([*root, "show"]) == 0
    assert capsys.readouterr().out == "The cache is empty.\n"
    cache = make()
    read(cache, wanted(), Source())
    read(cache, wanted("http://m/b"), Source())
    assert main([*root, "--json", "show"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {each["source"] for each in shown} == {"http://m/a.bin", "http://m/b"}
    assert {each["sha256"] for each in shown} == {SHA}
    assert main([*root, "show"]) == 0
    assert "2 entries" in capsys.readouterr().out
    path = cache.entries()[0][0].data
    path.chmod(0o644)
    path.write_bytes(b"X" * len(DATA))
    assert main([*root, "verify"]) == 1
    assert "1 of 2 entries are good" in capsys.readouterr().out
    assert main([*root, "verify"]) == 0
    assert main([*root, "evict"]) == 0
    assert main([*root, "--json", "clear"]) == 0
    assert cache.entries() == []
    (tmp_path / "cache/policy.yaml").write_text("nonsense: 1")
    assert main([*root, "show"]) == 4
    assert "nonsense" in capsys.readouterr().err
