"""FAT volumes: what we write, others read; what others write, we read; damage is named."""

import random
import shutil
import struct
import subprocess

import pytest

from workers.errors import JobError
from workers.imaging import alloc_fat
from workers.imaging.fat import Fat, format_fat
from workers.imaging.fat_names import FatTime, as_short, check_name, checksum, make_short
from workers.imaging.ranges import Range, merge

NOW = 1_704_067_200
OFFSET = 1 << 20
MIB = 1 << 20
VOLUMES = [(32, 34 * MIB), (32, 64 * MIB), (16, 8 * MIB), (16, 200 * MIB)]

needs_fsck = pytest.mark.skipif(not shutil.which("fsck.vfat"), reason="needs fsck.vfat (package dosfstools)")
needs_mtools = pytest.mark.skipif(not shutil.which("mcopy"), reason="needs mcopy (package mtools)")


def blank(path, size):
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        file.truncate(OFFSET + size)
    return path


def volume(path, bits=32, size=34 * MIB):
    format_fat(blank(path, size), OFFSET, size, bits=bits, label="bootfs", serial=0x12345678, now=NOW)
    return path


def fsck(image, tmp_path):
    """`fsck.vfat` knows no offsets: it gets the volume in a file of its own."""
    alone = tmp_path / "alone.fat"
    with image.open("rb") as source, alone.open("wb") as target:
        source.seek(OFFSET)
        shutil.copyfileobj(source, target)
    done = subprocess.run(["fsck.vfat", "-n", "-v", str(alone)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


@needs_fsck
@pytest.mark.parametrize(("bits", "size"), VOLUMES)
def test_an_empty_volume_is_accepted_by_others(tmp_path, bits, size):
    image = volume(tmp_path / "img", bits, size)
    fsck(image, tmp_path)
    with Fat(image, OFFSET) as fat:
        assert fat.geometry.wide == (bits == 32)
        assert fat.entries() == []


@pytest.mark.parametrize(("bits", "size"), VOLUMES)
def test_what_is_written_is_read(tmp_path, bits, size):
    image = volume(tmp_path / "img", bits, size)
    files = {
        "/CONFIG.TXT": b"plain",
        "/offspot.yaml": b"timezone: UTC\n" * 300,
        "/empty": b"",
        "/deep/er/Ünïcode 😀 with a rather long name.txt": random.Random(1).randbytes(70_001),
    }
    with Fat(image, OFFSET, writable=True) as fat:
        for path, data in files.items():
            fat.write(path, data, now=NOW)
    with Fat(image, OFFSET) as fat:
        assert {path: fat.read(path) for path in files} == files
        assert [e.name for e in fat.entries("/deep/er")] == ["Ünïcode 😀 with a rather long name.txt"]
        assert fat.read("/OFFSPOT.YAML") == files["/offspot.yaml"]  # case does not matter
        assert fat.find("/nothing") is None


@needs_fsck
@pytest.mark.parametrize(("bits", "size"), [(32, 34 * MIB), (16, 8 * MIB)])
def test_any_order_of_writes_leaves_a_sound_volume(tmp_path, bits, size):
    rng = random.Random(7)
    image, model = volume(tmp_path / "img", bits, size), {}
    for _ in range(5):
        with Fat(image, OFFSET, writable=True) as fat:
            for _ in range(60):
                path = f"/d{rng.randrange(3)}/file number {rng.randrange(60)}.dat"
                model[path] = rng.randbytes(rng.choice([0, 1, 511, 512, 513, 5000, 40_000]))
                fat.write(path, model[path], now=NOW)
    report = fsck(image, tmp_path)
    assert f"{len(model) + 3} files" in report or f"{len(model) + 4} files" in report  # + folders (+ label)
    with Fat(image, OFFSET) as fat:
        assert {path: fat.read(path) for path in model} == model
        free = fat.free_bytes
    if bits == 32:
        info = image.read_bytes()[OFFSET + 512 : OFFSET + 1024]
        assert struct.unpack_from("<I", info, 488)[0] * 512 == free


def test_both_tables_are_kept_alike(tmp_path):
    image = volume(tmp_path / "img")
    with Fat(image, OFFSET, writable=True) as fat:
        fat.write("/a", b"x" * 10_000, now=NOW)
        geo = fat.geometry
    raw = image.read_bytes()[OFFSET:]
    size = geo.table_sectors * geo.sector
    first = raw[geo.reserved * 512 :][:size]
    assert first == raw[geo.reserved * 512 + size :][:size]
    assert any(first[16:])


def test_the_same_writes_give_the_same_bytes(tmp_path):
    images = []
    for name in "ab":
        image = volume(tmp_path / name)
        with Fat(image, OFFSET, writable=True) as fat:
            fat.write("/sub/offspot.yaml", b"x" * 3000, now=NOW)
            fat.write("/sub/offspot.yaml", b"y" * 30, now=NOW)
        images.append(image.read_bytes())
    assert images[0] == images[1]


def test_formatting_clears_what_was_there(tmp_path):
    image = blank(tmp_path / "img", 34 * MIB)
    with image.open("r+b") as file:
        file.seek(OFFSET)
        file.write(b"\xa5" * (2 * MIB))
    format_fat(image, OFFSET, 34 * MIB, bits=32, label="x", serial=1, now=NOW)
    with Fat(image, OFFSET) as fat:
        assert fat.entries() == []
        assert fat.free_bytes == (fat.geometry.clusters - 1) * fat.geometry.cluster


def test_a_replaced_file_leaves_no_old_bytes_in_its_last_cluster(tmp_path):
    image = volume(tmp_path / "img")
    with Fat(image, OFFSET, writable=True) as fat:
        fat.write("/a", b"secret" * 80, now=NOW)
        fat.write("/a", b"b", now=NOW)
    assert b"secret" not in image.read_bytes()


def test_a_full_volume_refuses_and_stays_as_it_was(tmp_path):
    image = volume(tmp_path / "img", 16, 8 * MIB)
    with Fat(image, OFFSET, writable=True) as fat:
        fat.write("/keep", b"kept", now=NOW)
        free = fat.free_bytes
        with pytest.raises(JobError, match=f"{free} bytes free") as caught:
            fat.write("/big", bytes(9 * MIB), now=NOW)
        with pytest.raises(JobError):
            fat.write("/keep", bytes(9 * MIB), now=NOW)
        assert caught.value.code == "boot_full"
        assert fat.free_bytes == free
        assert fat.read("/keep") == b"kept"


def test_the_fixed_root_of_fat16_can_be_full(tmp_path):
    image = volume(tmp_path / "img", 16, 8 * MIB)
    with Fat(image, OFFSET, writable=True) as fat:
        for number in range(511):  # and the label
            fat.write(f"/F{number}", b"", now=NOW)
        with pytest.raises(JobError, match="root folder") as caught:
            fat.write("/F512", b"", now=NOW)
    assert caught.value.code == "boot_full"


def test_an_error_forgets_what_was_not_flushed(tmp_path):
    image = volume(tmp_path / "img")
    fat = Fat(image, OFFSET, writable=True)
    fat.makedirs("/sub", now=NOW)
    fat.__exit__(ZeroDivisionError, None, None)
    with Fat(image, OFFSET) as fat:
        before = (fat.geometry.clusters - 1) * fat.geometry.cluster
        assert fat.free_bytes == before


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a:b", "x?", "tab\t", "dot.", "space ", "n" * 256, "😀" * 128]
)
def test_bad_names(name):
    with pytest.raises(JobError, match="FAT") as caught:
        check_name(name)
    assert caught.value.code == "bad_name"


def test_a_folder_is_not_overwritten_by_a_file_nor_a_file_by_a_folder(tmp_path):
    with Fat(volume(tmp_path / "img"), OFFSET, writable=True) as fat:
        fat.write("/sub/a", b"1", now=NOW)
        with pytest.raises(JobError, match="is a folder"):
            fat.write("/sub", b"2", now=NOW)
        with pytest.raises(JobError, match="is a file"):
            fat.write("/sub/a/b", b"3", now=NOW)
        with pytest.raises(JobError, match="root folder is not a file"):
            fat.write("/", b"4", now=NOW)
        with pytest.raises(JobError) as caught:
            fat.read("/sub")
        assert caught.value.code == "no_such_file"


@pytest.mark.parametrize(
    ("name", "short"),
    [("CONFIG.TXT", b"CONFIG  TXT"), ("A", b"A          "), ("config.txt", None), ("TOOLONGNAME", None),
     ("A.TEXT", None), ("A.B.C", None), ("A B", None), ("A.", None)],
)  # fmt: skip
def test_which_names_need_no_long_entry(name, short):
    assert as_short(name) == short


def test_short_aliases_never_clash():
    taken = set()
    for number in range(150):
        alias = make_short(f"offspot number {number}.yaml", taken)
        assert alias not in taken
        assert len(alias) == 11
        taken.add(alias)
    assert make_short(".hidden", set()) == b"HIDDEN~1   "


def test_checksum_of_a_known_name():
    assert checksum(b"CMDLIN~1TXT") == sum_by_the_book(b"CMDLIN~1TXT")


def sum_by_the_book(name):
    total = 0
    for byte in name:
        total = (((total & 1) << 7) + (total >> 1) + byte) % 256
    return total


def test_times_before_1980_become_1980():
    assert FatTime.at(0) == FatTime(0x21, 0)
    assert FatTime.at(1_704_067_200 + 3661) == FatTime((2024 - 1980) << 9 | 1 << 5 | 1, 1 << 11 | 1 << 5)


@needs_mtools
def test_others_read_our_files(tmp_path):
    image = volume(tmp_path / "img")
    with Fat(image, OFFSET, writable=True) as fat:
        fat.write("/sub folder/offspot.yaml", b"from us\n", now=NOW)
    got = subprocess.run(
        ["mtype", "-i", f"{image}@@{OFFSET}", "::/sub folder/offspot.yaml"], capture_output=True, check=True
    )
    assert got.stdout == b"from us\n"


@needs_fsck
@needs_mtools
@pytest.mark.parametrize("arguments", [["-F", "32", "-s", "1"], ["-F", "16"], ["-F", "32", "-s", "4"]])
def test_we_change_volumes_that_others_made(tmp_path, arguments):
    """The last one has fewer clusters than FAT32 should: what the base images of others often have."""
    image = blank(tmp_path / "img", 40 * MIB)
    subprocess.run(
        ["mkfs.vfat", *arguments, "--offset", str(OFFSET // 512), str(image), str(40 * 1024)],
        capture_output=True,
        check=True,
    )
    source = tmp_path / "cmdline with long name.txt"
    source.write_bytes(b"theirs" * 1000)
    if arguments != ["-F", "32", "-s", "4"]:  # mtools refuses those
        subprocess.run(["mcopy", "-i", f"{image}@@{OFFSET}", str(source), "::"], check=True)
    with Fat(image, OFFSET, writable=True) as fat:
        for entry in fat.entries():
            assert fat.read(f"/{entry.name}") == b"theirs" * 1000
        fat.write("/offspot.yaml", b"ours" * 5000, now=NOW)
    fsck(image, tmp_path)
    with Fat(image, OFFSET) as fat:
        assert fat.read("/offspot.yaml") == b"ours" * 5000


def test_used_ranges_cover_every_byte_that_holds_something(tmp_path):
    image = volume(tmp_path / "img")
    with Fat(image, OFFSET, writable=True) as fat:
        for number in range(5):
            fat.write(f"/f{number}", b"\xff" * 7000, now=NOW)
        fat.write("/f2", b"", now=NOW)
    with Fat(image, OFFSET) as fat:
        ranges = fat.used_ranges()
    raw = bytearray(image.read_bytes())
    assert len(ranges) == 2  # the emptied file left a gap
    for start, length in ranges:
        raw[start : start + length] = bytes(length)
    # Outside lie only what `write` freed: the second run of 7000 bytes of 0xFF.
    assert raw.count(0xFF) == 7000


@needs_fsck
@pytest.mark.parametrize("arguments", [["-F", "32", "-s", "1"], ["-F", "16"], ["-F", "32", "-s", "4"]])
def test_the_map_of_allocation_says_the_same(tmp_path, arguments):
    """The last one has fewer clusters than FAT32 should: its entries are wide all the same."""
    image = blank(tmp_path / "img", 40 * MIB)
    subprocess.run(
        ["mkfs.vfat", *arguments, "--offset", str(OFFSET // 512), str(image), str(40 * 1024)],
        capture_output=True,
        check=True,
    )
    with Fat(image, OFFSET, writable=True) as fat:
        for number in range(7):
            fat.write(f"/f{number}", b"x" * 50_000, now=NOW)
        fat.write("/f3", b"", now=NOW)
        ours = merge(Range(*each) for each in fat.used_ranges())
    raw = image.read_bytes()
    mapped, end = alloc_fat.used(lambda length, at: raw[at : at + length], OFFSET, len(raw) - OFFSET)
    assert merge(mapped) == ours
    assert end == len(raw)


BREAK = {
    "no signature": (510, b"\0\0", "no boot signature"),
    "sector size": (11, b"\x03\x00", "3 bytes per sector"),
    "cluster size": (13, b"\x03", "3 sectors per cluster"),
    "no tables": (16, b"\x00", "0 tables"),
    "tables too large": (36, b"\xff\xff\xff\x00", "larger than itself"),
    "table too short": (36, b"\x01\x00\x00\x00", "too short"),
    "root outside": (44, b"\xff\xff\xff\x0f", "root folder"),
    "active table": (40, b"\x85\x00", "table 5 is active"),
}


@pytest.mark.parametrize(("at", "raw", "words"), BREAK.values(), ids=BREAK)
def test_damaged_boot_sectors_are_refused(tmp_path, at, raw, words):
    image = volume(tmp_path / "img")
    with image.open("r+b") as file:
        file.seek(OFFSET + at)
        file.write(raw)
    with pytest.raises(JobError, match=words) as caught:
        Fat(image, OFFSET)
    assert caught.value.code == "bad_filesystem"


@pytest.mark.parametrize("target", [3, 0x0FFF_FFF0, 1])
def test_damaged_chains_are_refused(tmp_path, target):
    image = volume(tmp_path / "img")
    with Fat(image, OFFSET, writable=True) as fat:
        fat.write("/a", b"x" * 2000, now=NOW)
        at = OFFSET + fat.geometry.reserved * 512 + fat.find("/a").cluster * 4
    with image.open("r+b") as file:
        file.seek(at)
        file.write(struct.pack("<I", target))
    with Fat(image, OFFSET) as fat, pytest.raises(JobError, match=r"chain|shorter"):
        fat.read("/a")


def test_a_cut_image_is_refused(tmp_path):
    image = volume(tmp_path / "img")
    with image.open("r+b") as file:
        file.truncate(OFFSET + 20_000)
    with pytest.raises(JobError, match="the image ends"):
        Fat(image, OFFSET)
    with image.open("r+b") as file:
        file.truncate(OFFSET)
    with pytest.raises(JobError, match="the image ends before it"):
        Fat(image, OFFSET)


@pytest.mark.parametrize(("bits", "size"), [(32, 20 * MIB), (16, 1 * MIB)])
def test_sizes_that_cannot_be(tmp_path, bits, size):
    with pytest.raises(JobError, match=f"cannot be a FAT{bits}") as caught:
        volume(tmp_path / "img", bits, size)
    assert caught.value.code == "bad_size"
