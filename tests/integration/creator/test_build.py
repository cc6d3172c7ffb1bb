"""Whole builds: what is asked for is in the image, always the same; failures leave nothing behind."""

import errno
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.integration.creator.conftest import HERE
from workers.contract import ARTIFACT_SUFFIXES, Step
from workers.creator.build import build
from workers.creator.demo_base import BOOT, DATA, ROOT
from workers.creator.rules import TERMINAL
from workers.errors import Canceled, HostError, JobError
from workers.imaging import bmap, container, manifest, mbr, torrent
from workers.imaging.ext4 import Ext4
from workers.imaging.ext4_fill import Ext4Fill, Owner
from workers.imaging.ext4_tools import check_ext4
from workers.imaging.fat import Fat
from workers.imaging.ranges import Range, merge, subtract, total
from workers.imaging.source import open_source
from workers.report import Recorder

REPOSITORY = Path(__file__).parents[3]
ZIM = random.Random(1).randbytes(5_000_000)
SHA = hashlib.sha256(ZIM).hexdigest()
MIB = 1 << 20


@pytest.fixture
def make(tmp_path, report, key):
    """`make(recipe, …)` builds into `out` and gives the result."""

    def run(recipe, name="card", *, local=True, out=None, report=report, **more):
        text = recipe if isinstance(recipe, str) else yaml.safe_dump(recipe, sort_keys=False)
        return build(
            text,
            out or tmp_path / "out",
            name=name,
            signing_key=key,
            report=report,
            rules=TERMINAL if local else HERE,
            **more,
        )

    return run


@pytest.fixture
def recipe(demo_base, server):
    return {
        "base": {"source": str(demo_base)},
        "output": {"size": "128MiB"},
        "files": [
            {
                "url": server.put("/one.zim", ZIM),
                "to": "/data/zims/one.zim",
                "checksum": {"algo": "sha-256", "value": SHA},
            },
            {"to": "/data/conf/message.txt", "content": "hello ü\n"},
        ],
        "offspot": {"timezone": "Africa/Bamako", "ap": {"ssid": "Kiwix"}},
    }


def unpack(out, name="card"):
    """The image out of its container."""
    image = out / f"{name}.img"
    with image.open("wb") as file:
        file.truncate(container.Reader(out / f"{name}.img.zst").size)

        def put(frame, data):
            if any(data):
                file.seek(frame.offset)
                file.write(data)

        with (out / f"{name}.img.zst").open("rb") as source:
            container.read_stream(source, put)
    return image


def left(out):
    return sorted(path.name for path in out.iterdir()) if out.exists() else []


