from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.doubles.cards import MIB, bytes_at
from workers.contract import Fault
from workers.errors import CardError, SlotError, WorkError
from workers.writer.card import FileCard, aligned
from workers.writer.faulty import FaultyCard, Spot
from workers.writer.transfer import BadSpot, Gone, not_opened, read_fully, settle, write_fully


def some(length: int = MIB) -> memoryview:
    buffer = aligned(length)
    buffer[:] = os.urandom(length)
    return buffer


@pytest.mark.parametrize("at_most", [4096, 5000, 12_288, MIB - 1])
def test_short_writes_and_reads_are_continued(path: Path, card: FileCard, at_most: int) -> None:
    faulty = FaultyCard(card, at_most=at_most)
    data = some()
    write_fully(faulty, data, 8192)
    assert bytes_at(path, 8192, MIB) == bytes(data)
    back = aligned(MIB)
    read_fully(faulty, back, 8192)
    assert back == data


def test_a_write_that_moves_nothing_is_a_bad_spot(card: FileCard) -> None:
    with pytest.raises(BadSpot) as caught:
        write_fully(FaultyCard(card, stops_at=4 * 4096), some(), 0)
    assert caught.value.code == "io_error"
    assert "byte 16384" in caught.value.message


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (errno.ENODEV, Gone, "card_gone"),
        (errno.ENXIO, Gone, "card_gone"),
        (errno.ENOMEDIUM, Gone, "card_gone"),
        (errno.EIO, BadSpot, "io_error"),
        (errno.EREMOTEIO, BadSpot, "io_error"),
        (errno.ETIMEDOUT, BadSpot, "io_error"),
        (errno.EPERM, CardError, "write_protected"),
        (errno.EROFS, CardError, "write_protected"),
        (errno.EINVAL, WorkError, "unexpected_errno"),
    ],
)
def test_each_errno_has_a_name(card: FileCard, number: int, kind: type[WorkError], code: str) -> None:
    faulty = FaultyCard(card, write_errors=[Spot(0, errno=number)], read_errors=[Spot(0, errno=number)])
    for call in (write_fully, read_fully):
        with pytest.raises(WorkError) as caught:
            call(faulty, some(), 0)
        assert type(caught.value) is kind
        assert caught.value.code == code


def test_an_unexpected_errno_is_our_bug(card: FileCard) -> None:
    with pytest.raises(WorkError) as caught:
        write_fully(FaultyCard(card, write_errors=[Spot(0, errno=errno.EBADF)]), some(), 0)
    assert caught.value.fault is Fault.BUG


def test_a_full_disk_below_a_file_is_the_hosts_fault(card: FileCard) -> None:
    with pytest.raises(WorkError) as caught:
        write_fully(FaultyCard(card, write_errors=[Spot(0, errno=errno.ENOSPC)]), some(), 0)
    assert (caught.value.fault, caught.value.code) == (Fault.HOST, "disk_full")


def test_any_error_of_a_card_that_is_not_there_means_gone(path: Path, card: FileCard) -> None:
    faulty = FaultyCard(card, write_errors=[Spot(0, errno=errno.EIO)])
    path.unlink()
    with pytest.raises(CardError) as caught:
        write_fully(faulty, some(), 0)
    assert caught.value.code == "card_gone"


def test_a_pulled_card_reads_as_nothing_and_is_gone(path: Path, card: FileCard) -> None:
    os.truncate(path, 0)  # what a loop device and a real reader do: no error, no bytes
    with pytest.raises(CardError) as caught:
        read_fully(card, aligned(MIB), 0)
    assert caught.value.code == "card_gone"


def test_a_failed_flush_is_told_and_not_repeated(card: FileCard) -> None:
    faulty = FaultyCard(card, flush_errno=errno.EIO)
    with pytest.raises(CardError) as caught:
        settle(faulty)
    assert caught.value.code == "flush_failed"


def test_a_flush_of_a_pulled_card(card: FileCard) -> None:
    faulty = FaultyCard(card, gone_after=0)
    with pytest.raises(CardError):
        write_fully(faulty, some(), 0)
    with pytest.raises(CardError) as caught:
        settle(faulty)
    assert caught.value.code == "card_gone"


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (errno.EBUSY, SlotError, "in_use"),
        (errno.ENOMEDIUM, SlotError, "no_card"),
        (errno.ENXIO, SlotError, "no_card"),
        (errno.EROFS, CardError, "write_protected"),
        (errno.EACCES, SlotError, "no_permission"),
        (errno.ELOOP, SlotError, "symlink"),
        (errno.ENOENT, SlotError, "no_device"),
    ],
)
def test_why_a_device_was_not_opened(number: int, kind: type[WorkError], code: str) -> None:
    error = not_opened("/dev/sdb", OSError(number, os.strerror(number)))
    assert type(error) is kind
    assert error.code == code
    assert "/dev/sdb" in error.message
