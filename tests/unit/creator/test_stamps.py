"""Times and attributes of members, to the last digit; nonsense in them stops nothing."""

import io
import struct
import tarfile
import zipfile

import pytest

from workers.creator.epoch import EPOCH
from workers.creator.stamps import tar_attributes, tar_time, zip_time

LATEST = 2**34 - 2**31 - 1


def packed(**headers):
    """A member after its way through a real tar."""
    info = tarfile.TarInfo("a")
    info.pax_headers = headers
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info)
    out.seek(0)
    return next(iter(tarfile.open(fileobj=out, mode="r|")))


@pytest.mark.parametrize(
    ("mtime", "headers", "found"),
    [
        (1_600_000_000, {}, (1_600_000_000, 0)),
        (0, {"mtime": "1600000000.123456789"}, (1_600_000_000, 123_456_789)),
        (0, {"mtime": "1600000000.999999999999"}, (1_600_000_000, 999_999_999)),
        (0, {"mtime": "1600000000."}, (1_600_000_000, 0)),
        (0, {"mtime": "99999999999.5"}, (LATEST, 0)),
        (-5.5, {"mtime": "-5.5"}, (0, 0)),
        (float("inf"), {"mtime": "1e999999999"}, (EPOCH, 0)),
        (float("nan"), {"mtime": "nan"}, (EPOCH, 0)),
        (7, {"mtime": "tomorrow"}, (7, 0)),
    ],
)
def test_times_of_tars(mtime, headers, found):
    info = tarfile.TarInfo("a")
    info.mtime, info.pax_headers = mtime, headers
    assert tar_time(info) == found


def test_a_time_comes_whole_out_of_a_real_tar():
    assert tar_time(packed(mtime="1600000000.123456789")) == (1_600_000_000, 123_456_789)


@pytest.mark.parametrize("value", [b"blue", b"", b"a\0b", bytes(range(256)), b"x=1\n"])
def test_attributes_of_tars(value):
    key = "SCHILY.xattr.user.colour"
    info = packed(**{key: value.decode("utf-8", "surrogateescape")})
    assert tar_attributes(info) == {"user.colour": value}


def test_attributes_that_give_rights_are_left_out():
    names = ["security.capability", "trusted.a", "system.posix_acl_access", "user.kept"]
    info = packed(**{f"SCHILY.xattr.{name}": "1" for name in names}, comment="user.none")
    assert tar_attributes(info) == {"user.kept": b"1"}


def zipped(extra, date=(2020, 2, 3, 4, 5, 6)):
    info = zipfile.ZipInfo("a", date)
    info.extra = extra
    return info


NTFS = struct.pack("<HHIHHQQQ", 10, 32, 0, 1, 24, 132_000_000_012_345_678, 1, 2)
UNIX = struct.pack("<HHBi", 0x5455, 5, 1, 1_555_555_555)
PLAIN = (1_580_702_706, 0)


@pytest.mark.parametrize(
    ("extra", "found"),
    [
        (b"", PLAIN),
        (UNIX, (1_555_555_555, 0)),
        (NTFS, (1_555_526_401, 234_567_800)),
        (UNIX + NTFS, (1_555_526_401, 234_567_800)),
        (struct.pack("<HHBi", 0x5455, 5, 2, 9), PLAIN),  # the time of access alone
        (struct.pack("<HHBi", 0x5455, 5, 1, -9), (0, 0)),
        (UNIX[:6], PLAIN),
        (NTFS[:18], PLAIN),
        (b"\x01", PLAIN),
    ],
)
def test_times_of_zips(extra, found):
    assert zip_time(zipped(extra)) == found


def test_a_day_that_never_was():
    info = zipped(b"")
    info.date_time = (1980, 13, 99, 0, 0, 0)
    assert zip_time(info) == (EPOCH, 0)
