"""Base images arrive packed in several ways, in pieces of any length, whole or cut or damaged."""

import lzma
import random
from contextlib import closing

import pytest
import zstandard

from workers.creator.unpack import SparseFile, Unpacker, is_packed
from workers.errors import JobError
from workers.imaging.program import unasked

RAW = random.Random(1).randbytes(300_000) + bytes(2_000_000) + b"end" + bytes(70_000)


def skippable(data):
    return b"\x52\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data


def frames(*parts):
    return b"".join(zstandard.ZstdCompressor(write_checksum=True).compress(part) for part in parts)


PACKED = {
    "raw": RAW,
    "xz": lzma.compress(RAW),
    "two xz streams": lzma.compress(RAW[:1000]) + bytes(8) + lzma.compress(RAW[1000:]) + bytes(4),
    "zstd": frames(RAW),
    "zstd frames": frames(RAW[:5], RAW[5:200_000], RAW[200_000:]),
    "skippable first": skippable(b"about")
    + frames(RAW[:9])
    + skippable(b"")
    + frames(RAW[9:])
    + skippable(b"index"),
}


def unpack(path, data, step, limit=10 << 20):
    out = SparseFile(path, limit=limit)
    try:
        unpacker = Unpacker(out, "base.img", unasked)
        for at in range(0, len(data), step):
            unpacker.write(data[at : at + step])
        unpacker.finish()
    finally:
        out.close()
    return path


@pytest.mark.parametrize("step", [1 << 20, 4096, 977])
@pytest.mark.parametrize("data", PACKED.values(), ids=PACKED)
def test_every_kind_in_any_pieces(tmp_path, data, step):
    out = unpack(tmp_path / "out", data, step)
    assert out.read_bytes() == RAW
    assert out.stat().st_blocks * 512 < len(RAW) // 2


@pytest.mark.parametrize("kind", [kind for kind in PACKED if kind != "raw"])
def test_every_cut_is_noticed(tmp_path, kind):
    data = PACKED[kind].rstrip(b"\0") if "xz" in kind else frames(RAW[:500], RAW[500:])
    for number, length in enumerate([3, 7, len(data) // 2, len(data) - 1]):
        with pytest.raises(JobError, match=r"cut short|damaged") as caught:
            unpack(tmp_path / str(number), data[:length], 4096)
        assert caught.value.code == "bad_base"


@pytest.mark.parametrize("kind", ["xz", "zstd"])
def test_damage_is_named(tmp_path, kind):
    data = bytearray(PACKED[kind])
    data[len(data) // 2] ^= 0xFF
    data[20] ^= 0xFF
    with pytest.raises(JobError, match=r"base\.img is damaged") as caught:
        unpack(tmp_path / "out", bytes(data), 4096)
    assert caught.value.code == "bad_base"


def test_rubbish_behind_a_frame_is_damage(tmp_path):
    with pytest.raises(JobError, match="damaged"):
        unpack(tmp_path / "out", PACKED["zstd"] + b"rubbish!", 4096)
    with pytest.raises(JobError, match="damaged"):
        unpack(tmp_path / "out2", PACKED["xz"] + b"rubbish!rubbish!", 4096)


def test_nothing_at_all_is_cut_short(tmp_path):
    with pytest.raises(JobError, match="cut short"):
        unpack(tmp_path / "out", b"", 4096)


@pytest.mark.parametrize("kind", PACKED)
def test_what_unpacks_to_too_much_is_stopped(tmp_path, kind):
    with pytest.raises(JobError, match="more than 1000000 bytes") as caught:
        unpack(tmp_path / "out", PACKED[kind], 4096, limit=1_000_000)
    assert caught.value.code == "too_large"
    assert (tmp_path / "out").stat().st_size <= 1_000_000


def test_rewinding_begins_anew_even_with_another_kind(tmp_path):
    out = SparseFile(tmp_path / "out", limit=10 << 20)
    unpacker = Unpacker(out, "base.img", unasked)
    unpacker.write(PACKED["xz"][:50_000])
    unpacker.rewind()
    unpacker.write(b"\xff" * 100_000)
    unpacker.rewind()
    unpacker.write(PACKED["zstd"])
    unpacker.finish()
    out.close()
    assert (tmp_path / "out").read_bytes() == RAW


def test_an_existing_file_is_never_overwritten(tmp_path):
    (tmp_path / "out").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        SparseFile(tmp_path / "out", limit=10)


@pytest.mark.parametrize("kind", PACKED)
def test_packed_files_are_known_by_their_first_bytes(tmp_path, kind):
    (tmp_path / "x.img").write_bytes(PACKED[kind])
    assert is_packed(tmp_path / "x.img") == (kind != "raw")


class Asked(Exception):
    pass


def stop():
    raise Asked


def test_a_cancel_is_heard_while_little_unfolds_to_much(tmp_path):
    out = SparseFile(tmp_path / "out", limit=1 << 30)
    with closing(out), pytest.raises(Asked):
        Unpacker(out, "base.img", stop).write(lzma.compress(bytes(50 << 20)))
    assert out.size == 0
