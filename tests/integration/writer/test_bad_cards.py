"""Bad cards as the kernel shows them: each fault of the doubles really reaches whoever uses the device."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.doubles.bad_cards import BadDevice, bad_card, bad_card_problem
from tests.doubles.cards import MIB, bytes_at, card_file
from workers.writer import ioctls
from workers.writer.card import aligned

pytestmark = pytest.mark.loop
SIZE = 8 * MIB


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    problem = bad_card_problem()
    if problem:
        pytest.skip(problem)
    return card_file(tmp_path / "medium", SIZE)


@pytest.fixture
def device(medium: Path) -> Iterator[BadDevice]:
    with bad_card(medium) as device:
        yield device


@contextmanager
def opened(node: str) -> Iterator[int]:
    handle = os.open(node, os.O_RDWR | os.O_EXCL | os.O_DIRECT)
    try:
        yield handle
    finally:
        os.close(handle)


def filled(byte: bytes, length: int = MIB) -> memoryview:
    buffer = aligned(length)
    buffer[:] = byte * length
    return buffer


def read(handle: int, offset: int, length: int = MIB) -> bytes:
    buffer = aligned(length)
    return bytes(buffer[: os.preadv(handle, [buffer], offset)])


def test_what_is_written_is_on_the_medium(device: BadDevice) -> None:
    with opened(device.node) as handle:
        assert os.pwrite(handle, filled(b"n", 4 * MIB), MIB) == 4 * MIB
        assert ioctls.device_size(handle) == SIZE
        os.fsync(handle)
        assert read(handle, MIB, 4 * MIB) == b"n" * 4 * MIB
    assert device.medium.read_bytes() == b"\xa5" * MIB + b"n" * 4 * MIB + b"\xa5" * 3 * MIB


def test_errors_flips_and_forgotten_writes(device: BadDevice) -> None:
    with opened(device.node) as handle:
        device.set(errors=[{"from": MIB, "to": 2 * MIB, "on": "write"}])
        with pytest.raises(OSError, match="Input/output"):
            os.pwrite(handle, filled(b"n", 4 * MIB), 0)
        assert os.pwrite(handle, filled(b"n"), 2 * MIB) == MIB
        device.set(errors=[], flips=[{"from": MIB + 5, "to": MIB + 6, "on": "read"}])
        assert read(handle, MIB)[4:7] == b"\xa5\xb5\xa5"
        device.set(flips=[], forgets=[{"from": 4 * MIB}])
        assert os.pwrite(handle, filled(b"n"), 4 * MIB) == MIB
        assert read(handle, 4 * MIB) == b"\xa5" * MIB


def test_a_short_write_is_no_success(device: BadDevice) -> None:
    device.set(short=[{"from": 4096, "on": "write", "times": 1}])
    with opened(device.node) as handle, pytest.raises(OSError, match="Input/output"):
        os.pwrite(handle, filled(b"n"), 0)


def test_a_stalled_request_waits_in_the_kernel(device: BadDevice) -> None:
    with opened(device.node) as handle:
        device.set(stalls=[{"from": 0, "to": MIB}])
        writing = threading.Thread(target=os.pwrite, args=(handle, filled(b"n"), 0))
        writing.start()
        device.wait_for("stalled")
        assert writing.is_alive()
        device.release()
        writing.join(30)
    assert bytes_at(device.medium, 0, MIB) == b"n" * MIB


@pytest.mark.parametrize("other", [False, True])
def test_a_pulled_card_is_gone_and_comes_back_as_a_new_insertion(
    tmp_path: Path, device: BadDevice, other: bool
) -> None:
    with opened(device.node) as handle:
        before = ioctls.diskseq(handle)
        device.set(gone_after=MIB)
        assert os.pwrite(handle, filled(b"n"), 0) == MIB
        with pytest.raises(OSError, match="Input/output"):
            os.pwrite(handle, filled(b"n"), MIB)
        device.wait_for("gone")
        assert ioctls.device_size(handle) == 0
        assert read(handle, 0) == b""
        device.come_back(as_card=card_file(tmp_path / "other", SIZE, fill=7) if other else None)
    device.wait_for("returned")
    with opened(device.node) as handle:
        assert ioctls.device_size(handle) == SIZE
        assert ioctls.diskseq(handle) != before
        assert read(handle, 0) == (b"\x07" if other else b"n") * MIB


@pytest.mark.parametrize(("limbo", "begins"), [(True, b"\xa5"), (False, b"n")])
def test_a_forged_card(medium: Path, limbo: bool, begins: bytes) -> None:
    with bad_card(medium, claimed=4 * SIZE, limbo=limbo) as device, opened(device.node) as handle:
        assert ioctls.device_size(handle) == 4 * SIZE
        assert os.pwrite(handle, filled(b"n"), SIZE) == MIB
        assert read(handle, 0) == begins * MIB


def test_nothing_is_left_behind_even_if_somebody_still_holds_the_node(medium: Path) -> None:
    with bad_card(medium) as device:
        handle = os.open(device.node, os.O_RDWR)
        device.set(stalls=[{}])
        writing = threading.Thread(target=_try_to_write, args=(handle,))
        writing.start()
        device.wait_for("stalled")
    writing.join(30)
    assert not writing.is_alive()
    os.close(handle)
    assert "bad-card" not in Path("/proc/mounts").read_text()
    losetup = subprocess.run(["losetup", "-a"], capture_output=True, text=True, check=True)
    assert "bad-card" not in losetup.stdout


def _try_to_write(handle: int) -> None:
    try:
        os.pwrite(handle, bytes(4096), 0)
        os.fsync(handle)
    except OSError:
        pass  # the card is taken down below it
