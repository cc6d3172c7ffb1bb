"""What people are told of a card before it is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.imaging.sysfs import Disk, UsbPort
from workers.writer.asking import show
from workers.writer.identity import disk_identity
from workers.writer.opening import Candidate


def shown(path: Path, usb: UsbPort | None, capsys: pytest.CaptureFixture[str]) -> str:
    disk = Disk("sdx", "65:112", "/sys/block/sdx", path.stat().st_size, model="Generic", usb=usb)
    show("/dev/sdx", Candidate(str(path), disk_identity(disk), disk))
    return capsys.readouterr().err


def test_size_model_port_and_what_is_on_it(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = shown(path, UsbPort("2-1.1", speed=5000, version=3.2), capsys)
    assert (
        "/dev/sdx: 33.6 MB (33554432 bytes), Generic at USB port 2-1.1; holds now: nothing recognised" in told
    )
    assert "USB 2 link" not in told


def test_a_reader_that_is_held_back(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = shown(path, UsbPort("1-1.1", speed=480, version=2.1), capsys)
    assert "its USB 3 reader has a USB 2 link" in told
    assert "at a USB 3 port" in told


@pytest.mark.parametrize("usb", [None, UsbPort("1-1", speed=480, version=2.0)])
def test_what_is_as_fast_as_it_can_be(
    path: Path, capsys: pytest.CaptureFixture[str], usb: UsbPort | None
) -> None:
    assert "USB 2 link" not in shown(path, usb, capsys)
