from __future__ import annotations

import hashlib
import itertools
import os
import random
from pathlib import Path

import pytest
import zstandard

from tests.unit.imaging.images import run, sparse
from workers.errors import Canceled, HostError, JobError
from workers.imaging import bmap, container
from workers.imaging.container import FRAME, ContainerFacts, Reader, StreamChecker
from workers.imaging.container import format as layout
from workers.imaging.container.frames import offsets
from workers.imaging.ranges import Range
from workers.report import Recorder


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def packed(
    tmp_path: Path, size: int, pieces: dict[int, bytes], **options: int
) -> tuple[Path, Path, ContainerFacts]:
    image = sparse(tmp_path / "a.img", size, pieces)
    out = tmp_path / "a.img.zst"
    return image, out, container.pack(image, out, **options)


MIXED = 5 * FRAME + 777
PIECES = {0: b"start" * 99, 2 * FRAME - 9: noise(70_000), 4 * FRAME + 5: b"x", MIXED - 3: b"end"}


@pytest.fixture
def mixed(tmp_path: Path) -> tuple[Path, Path, ContainerFacts]:
    """An image of data, holes and a frame of zeros, with a short last frame."""
    return packed(tmp_path, MIXED, PIECES)


def test_facts_tell_the_truth(mixed: tuple[Path, Path, ContainerFacts]) -> None:
    image, out, facts = mixed
    assert facts.size == out.stat().st_size
    assert facts.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    assert facts.image_size == MIXED
    assert facts.image_sha256 == hashlib.sha256(image.read_bytes()).hexdigest()
    assert container.verify(out, root=facts.root) == facts