def test_a_whole_image(make, recipe, tmp_path, report, key, server):
    built = make(recipe)
    out = tmp_path / "out"
    assert left(out) == sorted(f"card{suffix}" for suffix in ARTIFACT_SUFFIXES)
    for facts in built.files:
        data = (out / facts["name"]).read_bytes()
        assert (facts["size"], facts["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    page = manifest.verify_file(out / "card.manifest.json", manifest.public_hex(key))
    assert [(c.to, c.size, c.source) for c in page.contents] == [
        ("/data/zims/one.zim", len(ZIM), server.url("/one.zim")),
        ("/data/conf/message.txt", 9, "recipe"),
    ]
    assert page.contents[0].sha256 == SHA
    assert built.image_size == 128 * MIB == page.image.size
    image = unpack(out)
    assert hashlib.sha256(image.read_bytes()).hexdigest() == built.image_sha256
    data = mbr.find(image, 3)
    assert (data.start, data.end) == (DATA.start, 128 * MIB)
    for partition in (ROOT, DATA):
        check_ext4(image, partition.start)
    with Ext4(image, DATA.start) as fs:
        assert fs.read("/zims/one.zim") == ZIM
        assert fs.read("/conf/message.txt") == "hello ü\n".encode()
        assert fs.read("/conf/base.txt") == b"imager-demo 1\n"  # the base's own
        assert fs.super.label == "data"
        assert fs.super.size == 128 * MIB - DATA.start
    with Fat(image, BOOT.start) as fat:
        assert yaml.safe_load(fat.read("/offspot.yaml")) == recipe["offspot"]
        assert fat.read("/config.txt") == b"arm_64bit=1\n"
    assert list(dict.fromkeys(report.steps)) == [Step.CHECKING, Step.FETCHING, Step.BUILDING, Step.PACKING]


def test_the_writer_accepts_what_was_built(make, recipe, tmp_path, key):
    make(recipe)
    source = open_source(tmp_path / "out/card.img.zst", signing_key=manifest.public_hex(key))
    try:
        for each in source.ranges:
            assert len(source.read(each)) == each.length
    finally:
        source.close()


def test_the_same_recipe_gives_the_same_bytes(make, recipe, tmp_path):
    first, second = (make(recipe, out=tmp_path / out) for out in ("one", "two"))
    assert first == second
    for facts in first.files:
        assert (tmp_path / "one" / facts["name"]).read_bytes() == (
            tmp_path / "two" / facts["name"]
        ).read_bytes()


def test_building_again_replaces_the_files(make, recipe, tmp_path, key):
    make(recipe)
    recipe["files"].pop()
    built = make(recipe)
    page = manifest.verify_file(tmp_path / "out/card.manifest.json", manifest.public_hex(key))
    assert len(page.contents) == 1
    assert built.image_sha256 == page.image.sha256


def test_auto_is_as_small_as_it_can_be(make, recipe, tmp_path):
    recipe["output"] = {"size": "auto"}
    recipe["files"].append({"to": "/data/large", "url": str(tmp_path / "large")})
    (tmp_path / "large").write_bytes(bytes(60 * MIB))
    built = make(recipe)
    assert DATA.start + 65 * MIB < built.image_size < DATA.start + 85 * MIB
    check_ext4(unpack(tmp_path / "out"), DATA.start)


def test_a_large_image_with_little_in_it_stays_small(make, recipe, tmp_path):
    recipe["output"] = {"size": "8GB"}
    built = make(recipe)
    assert built.image_size == 8_000_000_000
    assert sum(facts["size"] for facts in built.files) < 10 * MIB
    assert built.mapped_bytes < 128 * MIB


def test_zeros_that_a_file_holds_are_written_to_cards(make, recipe, tmp_path):
    """A hole in the image file is no free block: else the card's old content would stand in the file."""
    recipe["files"] = [{"to": "/data/zeros", "url": str(tmp_path / "zeros")}]
    (tmp_path / "zeros").write_bytes(bytes(9 * MIB))
    make(recipe)
    image = unpack(tmp_path / "out")
    ranges = bmap.load(tmp_path / "out/card.img.bmap").ranges
    card = tmp_path / "card"
    card.write_bytes(b"\xa5" * (128 * MIB))  # what was on it before
    with image.open("rb") as source, card.open("r+b") as target:
        for each in ranges:
            source.seek(each.offset)
            target.seek(each.offset)
            target.write(source.read(each.length))
    with Ext4(card, DATA.start) as fs:
        assert not any(fs.read("/zeros"))
    check_ext4(card, DATA.start)
    free = subtract([Range(0, 128 * MIB)], merge(ranges))
    assert total(free) > 64 * MIB  # it is not simply all mapped
    card.unlink()


def test_what_the_base_brings_is_carried_over(make, recipe, demo_base, tmp_path):
    base = tmp_path / "own.img"
    shutil.copy(demo_base, base)
    with Ext4Fill(base, DATA.start, now=9) as fs:
        owner, folder = Owner(1_600_000_000, 0o640, 1000, 100), Owner(1_500_000_000, 0o2775, 1000, 100)
        fs.own("/", Owner(1_400_000_000, 0o711, 5, 6))
        fs.makedirs("/home/pi", folder)
        fs.create("/home/pi/notes", 70_000, owner, folders=folder).write(b"n" * 70_000)
        fs.create("/conf/message.txt", 3, owner, folders=folder).write(b"old")
        fs.symlink("/home/pi/link", "../notes", owner, folders=folder)
    recipe["base"]["source"] = str(base)
    make(recipe)
    image = unpack(tmp_path / "out")
    with Ext4(image, DATA.start) as fs:
        assert fs.read("/home/pi/notes") == b"n" * 70_000
        assert fs.target(fs.find("/home/pi/link")) == "../notes"
        notes, home, root = fs.find("/home/pi/notes"), fs.find("/home/pi"), fs.find("/")
        assert (notes.permissions, notes.uid, notes.gid, notes.mtime) == (0o640, 1000, 100, 1_600_000_000)
        assert (home.permissions, home.uid, home.mtime) == (0o2775, 1000, 1_500_000_000)
        assert (root.permissions, root.uid, root.gid) == (0o711, 5, 6)
        assert fs.read("/conf/message.txt") == "hello ü\n".encode()  # the recipe wins
    check_ext4(image, DATA.start)


def test_the_recipe_itself_goes_along_when_asked(make, recipe, tmp_path):
    recipe["write_config"] = True
    text = yaml.safe_dump(recipe)
    make(text)
    with Ext4(unpack(tmp_path / "out"), DATA.start) as fs:
        assert fs.read("/image.yaml").decode() == text


def test_content_whose_size_nobody_tells(make, recipe, server, tmp_path):
    recipe["files"][0]["url"] = server.put("/stream.zim", ZIM, length=False, ranges=False)
    make(recipe)
    with Ext4(unpack(tmp_path / "out"), DATA.start) as fs:
        assert fs.read("/zims/one.zim") == ZIM


def test_an_interrupted_download_lands_whole(make, recipe, server, tmp_path, report):
    server.pages["/one.zim"].cuts = [2_000_000, 1_000_000]
    make(recipe)
    assert len(server.gets("/one.zim")) == 3
    with Ext4(unpack(tmp_path / "out"), DATA.start) as fs:
        assert fs.read("/zims/one.zim") == ZIM


def test_sources_in_the_manifest_hold_no_secrets(make, recipe, server, tmp_path):
    secret = server.put("/one.zim?token=hunter3", ZIM).replace("//", "//user:hunter2@")
    recipe["files"][0]["url"] = secret
    (tmp_path / "local file").write_bytes(b"x")
    recipe["files"].append({"to": "/data/local", "url": str(tmp_path / "local file")})
    make(recipe)
    page = (tmp_path / "out/card.manifest.json").read_text()
    assert "hunter" not in page
    assert str(tmp_path) not in page
    assert "local file" in page


def broken(recipe, **changes):
    return {**recipe, **changes}


BAD = {
    "unknown key": ("bad_recipe", lambda r: broken(r, oputput={})),
    "no such container image": (
        "not_found",
        lambda r: broken(
            r,
            oci_images=[
                {"ident": f"{r['files'][0]['url'].split('/')[2]}/o/x:1", "filesize": 1, "fullsize": 1}
            ],
        ),
    ),
    "no archive": ("bad_archive", lambda r: broken(r, files=[{**r["files"][0], "via": "zip"}])),
    "missing base": ("base_missing", lambda r: broken(r, base={"source": "/nowhere/base.img"})),
    "base is no image": ("no_partition_table", lambda r: broken(r, base={"source": __file__})),
    "too large": ("too_large", lambda r: broken(r, output={"size": "70MB"})),
    "smaller than the base": ("too_large", lambda r: broken(r, output={"size": "1MB"})),
    "wrong checksum": (
        "checksum_mismatch",
        lambda r: broken(r, files=[{**r["files"][0], "checksum": {"algo": "md5", "value": "0" * 32}}]),
    ),
    "wrong checksum of content": (
        "checksum_mismatch",
        lambda r: broken(r, files=[{**r["files"][1], "checksum": {"algo": "md5", "value": "0" * 32}}]),
    ),
    "wrong size": ("size_mismatch", lambda r: broken(r, files=[{**r["files"][0], "size": 5}])),
    "missing content": (
        "not_found", lambda r: broken(r, files=[{"to": "/data/a", "url": r["files"][0]["url"] + "x"}]),
    ),
    "file where the base has a folder": (
        "name_taken", lambda r: broken(r, files=[{"to": "/data/conf", "content": "x"}]),
    ),
    "folder where the base has a file": (
        "name_taken", lambda r: broken(r, files=[{"to": "/data/conf/base.txt/x", "content": "x"}]),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("code", "change"), BAD.values(), ids=BAD)
def test_bad_input_is_named_and_leaves_nothing(make, recipe, tmp_path, code, change):
    with pytest.raises(JobError) as caught:
        make(change(recipe))
    assert caught.value.code == code
    assert left(tmp_path / "out") == []


def test_a_full_boot_partition_is_named(make, recipe, server, demo_base, tmp_path):
    base = tmp_path / "own.img"
    shutil.copy(demo_base, base)
    with Fat(base, BOOT.start, writable=True) as fat:
        fat.write("/fill", bytes(fat.free_bytes - 4096), now=0)
    recipe["base"]["source"], recipe["offspot"] = str(base), {"note": "x" * 90_000}
    with pytest.raises(JobError) as caught:
        make(recipe)
    assert caught.value.code == "boot_full"
    assert left(tmp_path / "out") == []
    assert server.gets("/one.zim") == []  # it was known before any content was fetched


def test_a_damaged_base_is_refused(make, recipe, demo_base, tmp_path):
    base = tmp_path / "own.img"
    shutil.copy(demo_base, base)
    recipe["base"]["source"] = str(base)
    for partition in (ROOT, DATA):
        with base.open("r+b") as file:
            file.seek(partition.start + 4096)  # group descriptors
            file.write(b"\xff" * 64)
        with pytest.raises(JobError, match="not clean") as caught:
            make(recipe)
        assert caught.value.code == "bad_filesystem"
        shutil.copy(demo_base, base)


def test_paths_of_this_host_are_refused_for_orders(make, recipe, tmp_path):
    with pytest.raises(JobError) as caught:
        make(recipe, local=False)
    assert caught.value.code == "bad_source"


def test_too_large_is_known_before_anything_is_fetched(make, recipe, server, demo_base, tmp_path):
    recipe["base"]["source"] = server.put("/base.img", demo_base.read_bytes())
    recipe["output"] = {"size": "4MB"}
    with pytest.raises(JobError, match="needs at least"):
        make(recipe)
    assert server.gets("/base.img") == server.gets("/one.zim") == []


@pytest.mark.parametrize("size", ["5TiB", "900 TiB"])
def test_more_than_any_image_can_be_is_refused_at_once(make, recipe, server, tmp_path, report, size):
    recipe["output"] = {"size": size}
    with pytest.raises(JobError, match="the largest possible has") as caught:
        make(recipe, report=report)
    assert caught.value.code == "too_large"
    assert report.steps == [Step.CHECKING]
    assert server.gets("/one.zim") == []


class CancelAt(Recorder):
    """Asks to stop when a step begins."""

    def __init__(self, step, nth=1):
        super().__init__()
        self._when = (step, nth)

    def step(self, step, total=None):
        super().step(step, total)
        if self.steps.count(step) == self._when[1] and step == self._when[0]:
            self.canceled.set()


@pytest.mark.parametrize(
    ("step", "nth"), [(Step.CHECKING, 1), (Step.BUILDING, 1), (Step.FETCHING, 2), (Step.PACKING, 1)]
)
def test_a_cancel_stops_and_cleans_up(make, recipe, tmp_path, step, nth):
    with pytest.raises(Canceled):
        make(recipe, report=CancelAt(step, nth))
    assert left(tmp_path / "out") == []


def test_content_that_never_fits_is_refused_before_anything_is_fetched(make, recipe, server, tmp_path):
    base = Path(recipe["base"]["source"]).read_bytes()
    recipe["base"] = {"source": server.put("/base.img", base)}
    del recipe["output"]
    recipe["files"] = [
        {
            "url": server.put("/huge", b"x", head=False, ranges=False, length=False),
            "to": "/data/huge",
            "size": 1 << 40,
        }
    ]
    report = Recorder()
    with pytest.raises(HostError, match=r"needs up to .* are free; free some space") as caught:
        make(recipe, local=False, report=report)
    assert caught.value.code == "disk_full"
    assert report.steps == [Step.CHECKING]
    assert server.gets("/base.img") == []
    assert left(tmp_path / "out") == []


def test_a_full_disk_is_the_hosts_trouble(make, recipe, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("workers.creator.build.copy_sparse", full)
    with pytest.raises(HostError, match="is full; free some space") as caught:
        make(recipe)
    assert caught.value.code == "disk_full"
    assert left(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.EACCES, "not_writable"), (errno.EROFS, "not_writable"), (errno.EIO, "disk_failed")],
)
def test_a_bad_disk_is_the_hosts_trouble(make, recipe, tmp_path, monkeypatch, number, code):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("workers.creator.build.copy_sparse", fail)
    with pytest.raises(HostError) as caught:
        make(recipe)
    assert caught.value.code == code
    assert left(tmp_path / "out") == []


def test_a_file_where_the_folder_should_be_is_named(make, recipe, tmp_path):
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(HostError, match="cannot be written") as caught:
        make(recipe)
    assert caught.value.code == "not_writable"


def test_a_bad_name_touches_nothing(make, recipe, tmp_path):
    with pytest.raises(JobError):
        make(recipe, name="../card")
    assert not (tmp_path / "out").exists()


# The command.


def command(tmp_path, *arguments, **how):
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path / "share"), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "workers.creator.build", *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=REPOSITORY, env=environment, timeout=120, **how,
    )  # fmt: skip


