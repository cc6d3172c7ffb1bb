"""A process that does not end although it should: it waits in the kernel for a device without an answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from workers import child as child_module
from workers.child import Child
from workers.transcript import Transcript

TROUBLE = '{"trouble": {"fault": "slot", "code": "stalled", "message": "no answer"}}'
LINGERING = f"""
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(int(sys.argv[1]), {TROUBLE + chr(10)!r}.encode())
while True:
    signal.pause()
"""


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Iterator[Child]:
    """It has said its last word, and stays."""

    def spawn(events: int, _claim_id: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", LINGERING, str(events)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(events,),
            start_new_session=True,
        )

    monkeypatch.setattr(child_module, "_spawn", spawn)
    child = Child({}, "claim", Transcript(lambda text: text))
    while child.trouble is None:
        assert child.changed.wait(30)
        child.changed.clear()
    yield child
    monkeypatch.undo()
    child.stuck = False
    child.reap()


def test_a_process_that_has_said_its_last_word_may_not_linger(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not child.lingers()
    monkeypatch.setattr(child_module, "LAST_WORDS", -1.0)
    assert child.lingers()
    assert not child.ended()
    child.stop()
    assert child.ended()
    assert not child.stuck


def test_a_process_that_not_even_a_kill_ends_is_left_behind(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    signals: list[int] = []
    monkeypatch.setattr(child_module, "HANGING", 0.01)
    monkeypatch.setattr(os, "killpg", lambda _group, number: signals.append(number))
    child.stop()
    assert signals == [signal.SIGTERM, signal.SIGKILL]
    assert child.stuck
    child.reap()
    assert signals == [signal.SIGTERM, signal.SIGKILL], "it is left alone from now on"
    assert "hangs in the kernel" in child.sudden_death()
    assert child.trouble is not None
    assert child.trouble["code"] == "stalled"