@pytest.mark.parametrize("size", [1, 4095, FRAME - 1, FRAME, FRAME + 1, 3 * FRAME])
@pytest.mark.parametrize("full", [True, False])
def test_any_zstd_decoder_restores_the_image(tmp_path: Path, size: int, full: bool) -> None:
    image, out, _ = packed(tmp_path, size, {0: noise(size)} if full else {size // 2: b"!"})
    with out.open("rb") as file:
        plain = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
    assert plain == image.read_bytes()


def test_the_zstd_program_restores_the_image(mixed: tuple[Path, Path, ContainerFacts]) -> None:
    image, out, _ = mixed
    back = out.with_name("back.img")
    run("zstd", "-q", "-d", out, "-o", back)
    assert back.read_bytes() == image.read_bytes()


def test_neither_threads_nor_holes_change_a_byte(mixed: tuple[Path, Path, ContainerFacts]) -> None:
    image, out, facts = mixed
    dense = image.with_name("dense.img")
    dense.write_bytes(image.read_bytes())
    for source, threads in ((image, 1), (image, 5), (dense, 2)):
        again = image.with_name("again.zst")
        assert container.pack(source, again, threads=threads) == facts
        assert again.read_bytes() == out.read_bytes()


def test_holes_are_told_from_data() -> None:
    data = [Range(FRAME - 1, 2), Range(5 * FRAME, 1)]
    assert [hole for _, hole in offsets(7 * FRAME, data)] == [False, False, True, True, True, False, True]
    assert [hole for _, hole in offsets(FRAME + 1, [])] == [True, True]
    assert [hole for _, hole in offsets(3 * FRAME, [Range(FRAME, FRAME)])] == [True, False, True]


def test_a_big_empty_image_packs_small(tmp_path: Path) -> None:
    _, out, facts = packed(tmp_path, 300 * FRAME + 12345, {})
    assert out.stat().st_size < 100_000
    assert facts.image_size == 300 * FRAME + 12345
    with Reader(out) as reader:
        assert all(frame.zero for frame in reader.frames)


def test_progress_reaches_the_end_and_cancel_leaves_nothing(tmp_path: Path) -> None:
    image = sparse(tmp_path / "a.img", 3 * FRAME, {0: b"x"})
    report = Recorder()
    container.pack(image, tmp_path / "a.zst", report=report)
    assert report.done == 3 * FRAME
    report.canceled.set()
    with pytest.raises(Canceled):
        container.pack(image, tmp_path / "b.zst", report=report)
    assert not (tmp_path / "b.zst").exists()


def test_a_full_disk_is_the_hosts_fault(tmp_path: Path) -> None:
    image = sparse(tmp_path / "a.img", FRAME, {0: noise(FRAME)})
    out = tmp_path / "full.zst"
    out.symlink_to("/dev/full")
    with pytest.raises(HostError, match="free space") as error:
        container.pack(image, out)
    assert error.value.code == "disk_full"
    assert not out.is_symlink()


def test_an_empty_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="0 bytes"):
        packed(tmp_path, 0, {})
    assert not (tmp_path / "a.img.zst").exists()


# Seeking


def test_reader_reads_anywhere(mixed: tuple[Path, Path, ContainerFacts]) -> None:
    image, out, facts = mixed
    plain = image.read_bytes()
    rng = random.Random(7)
    with Reader(out) as reader:
        assert (reader.size, reader.root) == (MIXED, facts.root)
        assert [frame.zero for frame in reader.frames] == [False, False, False, True, False, False]
        for _ in range(40):
            offset, length = rng.randrange(MIXED), rng.choice([0, 1, 4096, FRAME, 3 * FRAME])
            assert reader.pread(length, offset) == plain[offset : offset + length]
        assert reader.pread(10, MIXED) == b""


@pytest.mark.parametrize("keep", [0, 7, 60, 5000, -1])
def test_reader_refuses_a_cut_container(mixed: tuple[Path, Path, ContainerFacts], keep: int) -> None:
    _, out, _ = mixed
    out.write_bytes(out.read_bytes()[:keep])
    with pytest.raises(JobError) as error:
        Reader(out)
    assert error.value.code == "bad_image"


def test_reader_names_what_is_not_ours(tmp_path: Path) -> None:
    out = tmp_path / "a.img.zst"
    out.write_bytes(zstandard.compress(b"plain zstd"))
    with pytest.raises(JobError) as error:
        Reader(out)
    assert error.value.code == "not_a_container"
    with pytest.raises(JobError, match=r"no image .*none\.zst") as error:
        Reader(tmp_path / "none.zst")
    assert error.value.code == "image_missing"


# Damage


@pytest.fixture
def tiny(tmp_path: Path) -> tuple[Path, ContainerFacts]:
    """A container of some hundred bytes, so that each of them can be damaged."""
    _, out, facts = packed(tmp_path, FRAME + 4000, {5: b"abcdefgh" * 8, FRAME + 1: b"tail"})
    return out, facts


def test_every_byte_is_guarded(tiny: tuple[Path, ContainerFacts]) -> None:
    out, facts = tiny
    good = out.read_bytes()
    for at in range(len(good)):
        out.write_bytes(good[:at] + bytes([good[at] ^ 0x81]) + good[at + 1 :])
        with pytest.raises(JobError):
            container.verify(out, root=facts.root)


def test_a_reader_gives_the_image_or_an_error(tiny: tuple[Path, ContainerFacts]) -> None:
    out, facts = tiny
    good = out.read_bytes()
    with Reader(out) as reader:
        plain = reader.pread(facts.image_size, 0)
    refused = 0
    for at in range(len(good)):
        out.write_bytes(good[:at] + bytes([good[at] ^ 0x81]) + good[at + 1 :])
        try:
            with Reader(out) as reader:
                assert reader.pread(facts.image_size, 0) == plain or reader.root != facts.root
        except JobError:
            refused += 1
    assert refused > len(good) * 0.7  # the rest: records beside the data, of which the index holds a copy


@pytest.mark.parametrize(
    ("at", "why"),
    [
        (0, "misplaces frame 0"),
        (layout.ENTRY_SIZE + 2, "misplaces frame 1"),
        (8, "record 0 does not describe"),
        (layout.ENTRY_SIZE - 1, "root"),
        (2 * layout.ENTRY_SIZE, "root"),
        (2 * layout.ENTRY_SIZE + 32, "end with its index"),
    ],
)
def test_a_damaged_index_is_named(tiny: tuple[Path, ContainerFacts], at: int, why: str) -> None:
    out, facts = tiny
    data = bytearray(out.read_bytes())
    data[facts.size - layout.index_length(facts.image_size) + at] ^= 1
    out.write_bytes(data)
    with pytest.raises(JobError, match=why):
        Reader(out)


def test_zeros_with_another_digest_are_refused() -> None:
    """Also where the same zeros were opened before."""
    packed_zeros = zstandard.compress(bytes(FRAME))
    opener = layout.Opener()
    digest = hashlib.sha256(bytes(FRAME)).digest()
    assert not any(opener.open(container.Frame(0, FRAME, len(packed_zeros), True, digest), packed_zeros))
    with pytest.raises(JobError, match="SHA-256"):
        opener.open(container.Frame(FRAME, FRAME, len(packed_zeros), True, digest[::-1]), packed_zeros)


def test_bytes_behind_the_index_are_refused(tiny: tuple[Path, ContainerFacts]) -> None:
    out, _ = tiny
    for more in (b"x", b"more than eight bytes", out.read_bytes()):
        longer = out.with_name("longer.zst")
        longer.write_bytes(out.read_bytes() + more)
        with pytest.raises(JobError):
            container.verify(longer)
        with pytest.raises(JobError):
            Reader(longer)


def test_another_root_is_refused(tiny: tuple[Path, ContainerFacts]) -> None:
    out, _ = tiny
    with pytest.raises(JobError, match="manifest"):
        container.verify(out, root="00" * 32)


def units(data: bytes) -> list[bytes]:
    """The container's header, each record with its frame, and the index."""
    checker = StreamChecker()
    ends = [0]
    for at in range(len(data)):
        checker.feed(data[at : at + 1])
        if checker.verified > ends[-1]:
            ends.append(checker.verified)
    return [data[start:end] for start, end in itertools.pairwise(ends)]


def take(data: bytes, numbers: list[int] | None = None) -> None:
    """A whole container at once; the numbers of its frames as they come out."""
    seen = [] if numbers is None else numbers
    checker = StreamChecker(lambda frame, _: seen.append(frame.number))
    checker.feed(data)
    checker.finish()


def forged(frame: bytes, length: int = FRAME, *, digest: bytes | None = None, kind: int = 0) -> bytes:
    """A header and one record that says what it likes of `frame`, the first of two."""
    head = layout.header_bytes(FRAME + 4000)
    record = container.Frame(0, length, len(frame), bool(kind), digest or hashlib.sha256(frame).digest())
    return head + layout.skippable(0x184D2A51, record.to_bytes()) + frame


def test_order_and_number_of_frames_are_guarded(tiny: tuple[Path, ContainerFacts]) -> None:
    head, first, second, index = units(tiny[0].read_bytes())
    for wrong in (
        [head, second, first, index],
        [head, first, first, index],
        [head, first, index],
        [first, second],
    ):
        with pytest.raises(JobError):
            take(b"".join(wrong))


def test_a_frame_that_claims_another_length_is_not_decompressed() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(64 * FRAME))
    with pytest.raises(JobError, match="another length"):
        StreamChecker().feed(forged(bomb))


