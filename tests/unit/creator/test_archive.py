"""Archives: what is sound comes out whole; what would escape, multiply or deceive is refused by name."""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib

import pytest
import zstandard

from workers.creator.archive import Archive
from workers.creator.members import Kind, is_unwanted
from workers.errors import Canceled, JobError

PACKERS = {
    "tar": bytes,
    "gztar": gzip.compress,
    "bztar": bz2.compress,
    "xztar": lzma.compress,
    "zst": zstandard.ZstdCompressor().compress,
    "zstar": zstandard.ZstdCompressor().compress,
}


def tar_of(*members, kind=tarfile.PAX_FORMAT):
    """Members as (name, content or None, attributes)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as tar:
        for name, content, *more in members:
            info = tarfile.TarInfo(name)
            info.size = len(content or b"")
            for key, value in (more[0] if more else {}).items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content or b""))
    return out.getvalue()


def zip_of(*members, way=zipfile.ZIP_DEFLATED):
    """Members as (name, content, mode)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", way) as archive:
        for name, content, *mode in members:
            info = zipfile.ZipInfo(name, (2020, 2, 3, 4, 5, 6))
            info.compress_type = way
            mode_of = mode[0] if mode else stat.S_IFREG | 0o644
            info.create_system = 3 if mode_of else 0
            info.external_attr = mode_of << 16 or 0x20
            archive.writestr(info, content)
    return out.getvalue()


@pytest.fixture
def archive(tmp_path):
    def make(data, via, limit=1 << 40):
        place = tmp_path / "archive"
        place.write_bytes(data)
        return Archive(place, via, "/data/to", "the archive of /data/to", limit)

    return make


def members(archive):
    return archive.members(lambda: None)


def contents(archive):
    return {member.path: b"".join(pieces) for member, pieces in archive.contents()}


TREE = (
    ("deep", None, {"type": tarfile.DIRTYPE, "mode": 0o750, "uid": 5, "mtime": 1_500_000_000}),
    ("deep/ü/ファイル", b"content" * 1000, {"mode": 0o4751, "uid": 1000, "gid": 100, "mtime": 1_600_000_000}),
    ("deep/link", None, {"type": tarfile.SYMTYPE, "linkname": "ü/ファイル"}),
    ("deep/hard", None, {"type": tarfile.LNKTYPE, "linkname": "deep/ü/ファイル"}),
    ("./empty", b""),
)


@pytest.mark.parametrize("via", PACKERS)
def test_a_tree_out_of_a_tar(archive, via):
    held = archive(PACKERS[via](tar_of(*TREE)), via)
    found = {member.path: member for member in members(held)}
    assert [(each.path, each.kind) for each in found.values()] == [
        ("deep", Kind.FOLDER), ("deep/ü/ファイル", Kind.FILE),
        ("deep/link", Kind.LINK), ("deep/hard", Kind.HARD), ("empty", Kind.FILE),
    ]  # fmt: skip
    file = found["deep/ü/ファイル"]
    assert (file.size, file.uid, file.gid, file.mtime) == (7000, 1000, 100, 1_600_000_000)
    assert file.permissions == 0o751  # set-user-id is not for strangers
    assert (found["deep"].permissions, found["deep"].uid) == (0o750, 5)
    assert found["deep/link"].target == "ü/ファイル"
    assert found["deep/hard"].target == "deep/ü/ファイル"
    assert contents(held) == {
        "deep": b"", "deep/ü/ファイル": b"content" * 1000, "deep/link": b"", "deep/hard": b"", "empty": b"",
    }  # fmt: skip


@pytest.mark.parametrize(
    "kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE]
)
def test_a_header_that_would_fill_the_memory_is_refused(archive, kind):
    held = archive(tar_of(("x", bytes(2 << 20), {"type": kind}), ("y", b"")), "tar")
    with pytest.raises(JobError, match="a header of 2097152 bytes"):
        list(members(held))