@pytest.fixture
def recipe_file(recipe, tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def test_the_command_builds(recipe_file, tmp_path):
    done = command(tmp_path, recipe_file, tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    page = json.loads(done.stdout)
    assert left(tmp_path / "out") == sorted(f"small{suffix}" for suffix in ARTIFACT_SUFFIXES)
    manifest.verify_file(tmp_path / "out/small.manifest.json", page["signing_key"])
    assert "packing" in done.stderr
    again = command(tmp_path, recipe_file, tmp_path / "out")
    assert again.returncode == 3
    assert "exists already" in again.stderr
    other = command(tmp_path, recipe_file, tmp_path / "out", "--name", "other")
    assert other.returncode == 0
    assert page["signing_key"] in other.stdout  # the same key as before


def test_the_command_checks_only(recipe_file, tmp_path):
    done = command(tmp_path, recipe_file, tmp_path / "out", "--check")
    assert (done.returncode, "2 files" in done.stdout) == (0, True)
    assert not (tmp_path / "out").exists()
    done = command(tmp_path, recipe_file, tmp_path / "out", "--check", "--json")
    assert json.loads(done.stdout)["content_bytes"] == len(ZIM) + 9


def test_the_command_says_what_is_wrong_in_one_sentence(recipe_file, tmp_path):
    recipe_file.write_text("base: {sauce: x}")
    done = command(tmp_path, recipe_file, tmp_path / "out", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["code"] == "bad_recipe"
    assert done.stderr.splitlines()[-1].startswith("The recipe cannot be used: line 1, base.source")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "usage"),
        (("/nowhere.yaml", "out"), 3, "cannot be read"),
        ((__file__, "out", "--name", "a/b"), 3, "cannot name an image"),
        ((__file__, "out", "--key", "/nowhere.pem"), 4, "signing key"),
    ],
)
def test_wrong_usage(tmp_path, arguments, code, words):
    done = command(tmp_path, *arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up its rights")
def test_a_build_needs_no_rights_at_all(recipe_file, demo_base, tmp_path):
    """As nobody, without a single capability, in a folder of its own."""
    home = Path(subprocess.check_output(["mktemp", "-d", "/tmp/imager-nobody.XXXXXX"], text=True).strip())
    try:
        for source in (recipe_file, demo_base):
            shutil.copy(source, home / source.name)
        text = recipe_file.read_text().replace(str(demo_base), str(home / demo_base.name))
        (home / recipe_file.name).write_text(text)
        for path in (home, *home.iterdir()):
            os.chown(path, 65534, 65534)
        environment = {"XDG_DATA_HOME": str(home / "share"), "HOME": str(home), "PATH": "/usr/bin:/bin"}
        program = [
            sys.executable,
            "-m",
            "workers.creator.build",
            str(home / recipe_file.name),
            str(home / "out"),
        ]
        setpriv = [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--bounding-set=-all",
            "--no-new-privs",
        ]
        if subprocess.run(
            [*setpriv, sys.executable, "-c", "import workers"], check=False, cwd=REPOSITORY
        ).returncode:
            pytest.skip("nobody may not read this checkout or its Python")
        done = subprocess.run(
            [*setpriv, *program], capture_output=True, text=True, check=False, cwd=REPOSITORY, env=environment
        )
        assert done.returncode == 0, done.stderr
        assert left(home / "out") == sorted(f"small{suffix}" for suffix in ARTIFACT_SUFFIXES)
    finally:
        shutil.rmtree(home)


@pytest.mark.skipif(not shutil.which("zstd"), reason="needs the zstd program (package zstd)")
def test_plain_zstd_restores_the_image(make, recipe, tmp_path):
    built = make(recipe)
    subprocess.run(
        ["zstd", "-dq", str(tmp_path / "out/card.img.zst"), "-o", str(tmp_path / "card.img")], check=True
    )
    assert hashlib.sha256((tmp_path / "card.img").read_bytes()).hexdigest() == built.image_sha256


@pytest.mark.skipif(not shutil.which("bmaptool"), reason="needs bmaptool (package bmap-tools)")
def test_bmaptool_writes_the_same_card(make, recipe, tmp_path):
    make(recipe)
    out, card = tmp_path / "out", tmp_path / "card"
    subprocess.run(
        ["bmaptool", "-q", "copy", "--bmap", out / "card.img.bmap", out / "card.img.zst", card], check=True
    )
    image = unpack(out).read_bytes()
    data = card.read_bytes().ljust(len(image), b"\0")
    for each in bmap.load(out / "card.img.bmap").ranges:
        assert data[each.offset : each.end] == image[each.offset : each.end]


def test_a_torrent_where_one_is_wanted(make, recipe, tmp_path):
    plain = make(recipe, out=tmp_path / "plain")
    built = make(recipe, torrent=True)
    names = [facts["name"] for facts in built.files]
    assert names[1] == "card.img.zst.torrent"
    assert names[-1] == "card.manifest.json.sig"  # the last that appears
    assert left(tmp_path / "out") == sorted(names)
    assert [facts for facts in built.files if "torrent" not in facts["name"]] == plain.files
    packed = (tmp_path / "out/card.img.zst").read_bytes()
    pieces = torrent.Pieces(torrent.piece_length(built.mapped_bytes))
    pieces.update(packed)
    page = (tmp_path / "out/card.img.zst.torrent").read_bytes()
    assert torrent.loads(page) == pieces.torrent("card.img.zst")
    assert page == torrent.dumps(pieces.torrent("card.img.zst"), "imager-service 0.1.0")