def test_a_frame_without_a_length_is_refused() -> None:
    frame = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(FRAME))
    with pytest.raises(JobError):
        StreamChecker().feed(forged(frame, digest=hashlib.sha256(bytes(FRAME)).digest()))


def test_data_behind_a_frame_is_refused() -> None:
    """A plain decoder would give more than the image."""
    data = noise(FRAME)
    frame = zstandard.compress(data) + zstandard.compress(b"smuggled")
    with pytest.raises(JobError):
        StreamChecker().feed(forged(frame, digest=hashlib.sha256(data).digest()))


def test_data_marked_as_zeros_is_refused() -> None:
    data = noise(FRAME)
    with pytest.raises(JobError, match="marked as zeros"):
        StreamChecker().feed(forged(zstandard.compress(data), digest=hashlib.sha256(data).digest(), kind=1))


@pytest.mark.parametrize("size", [0, -1, 1.5, "8", True, None, 2**63])
def test_impossible_sizes_are_refused(size: object) -> None:
    head = layout.header_bytes(8).replace(b'"size": 8', f'"size": {size!r}'.encode())
    fixed = head[:4] + (len(head) - 8).to_bytes(4, "little") + head[8:]
    with pytest.raises(JobError) as error:
        StreamChecker().feed(fixed)
    assert error.value.code == "bad_image"


def test_another_version_is_named() -> None:
    head = layout.header_bytes(8).replace(b'"version": 1', b'"version": 2')
    with pytest.raises(JobError, match=r"version 2.* update") as error:
        StreamChecker().feed(head)
    assert error.value.code == "container_version"


# Streaming and resuming


