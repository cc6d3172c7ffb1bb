"""Archives and container images in whole builds; recipes of offspot-config's own builder."""

import errno
import gzip
import hashlib
import io
import os
import random
import stat
import tarfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import yaml
from offspot_config import builder as offspot_builder
from offspot_config import packages
from offspot_config.builder import BaseConfig, ConfigBuilder
from offspot_config.catalog import app_catalog

from tests.integration.creator.conftest import HERE
from tests.integration.creator.test_build import CancelAt, left, unpack
from workers.contract import Step
from workers.creator.build import build
from workers.creator.demo_base import DATA
from workers.creator.fetch import Fetcher
from workers.creator.inputs import Fetched, Told, What
from workers.creator.plan import check_at_first_sight, list_items
from workers.creator.recipe import read_recipe
from workers.creator.rules import TERMINAL
from workers.errors import Canceled, HostError, JobError
from workers.imaging import manifest
from workers.imaging.ext4 import Ext4
from workers.imaging.ext4_tools import check_ext4
from workers.report import Recorder

MIB = 1 << 20
LESSON = random.Random(7).randbytes(700_000)
WORDS = b"many words " * 40_000


def lessons_tar():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data, more in (
            ("school/lesson.bin", LESSON, {"mode": 0o640, "uid": 1000, "gid": 100, "mtime": 1_600_000_000}),
            ("school/again", b"", {"type": tarfile.LNKTYPE, "linkname": "school/lesson.bin"}),
            ("school/link", b"", {"type": tarfile.SYMTYPE, "linkname": "lesson.bin"}),
            ("école/ünï/" + "n" * 200, b"x", {}),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for key, value in more.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zip_of(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(zipfile.ZipInfo(name, (2021, 1, 1, 0, 0, 0)), data)
    return out.getvalue()


ZIP = zip_of({"words.txt": WORDS, "deep/er/one": b"1", "__MACOSX/junk": b"junk"})


class Registry:
    """Container images without a registry: the double of `Images`."""

    def __init__(self, sizes=True):
        self.sizes, self.pulled = sizes, []

    def tar(self, ident):
        return random.Random(ident).randbytes(200_000)

    def look(self, image):
        return Told(200_000 if self.sizes else None, "sha256:1")

    def pour(self, image, sink, tell):
        self.pulled.append(image.ident)
        data = self.tar(image.ident)
        sink.write(data)
        tell(len(data))
        return Fetched(len(data), hashlib.sha256(data).hexdigest())


@dataclass
class KeptFile:
    path: object
    size: int
    sha256: str

    def prove(self, sha256):
        if self.sha256 != sha256:
            raise HostError("cache_damaged", "it is damaged")


class Shelf:
    """The smallest store: keeps everything, by its source."""

    def __init__(self, folder):
        self.folder, self.asked, self.open, self.digests = folder, [], 0, {}
        folder.mkdir()

    @contextmanager
    def get(self, wanted, fetch):
        self.asked.append((wanted.what, wanted.source))
        place = self.folder / hashlib.sha256(wanted.source.encode()).hexdigest()
        if not place.exists():
            self.digests[place] = fetch(place).sha256
        self.open += 1
        yield KeptFile(place, place.stat().st_size, self.digests[place])
        self.open -= 1

    def make_room(self, needed):
        assert needed >= 0


@pytest.fixture
def make(tmp_path, key):
    def run(recipe, out="out", report=None, **more):
        text = recipe if isinstance(recipe, str) else yaml.safe_dump(recipe, sort_keys=False)
        how = {"name": "card", "signing_key": key, "report": report or Recorder(), "rules": TERMINAL, **more}
        return build(text, tmp_path / out, **how)

    return run


@pytest.fixture
def recipe(demo_base, server):
    return {
        "base": {"source": str(demo_base)},
        "files": [
            {
                "to": "/data/tar",
                "via": "gztar",
                "url": server.put("/a.tgz", gzip.compress(lessons_tar(), mtime=0)),
            },
            {"to": "/data/zip", "via": "zip", "url": server.put("/a.zip", ZIP), "size": 500_000},
            {"to": "/data/zip/more.txt", "content": "more"},
            {"to": "/data/plain.bin", "url": server.put("/plain", LESSON)},
        ],
        "oci_images": [{"ident": "ghcr.io/o/one:1", "filesize": "200kB", "fullsize": "60MB"}],
    }


def test_archives_and_container_images_land_in_the_image(make, recipe, tmp_path, key):
    registry = Registry()
    make(recipe, images=lambda fetcher: registry)
    image = unpack(tmp_path / "out")
    check_ext4(image, DATA.start)
    with Ext4(image, DATA.start) as fs:
        assert (
            fs.read("/tar/school/lesson.bin")
            == fs.read("/tar/school/again")
            == fs.read("/plain.bin")
            == LESSON
        )
        lesson, again = fs.find("/tar/school/lesson.bin"), fs.find("/tar/school/again")
        assert lesson.number == again.number
        assert (lesson.permissions, lesson.uid, lesson.gid, lesson.mtime) == (0o640, 1000, 100, 1_600_000_000)
        assert fs.target(fs.find("/tar/school/link")) == "lesson.bin"
        assert fs.read("/tar/école/ünï/" + "n" * 200) == b"x"
        assert fs.read("/zip/words.txt") == WORDS
        assert fs.read("/zip/more.txt") == b"more"
        assert fs.find("/zip/__MACOSX") is None
        assert fs.read("/images/ghcr.io_o_one_1.tar") == registry.tar("ghcr.io/o/one:1")
        assert fs.super.free_blocks * fs.super.block > 60_000_000  # the image unfolds there later
    page = manifest.verify_file(tmp_path / "out/card.manifest.json", manifest.public_hex(key))
    facts = {each.to: each for each in page.contents}
    assert facts["/data/zip"].sha256 == hashlib.sha256(ZIP).hexdigest()
    assert facts["/data/images/ghcr.io_o_one_1.tar"].source == "ghcr.io/o/one:1"


def test_the_same_recipe_gives_the_same_bytes_whatever_comes_first(make, recipe, server):
    images = lambda fetcher: Registry(sizes=False)  # noqa: E731
    first = make(recipe, "one", images=images)
    server.pages["/plain"].cuts = [1000]
    server.pages["/a.zip"].ranges = False
    assert (
        make(recipe, "two", images=images, rules=HERE.__class__(TERMINAL.networks, True, parallel=1)) == first
    )


def test_every_way_of_packing_gives_the_same_tree(make, recipe, server, tmp_path, demo_base):
    import bz2
    import lzma

    import zstandard

    packers = {"tar": bytes, "bztar": bz2.compress, "xztar": lzma.compress, "zst": zstandard.compress}
    for via, pack in packers.items():
        url = server.put(f"/{via}", pack(lessons_tar()), length=via != "tar", ranges=via != "tar")
        make({"base": recipe["base"], "files": [{"to": "/data/t", "via": via, "url": url}]}, via)
        with Ext4(unpack(tmp_path / via), DATA.start) as fs:
            assert fs.read("/t/school/lesson.bin") == LESSON


def test_content_that_is_kept_is_fetched_once(make, recipe, server, tmp_path):
    store, registry = Shelf(tmp_path / "kept"), Registry()
    first = make(recipe, "one", store=store, images=lambda fetcher: registry)
    gets = [seen for seen in server.seen if seen[0] == "GET" and not seen[2]]
    assert make(recipe, "two", store=store, images=lambda fetcher: registry) == first
    assert [seen for seen in server.seen if seen[0] == "GET" and not seen[2]] == gets
    assert registry.pulled == ["ghcr.io/o/one:1"]
    assert {what for what, _ in store.asked} == {What.FILE, What.IMAGE}
    assert store.open == 0
    for kept in store.folder.iterdir():
        kept.write_bytes(bytes(kept.stat().st_size))
    with pytest.raises(HostError, match="damaged"):
        make(recipe, "three", store=store, images=lambda fetcher: registry)
    assert left(tmp_path / "three") == []


def test_content_that_the_caches_disk_does_not_give_back(make, recipe, tmp_path, monkeypatch):
    """It is said of the cache, not of the image's disk, and the next attempt does without."""
    del recipe["oci_images"]
    make(recipe, "one", cache_dir=tmp_path / "cache")
    read = Fetcher.read

    def fail(*_, **__):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Fetcher, "read", fail)
    monkeypatch.setattr("workers.creator.depot.digest_of", fail)
    with pytest.raises(HostError) as caught:
        make(recipe, "two", cache_dir=tmp_path / "cache")
    assert caught.value.code == "cache_damaged"
    monkeypatch.setattr(Fetcher, "read", read)
    make(recipe, "three", cache_dir=tmp_path / "cache")


def test_where_an_archive_meets_another_file(make, recipe, tmp_path):
    recipe["files"].append({"to": "/data/zip/words.txt", "content": "mine"})
    with pytest.raises(JobError, match="exists on the data partition already") as caught:
        make(recipe, images=lambda fetcher: Registry())
    assert caught.value.code == "name_taken"
    assert left(tmp_path / "out") == []


def test_an_archive_replaces_what_the_base_has(make, recipe, server, tmp_path):
    url = server.put("/c.zip", zip_of({"base.txt": b"new"}))
    make({"base": recipe["base"], "files": [{"to": "/data/conf", "via": "zip", "url": url}]})
    with Ext4(unpack(tmp_path / "out"), DATA.start) as fs:
        assert fs.read("/conf/base.txt") == b"new"
        assert stat.S_ISDIR(fs.find("/conf").mode)


def test_a_wrong_digest_of_an_archive(make, recipe, tmp_path):
    recipe["files"][1]["checksum"] = {"algo": "md5", "value": "0" * 32}
    with pytest.raises(JobError) as caught:
        make(recipe, images=lambda fetcher: Registry())
    assert caught.value.code == "checksum_mismatch"
    assert left(tmp_path / "out") == []


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_cancel_in_each_transfer_leaves_nothing(make, recipe, tmp_path, nth):
    with pytest.raises(Canceled):
        make(recipe, report=CancelAt(Step.FETCHING, nth), images=lambda fetcher: Registry())
    assert left(tmp_path / "out") == []


def planned(recipe, server):
    """What a recipe is said to need before anything is fetched."""
    fetcher = Fetcher(Recorder(), rules=TERMINAL)
    text = yaml.safe_dump(recipe)
    items = list_items(read_recipe(text), text, fetcher, Recorder(), Registry())
    fetcher.close()
    return check_at_first_sight(read_recipe(text), items)


def test_what_is_said_to_be_needed_is_what_is_needed(make, recipe, server, tmp_path):
    """Zips tell by their index; a tar's tree is not known before, so its margin is one MiB per 64 members."""
    recipe["base"]["rootfs_size"] = DATA.start
    least = planned(recipe, server)
    assert [span for _, path, span in server.seen if path == "/plain"] == [""]  # asked for, not fetched
    recipe["output"] = {"size": least + MIB}
    make(recipe, images=lambda fetcher: Registry())
    recipe["output"] = {"size": least - MIB}
    with pytest.raises(JobError, match="needs at least"):
        make(recipe, "small", images=lambda fetcher: Registry())


# offspot-config.


@pytest.fixture
def without_icons(monkeypatch):
    """Its builder would fetch icons from the Internet."""
    monkeypatch.setattr(packages, "get_base64_from", lambda url: "aWNvbg==")


def own_builder(base, rootfs_size):
    made = ConfigBuilder(
        base=BaseConfig(source=base, rootfs_size=rootfs_size), name="École", tld="hotspot", ssid="Kiwix",
        environ={"ADMIN_USERNAME": "admin", "ADMIN_PASSWORD": "a: b"}, variant="Plus é", write_config=True,
    )  # fmt: skip
    made.add_dashboard(allow_zim_downloads=True)
    made.add_adminui()
    made.add_captive_portal()
    made.add_reverseproxy()
    made.add_hwclock()
    return made


def test_all_packages_of_offspot_config_are_understood(without_icons):
    made = own_builder("1.4.2", 3_716_153_344)
    for package in app_catalog.values():
        (made.add_app if package.kind == "app" else made.add_files_package)(package)
    recipe = read_recipe(made.render())
    assert len(recipe.files) > 25
    assert {"zip", "direct", "base64"} <= {file.via for file in recipe.files}
    assert len(recipe.oci_images) >= len(offspot_builder.INTERNAL_IMAGES) - 3
    assert recipe.base.location.endswith("/offspot-base-arm64-1.4.2.img")
    assert recipe.offspot["containers"]["services"]


def test_a_recipe_of_offspot_config_builds_unchanged(make, server, demo_base, tmp_path, without_icons):
    made = own_builder(server.put("/base.img", demo_base.read_bytes()), DATA.start)
    made.add_files_package(
        packages.FilesPackage(
            ident="lessons.example", kind="files", domain="lessons", title="Lessons", description="",
            via="zip", download_url=server.put("/l.zip", ZIP), download_size=len(ZIP),
        )
    )  # fmt: skip
    made.add_zim(
        packages.ZimPackage(
            ident="Kiwix:one:maxi", name="one", title="One", description="", flavour="maxi", version="1",
            download_url=server.put("/one.zim", LESSON), download_size=len(LESSON),
        )
    )  # fmt: skip
    for image in made.config["oci_images"]:
        image.filesize = image.fullsize = 1000
    text = made.render()
    make(text, images=lambda fetcher: Registry(), rules=HERE)
    with Ext4(unpack(tmp_path / "out"), DATA.start) as fs:
        assert fs.read("/contents/files/lessons.example/words.txt") == WORDS
        assert fs.read("/contents/zims/Kiwix_one_maxi.zim") == LESSON
        assert fs.read("/image.yaml").decode() == text
        assert b"<svg" in fs.read("/branding/square-logo.svg")
        assert "Plus é".encode() in fs.read("/etc/offspot.json") or b"Plus" in fs.read("/etc/offspot.json")
        assert fs.find("/images/ghcr.io_offspot_dashboard_1.7.0.tar").size == 200_000
