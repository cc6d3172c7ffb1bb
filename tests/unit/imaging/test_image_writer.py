"""Writing past the page cache, on file systems that do not let us."""

import errno
import fcntl
import os

import pytest

from workers.imaging.image_writer import WINDOW, ImageWriter

DATA = bytes(range(256)) * 20_000  # 5 MB: more than a window


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "card.img"
    path.write_bytes(bytes(2 * WINDOW))
    return path


def write(image):
    writer = ImageWriter(image)
    writer.write(1000, DATA)
    writer.close()
    return image.read_bytes()[1000:][: len(DATA)]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_file_system_that_takes_nothing_directly_and_says_so_only_when_writing(image, monkeypatch, number):
    real, refused = os.pwrite, []

    def pwrite(fd, data, at):
        if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT:
            refused.append(at)
            raise OSError(number, os.strerror(number))
        return real(fd, data, at)

    monkeypatch.setattr(os, "pwrite", pwrite)
    assert write(image) == DATA
    assert 1 <= len(refused) <= 2  # each lane asks at most once


def test_other_errors_of_the_disk_are_told(image, monkeypatch):
    def pwrite(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(OSError, match="nput/output"):
        write(image)