@pytest.mark.parametrize("seed", range(4))
def test_the_stream_may_come_in_any_portions(mixed: tuple[Path, Path, ContainerFacts], seed: int) -> None:
    image, out, facts = mixed
    data, rng = out.read_bytes(), random.Random(seed)
    parts: list[bytes] = []
    checker = StreamChecker(lambda _, part: parts.append(bytes(part)))
    at, verified = 0, 0
    while at < len(data):
        size = rng.choice([1, 7, 60, 5000, 10**6])
        checker.feed(data[at : at + size])
        at += size
        assert verified <= checker.verified <= at
        verified = checker.verified
    checker.finish(facts.root)
    assert b"".join(parts) == image.read_bytes()
    assert checker.verified == facts.size


def test_read_stream_reports_and_needs_the_end(mixed: tuple[Path, Path, ContainerFacts]) -> None:
    _, out, facts = mixed
    report = Recorder()
    with out.open("rb") as file:
        assert container.read_stream(file, root=facts.root, report=report).root == facts.root
    assert report.done == facts.size
    os.truncate(out, facts.size - 1)
    with out.open("rb") as file, pytest.raises(JobError, match="before its index"):
        container.read_stream(file)


def test_a_cut_download_is_kept_up_to_its_last_good_frame(tiny: tuple[Path, ContainerFacts]) -> None:
    out, facts = tiny
    good = out.read_bytes()
    ends = list(itertools.accumulate(map(len, units(good)), initial=0))
    for keep in range(len(good) + 1):
        out.write_bytes(good[:keep])
        expected = max(end for end in ends if end <= keep)
        checker = container.resumed(out)
        assert checker.verified == expected
        checker.feed(good[expected:])
        checker.finish(facts.root)


def test_a_damaged_download_is_kept_up_to_the_damage(mixed: tuple[Path, Path, ContainerFacts]) -> None:
    _, out, _ = mixed
    good = out.read_bytes()
    with Reader(out) as reader:
        starts = reader._positions
    for at in (starts[2] + 9, starts[2] + 200, starts[3] - 1):
        out.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        assert container.good_prefix(out) == starts[max(i for i, start in enumerate(starts) if start <= at)]


def test_nothing_of_a_missing_or_foreign_file_is_kept(tmp_path: Path) -> None:
    assert container.good_prefix(tmp_path / "none") == 0
    foreign = tmp_path / "html"
    foreign.write_bytes(b"<html>404 not found</html>")
    assert container.good_prefix(foreign) == 0


def test_after_a_bad_frame_the_true_bytes_are_taken(tiny: tuple[Path, ContainerFacts]) -> None:
    out, facts = tiny
    good = out.read_bytes()
    numbers: list[int] = []
    checker = StreamChecker(lambda frame, _: numbers.append(frame.number))
    head, first = len(units(good)[0]), len(units(good)[1])
    bad_at = head + first + 70
    with pytest.raises(JobError):
        checker.feed(good[:bad_at] + b"\xff" + good[bad_at + 1 :])
    assert checker.verified == head + first
    checker.feed(good[checker.verified :])
    checker.finish(facts.root)
    assert numbers == [0, 1]


def test_no_frame_reaches_the_sink_unproved(tiny: tuple[Path, ContainerFacts]) -> None:
    good = tiny[0].read_bytes()
    head, first, second, _ = units(good)
    seen: list[int] = []
    for at in range(len(head), len(head) + len(first) + len(second)):
        seen.clear()
        with pytest.raises(JobError):
            take(good[:at] + bytes([good[at] ^ 0x40]) + good[at + 1 :], seen)
        assert seen == ([] if at < len(head) + len(first) else [0])


def test_one_pass_gives_the_block_map_too(tmp_path):
    """The same map as hashing each range by itself; frames of zeros, ends and pieces of frames among them."""
    data, size = random.Random(5).randbytes(3 << 20), 5 * FRAME + 12_288
    image = sparse(tmp_path / "a.img", size, {0: data, FRAME + 4096: data, 5 * FRAME: data[:12_288]})
    wanted = [
        Range(0, 8192),
        Range(4 << 10 << 3, 4096),
        Range(FRAME, FRAME),
        Range(2 * FRAME, FRAME),
        Range(3 * FRAME + 4096, 8192),
        Range(5 * FRAME, 12_288),
    ]
    seen = hashlib.sha256()
    facts, blocks = container.pack_mapped(image, tmp_path / "a.zst", wanted, taps=[seen], threads=3)
    assert blocks == bmap.make(image, wanted)
    assert facts == container.pack(image, tmp_path / "b.zst")
    assert seen.hexdigest() == facts.sha256
