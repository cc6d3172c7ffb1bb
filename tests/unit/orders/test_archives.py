"""Archives: their index says how much room they take, and what makes them impossible is told."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest
from django.core.exceptions import ValidationError

from orders import archives


def zipped(files: dict[str, bytes], **options) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def unpacked(data: bytes) -> int:
    return archives.unpacked_bytes(io.BytesIO(data), len(data))


def test_room_is_counted_in_whole_blocks():
    assert unpacked(zipped({"a": b"x", "b/c": b"x" * 4096, "empty": b""})) == 3 * 4096


def test_the_end_of_an_archive_is_enough():
    whole = zipped({"a.bin": bytes(range(256)) * 4000, "b.txt": b"x" * 5000})
    tail = whole[-1000:]

    assert archives.unpacked_bytes(io.BytesIO(tail), len(whole)) == unpacked(whole)


def encrypted() -> bytes:
    data = bytearray(zipped({"a": b"x"}))
    at = data.rfind(b"PK\x01\x02")
    data[at + 8] |= 1
    return bytes(data)


def lying() -> bytes:
    """Says that its one byte unfolds to 3 GB."""
    data = bytearray(zipped({"a": b"x"}))
    at = data.rfind(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 3_000_000_000)
    return bytes(data)


def crowded(files: int, length: int) -> bytes:
    data = bytearray(zipped({"a": b"x"}))
    at = data.rfind(b"PK\x05\x06")
    data[at + 8 : at + 16] = struct.pack("<HHI", files, files, length)
    return bytes(data)


def large(files: int, length: int) -> bytes:
    """With a ZIP64 end before the plain one, which then counts for nothing."""
    data = zipped({"a": b"x"})
    at = data.rfind(b"PK\x05\x06")
    end = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, files, files, length, 0)
    return data[:at] + end + struct.pack("<4sIQI", b"PK\x06\x07", 0, at, 1) + data[at:]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no ZIP archive"),
        (b"hello" * 100, "no ZIP archive"),
        (zipped({"a": b"x" * 100_000})[:-30], "no ZIP archive"),
        (zipped({}), "holds no file"),
        (zipped({"folder/": b""}), "holds no file"),
        (zipped({"../evil": b"x"}), "outside of its folder"),
        (zipped({"/etc/passwd": b"x"}), "outside of its folder"),
        (zipped({"a\\..\\..\\b": b"x"}), "outside of its folder"),
        (zipped({"a\nb": b"x"}), "outside of its folder"),
        (encrypted(), "without a password"),
        (lying(), "claims to unfold"),
        (crowded(65_535, 100), "too many files"),
        (crowded(1, 1 << 31), "too many files"),
        (large(70_000, 100), "too many files"),
        (large(1, 1 << 31), "too many files"),
        (crowded(1, 40_000), "damaged"),
    ],
)
def test_what_is_refused_is_told(data, words):
    with pytest.raises(ValidationError) as refusal:
        unpacked(data)

    assert words in refusal.value.messages[0]


def test_the_limit_is_named(settings):
    settings.ZIP_UNPACKED_BYTES = 1000
    with pytest.raises(ValidationError, match=r"has 2\.0 kB; at most 1\.0 kB"):
        unpacked(zipped({"a": bytes(2000)}))


def test_files_are_counted_whatever_the_end_says(monkeypatch):
    monkeypatch.setattr(archives, "MAX_FILES", 3)
    data = bytearray(zipped({f"{n}": b"x" for n in range(5)}))
    at = data.rfind(b"PK\x05\x06")
    data[at + 8 : at + 12] = struct.pack("<HH", 1, 1)
    with pytest.raises(ValidationError, match="at most 3 are taken"):
        unpacked(bytes(data))