def test_links_that_turn_in_folders_of_the_archive_are_sound(archive):
    held = archive(
        tar_of(
            link("x/l", "../a/b/.././../c"), link("y", "/data/to/a/../c"), ("a/b/f", b"1"),
            ("c", None, {"type": tarfile.DIRTYPE}), link("z", "../e"),
        ),
        "tar",
    )  # fmt: skip
    assert {each.path: each.target for each in members(held) if each.kind is Kind.LINK} == {
        "x/l": "../a/b/.././../c", "y": "/data/to/a/../c", "z": "../e",
    }  # fmt: skip
    assert list(contents(held)) == ["x/l", "y", "a/b/f", "c", "z"]


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_of_every_format(archive, kind):
    name = "/".join(["d" * 60] * 2) + "/" + "n" * (90 if kind == tarfile.USTAR_FORMAT else 255)
    assert [each.path for each in members(archive(tar_of((name, b"x"), kind=kind), "tar"))] == [name]


@pytest.mark.parametrize("way", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_would_unfold_in_memory_without_a_bound_is_refused(archive, way):
    with pytest.raises(JobError, match="packed in a way that is not known"):
        list(members(archive(zip_of(("a", b"x", 0), way=way), "zip")))


@pytest.mark.parametrize("way", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_tree_out_of_a_zip(archive, way):
    held = archive(
        zip_of(
            ("a/", b"", stat.S_IFDIR | 0o700),
            ("a/ü.sh", b"#!" * 5000, stat.S_IFREG | 0o755),
            ("a/link", b"../b", stat.S_IFLNK | 0o777),
            ("b", b"", 0),
            way=way,
        ),
        "zip",
    )
    found = {member.path: member for member in members(held)}
    assert (found["a"].kind, found["a"].permissions) == (Kind.FOLDER, 0o700)
    assert (found["a/ü.sh"].permissions, found["a/ü.sh"].mtime) == (0o755, 1_580_702_706)
    assert found["a/link"].target == "../b"
    assert found["b"].permissions == 0o644
    assert contents(held)["a/ü.sh"] == b"#!" * 5000


def test_a_zip64_is_read(archive):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed, packed.open("large", "w", force_zip64=True) as file:
        file.write(b"x" * 100_000)
    assert contents(archive(out.getvalue(), "zip")) == {"large": b"x" * 100_000}


@pytest.mark.parametrize("via", ["zip", "tar"])
def test_what_desktops_leave_is_left_out(archive, via):
    names = ["__MACOSX/x", "a/.DS_Store", "Thumbs.db", "a~", "a/kept"]
    data = zip_of(*((n, b"1") for n in names)) if via == "zip" else tar_of(*((n, b"1") for n in names))
    assert [each.path for each in members(archive(data, via))] == ["a/kept"]
    assert is_unwanted("x/._y")
    assert not is_unwanted("a/b")


def damaged_tar():
    data = bytearray(tar_of(("a", b"1"), ("b", b"2"), ("c", b"3")))
    data[1024 + 150] ^= 0xFF  # in the second header's checksum
    return bytes(data)


def overlapping_zip():
    data = bytearray(zip_of(("a", b"x" * 100), ("b", b"y" * 100), way=zipfile.ZIP_STORED))
    at = data.rindex(b"PK\x01\x02")
    data[at + 42 : at + 46] = bytes(4)  # the second member's place is the first one's
    return bytes(data)


def encrypted_zip():
    data = bytearray(zip_of(("a", b"x" * 100), way=zipfile.ZIP_STORED))
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    return bytes(data)


def lying_zip():
    """The index says less than the member unpacks to."""
    data = bytearray(zip_of(("a", b"x" * 1000)))
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")
    return bytes(data)


def link(name, target, **more):
    return (name, None, {"type": tarfile.SYMTYPE, "linkname": target, **more})


BAD = {
    "tar absolute": (tar_of(("/etc/x", b"")), "tar", "'/etc/x' is an absolute path"),
    "tar upwards": (tar_of(("a/../../x", b"")), "tar", "leads out of it"),
    "zip absolute": (zip_of(("/etc/x", b"")), "zip", "is an absolute path"),
    "zip upwards": (zip_of(("../x", b"")), "zip", "leads out of it"),
    "link out": (tar_of(link("l", "../../etc/passwd")), "tar", "leads to '/etc/passwd', outside of /data"),
    "link out by way of another": (
        tar_of(link("d/e/up", "../../.."), link("x", "d/e/up/../etc/passwd")),
        "tar", "the link 'x' goes up from 'd/e/up', which is no folder of it",
    ),
    "link out by way of a later one": (
        tar_of(link("x", "d/e/up/../etc/passwd"), link("d/e/up", "../../..")), "tar", "goes up from 'd/e/up'",
    ),
    "zip link out by way of another": (
        zip_of(("up", b"..", stat.S_IFLNK | 0o777), ("x", b"up/../etc", stat.S_IFLNK | 0o777)),
        "zip", "goes up from 'up'",
    ),
    "link up from nowhere": (tar_of(link("x", "nowhere/../y")), "tar", "goes up from 'nowhere'"),
    "absolute link up from elsewhere": (tar_of(link("x", "/data/e/../y")), "tar", "goes up from '../e'"),
    "link out and in again": (tar_of(link("x", "../../data/y")), "tar", "leads out of /data on its way to"),
    "absolute link out and in again": (tar_of(link("x", "/data/../data/y")), "tar", "leads out of /data on"),
    "absolute link": (tar_of(link("l", "/etc/passwd")), "tar", "outside of /data"),
    "link beside data": (tar_of(link("l", "/database")), "tar", "outside of /data"),
    "zip link out": (zip_of(("l", b"../../x", stat.S_IFLNK | 0o777)), "zip", "outside of /data"),
    "empty link": (zip_of(("l", b"", stat.S_IFLNK | 0o777)), "zip", "no usable target"),
    "through a link": (tar_of(link("l", "."), ("l/x", b"1")), "tar", "below 'l', which is no folder"),
    "below a file": (tar_of(("f", b""), ("f/x", b"1")), "tar", "below 'f', which is no folder"),
    "hard link out": (
        tar_of(("h", None, {"type": tarfile.LNKTYPE, "linkname": "../x"})), "tar", "leads out of it",
    ),
    "hard link to nothing": (
        tar_of(("h", None, {"type": tarfile.LNKTYPE, "linkname": "x"})), "tar", "which is no file before it",
    ),
    "device": (tar_of(("d", None, {"type": tarfile.BLKTYPE})), "tar", "'d' is a device or a pipe"),
    "character device": (tar_of(("d", None, {"type": tarfile.CHRTYPE})), "tar", "is a device or a pipe"),
    "pipe": (tar_of(("p", None, {"type": tarfile.FIFOTYPE})), "tar", "is a device or a pipe"),
    "zip pipe": (zip_of(("p", b"", stat.S_IFIFO | 0o644)), "zip", "a device, a pipe or a socket"),
    "twice": (tar_of(("a", b"1"), ("./a", b"2")), "tar", "'a' is in it twice"),
    "folder over file": (tar_of(("a", b"1"), ("a", None, {"type": tarfile.DIRTYPE})), "tar", "twice"),
    "long name": (tar_of(("n" * 256, b"")), "tar", "too long (a name has at most 255 bytes)"),
    "long path": (tar_of(("/".join(["p" * 200] * 20), b"")), "tar", "too long"),
    "control characters": (tar_of(("a\nb", b"")), "tar", "holds control characters"),
    "encrypted": (encrypted_zip(), "zip", "'a' is encrypted"),
    "overlap": (overlapping_zip(), "zip", "overlaps another member"),
    "no zip": (b"PK\x03\x04 no", "zip", "damaged or no zip archive"),
    "empty zip": (b"", "zip", "damaged or no zip archive"),
    "no tar": (b"no tar at all" * 100, "tar", "damaged or no tar archive"),
    "other packing": (gzip.compress(tar_of(("a", b""))), "xztar", "damaged or no xztar archive"),
    "cut gzip": (gzip.compress(tar_of(("a", b"x" * 99)))[:-9], "gztar", "cut short"),
    "cut xz": (lzma.compress(tar_of(("a", b"x" * 99)))[:-20], "xztar", "damaged or no xztar archive"),
    "cut tar": (tar_of(("a", b"x" * 5000))[:2000], "tar", "damaged or no tar archive"),
    "flipped gzip": (
        bytes([*gzip.compress(tar_of(("a", b"")))[:-6], 0, 0, 0, 0, 0, 0]), "gztar", "damaged or no gztar",
    ),
    "damaged header in the middle": (damaged_tar(), "tar", "something behind its end"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "via", "words"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_named(archive, data, via, words):
    with pytest.raises(JobError) as caught:
        members(archive(data, via))
    assert caught.value.code == "bad_archive"
    assert caught.value.message.startswith("the archive of /data/to cannot be unpacked: ")
    assert words in caught.value.message
    assert caught.value.message.rpartition("; ")[2] in {
        "pack it anew without that", "fetch or pack it anew", "pack it anew",
    }  # fmt: skip


def test_a_member_that_unpacks_to_more_than_it_says_is_stopped(archive):
    with pytest.raises(JobError, match=r"'a' holds more|damaged") as caught:
        contents(archive(lying_zip(), "zip"))
    assert caught.value.code == "bad_archive"


def bomb(via):
    if via == "zip":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed, packed.open("zeros", "w") as file:
            for _ in range(120):
                file.write(bytes(1 << 20))
        return out.getvalue()
    header = tarfile.TarInfo("zeros")
    header.size = 120 << 20
    whole = header.tobuf() + bytes(header.size + 1024)
    return {"gztar": lambda: gzip.compress(whole, 6), "xztar": lambda: lzma.compress(whole, preset=0)}.get(
        via, lambda: zstandard.ZstdCompressor().compress(whole)
    )()


@pytest.mark.parametrize("via", ["zip", "gztar", "xztar", "zst"])
def test_a_bomb_is_refused_before_it_unfolds(archive, via):
    with pytest.raises(JobError, match=r"200 times its .*refused as a bomb") as caught:
        members(archive(bomb(via), via))
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("via", ["zip", "tar"])
def test_the_hosts_limit_holds(archive, via):
    data = zip_of(("a", b"x" * 5000)) if via == "zip" else tar_of(("a", b"x" * 5000))
    assert members(archive(data, via, limit=5000))
    with pytest.raises(JobError, match="the limit; use a smaller archive"):
        members(archive(data, via, limit=4999))


def test_bytes_that_are_no_text_stay_what_they_are(archive):
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    data = tar_of((name, b"1"), kind=tarfile.GNU_FORMAT)
    assert [each.path.encode("utf-8", "surrogateescape") for each in members(archive(data, "tar"))] == [
        b"caf\xe9"
    ]


def test_case_makes_a_difference(archive):
    assert len(members(archive(tar_of(("a", b""), ("A", b"")), "tar"))) == 2


def test_a_checksum_inside_a_zip_is_proved(archive):
    data = bytearray(zip_of(("a", b"x" * 1000), way=zipfile.ZIP_STORED))
    data[data.index(b"xxxx")] ^= 1
    with pytest.raises(JobError, match="damaged"):
        contents(archive(bytes(data), "zip"))
    assert zlib.crc32(b"x" * 1000)


def test_a_cancel_is_heard_within_a_member(archive):
    def check():
        asked.append(1)
        if len(asked) == 3:
            raise Canceled

    asked = []
    whole = archive(gzip.compress(tar_of(("one", bytes(40 << 20)))), "gztar")
    with pytest.raises(Canceled):
        whole.members(check)
