"""The command on real block devices, against other tools, and through accidents. Needs root."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.doubles.cards import MIB, bytes_at, card_file, loop_device, loop_problem, tool
from tests.doubles.papers import ROOT, Papers, command, run_write

pytestmark = pytest.mark.loop
GO = ("--yes", "--allow-non-removable")
THROTTLE = Path("/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device")
Cards = Callable[[str, int], Path]


@pytest.fixture
def node(backing: Path) -> Iterator[str]:
    with loop_device(backing) as node:
        yield node


def run(*words: str | Path) -> str:
    program, *arguments = map(str, words)
    done = subprocess.run([tool(program) or program, *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def test_a_signed_image_on_two_devices(papers: Papers, backing: Path, node: str, cards: Cards) -> None:
    second = cards("second", 80)
    with loop_device(second) as other:
        done = run_write(papers.image, node, other, *GO, "--signing-key", papers.key, "--json")
        assert done.returncode == 0, done.stderr
        verified = run_write(papers.image, node, "--signing-key", papers.key, module="verify")
        assert verified.returncode == 0, verified.stdout
    told = json.loads(done.stdout)["cards"]
    assert told[0]["result"]["device"]["diskseq"] != told[1]["result"]["device"]["diskseq"]
    papers.assert_on(backing)
    papers.assert_on(second)


def test_a_written_card_mounts_and_holds_its_files(papers: Papers, backing: Path, tmp_path: Path) -> None:
    with loop_device(backing) as node:
        assert run_write(papers.image, node, *GO).returncode == 0
    point = tmp_path / "point"
    point.mkdir()
    run("mount", "-o", f"ro,loop,offset={56 * MIB},sizelimit={16 * MIB}", backing, point)
    try:
        assert (point / "conf/base.txt").read_text() == "imager-demo 1\n"
    finally:
        run("umount", point)


def test_bmaptool_puts_the_same_mapped_bytes_on_another_card(
    papers: Papers, backing: Path, node: str, cards: Cards
) -> None:
    if tool("bmaptool") is None:
        pytest.skip("bmap-tools is not installed (apt-get install bmap-tools)")
    theirs = cards("theirs", 96)
    with loop_device(theirs) as other:
        run("bmaptool", "copy", "--bmap", papers.bmap, papers.image, other)
        assert run_write(papers.image, node, *GO).returncode == 0
        assert run_write(papers.bmap, other, module="verify").returncode == 0
        assert run_write(papers.bmap, node, module="verify").returncode == 0
    papers.assert_on(theirs)
    papers.assert_on(backing)


def test_a_mounted_device_is_refused_with_5_and_unchanged(
    papers: Papers, backing: Path, node: str, tmp_path: Path
) -> None:
    run("mkfs.ext4", "-q", "-F", node)
    (tmp_path / "point").mkdir()
    run("mount", "-o", "ro", node, tmp_path / "point")
    try:
        before = backing.read_bytes()
        done = run_write(papers.image, node, *GO)
        assert done.returncode == 5
        assert "mounted at" in done.stderr
        assert backing.read_bytes() == before
    finally:
        run("umount", tmp_path / "point")


def test_a_small_device_is_refused_with_6(papers: Papers, cards: Cards, backing: Path) -> None:
    small = cards("small", 64)
    with loop_device(small) as node:
        done = run_write(papers.image, node, *GO)
    assert done.returncode == 6
    assert set(small.read_bytes()) == {0xA5}


def test_a_read_only_device_is_refused_with_6(papers: Papers, backing: Path) -> None:
    with loop_device(backing, "-r") as node:
        done = run_write(papers.image, node, *GO)
    assert done.returncode == 6
    assert "write-protected" in done.stderr


def test_a_loop_device_needs_a_word(papers: Papers, backing: Path, node: str) -> None:
    done = run_write(papers.image, node, "--yes")
    assert done.returncode == 5
    assert "--allow-non-removable" in done.stderr
    assert bytes_at(backing, 0, 512) == b"\xa5" * 512


def test_a_failing_card_does_not_hold_up_a_good_one(
    papers: Papers, backing: Path, node: str, tmp_path: Path
) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=9m", "tmpfs", folder)
    try:
        (folder / "card").touch()
        os.truncate(folder / "card", 80 * MIB)
        with loop_device(folder / "card") as bad:
            done = run_write(papers.image, bad, node, *GO, "--json")
        told = {card["device"]: card for card in json.loads(done.stdout)["cards"]}
        assert done.returncode == told[bad]["exit_code"] == 6
        assert told[bad]["trouble"]["fault"] == "card"
        assert told[node]["exit_code"] == 0
    finally:
        run("umount", folder)
    papers.assert_on(backing)


@contextmanager
def slow(node: str, rate: int) -> Iterator[None]:
    """Writes to the device pass at so many bytes per second."""
    if not THROTTLE.exists():
        pytest.skip("this kernel cannot slow a device down (cgroup v1 blkio)")
    number = Path(node).stat().st_rdev
    name = f"{os.major(number)}:{os.minor(number)}"
    THROTTLE.write_text(f"{name} {rate}\n")
    try:
        yield
    finally:
        THROTTLE.write_text(f"{name} 0\n")


def started(papers: Papers, node: str) -> subprocess.Popen[str]:
    """The command, in the middle of writing to a slow card."""
    process = subprocess.Popen(
        command("write", papers.image, node, *GO),
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )
    assert process.stderr
    said = []
    for line in process.stderr:
        if ": writing" in line:
            return process
        said.append(line)
    process.communicate()
    raise AssertionError("it ended before it wrote: " + "".join(said))


def wait_until_free(node: str) -> None:
    """Blocks on the lock of whoever writes to the device."""
    run("flock", "--timeout", "60", node, "true")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_with_7_and_leaves_nothing_bootable(
    papers: Papers, backing: Path, node: str, number: signal.Signals
) -> None:
    with slow(node, 8 * MIB), started(papers, node) as process:
        process.send_signal(number)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 7, said
    assert "canceled" in said
    assert bytes_at(backing, 0, 4 * MIB) == bytes(4 * MIB)
    assert bytes_at(backing, 56 * MIB, MIB) != b"", "and the device is whole"


def test_a_killed_parent_takes_the_writing_with_it(papers: Papers, backing: Path, node: str) -> None:
    with slow(node, 8 * MIB), started(papers, node) as process:
        process.kill()
        process.wait()
        wait_until_free(node)
    assert bytes_at(backing, 0, 4 * MIB) == bytes(4 * MIB)
    assert run_write(papers.image, node, *GO).returncode == 0
    papers.assert_on(backing)


def test_a_killed_writer_is_told_and_its_card_is_not_good(papers: Papers, backing: Path, node: str) -> None:
    with slow(node, 8 * MIB), started(papers, node) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "ended suddenly" in said
    assert bytes_at(backing, 0, 4 * MIB) == bytes(4 * MIB)


def test_without_capabilities_the_caches_are_dropped_all_the_same(
    papers: Papers, backing: Path, node: str
) -> None:
    """A writer in a container, or a member of group disk: it may not say BLKFLSBUF."""
    if tool("setpriv") is None:
        pytest.skip("setpriv (util-linux) is not installed")
    bare = [tool("setpriv") or "", "--bounding-set=-all", "--inh-caps=-all"]
    done = subprocess.run(
        [*bare, *command("write", papers.image, node, *GO)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    papers.assert_on(backing)


def test_an_ordinary_user_is_told_what_is_missing(tmp_path: Path) -> None:
    """Without root there is a clear word, not a traceback."""
    if not loop_problem():
        pytest.skip("this user may do everything")
    card = card_file(tmp_path / "card", MIB)
    card.chmod(0)
    done = run_write(tmp_path / "none.img", card, *GO)
    assert done.returncode == 5
    assert "may not be opened" in done.stderr
