"""Random trees from archive to image: read back in three ways, it is what `tar` and `unzip` take out."""

import io
import os
import shutil
import subprocess
import tarfile
import zipfile

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings

from tests.integration.creator.test_archive_trees import LATIN, NAME, extracted, fresh, trees
from tests.integration.creator.test_build import unpack
from tests.unit.imaging_fs.ext4_reader import Reader
from tests.unit.imaging_fs.test_ext4_trees import mounted
from workers.creator.build import build
from workers.creator.demo_base import DATA
from workers.creator.members import Kind
from workers.creator.rules import TERMINAL
from workers.imaging.ext4_tools import check_ext4, find_program
from workers.report import Recorder

pytestmark = pytest.mark.loop  # images are mounted

FEW = settings(
    max_examples=3, deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
ALWAYS = {"ä folder/that is always there": b"1" * 5000}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("trees")


@pytest.fixture(scope="module")
def image_of(demo_base, key):
    """The image of a recipe with one archive, which goes to /data/to."""

    def make(archive, via):
        files = [{"url": str(archive), "to": "/data/to", "via": via}]
        recipe = {"base": {"source": str(demo_base)}, "output": {"size": "128MiB"}, "files": files}
        out = archive.parent / "built"
        build(yaml.safe_dump(recipe), out, name="card", signing_key=key, report=Recorder(), rules=TERMINAL)
        return unpack(out)

    return make


def by_reader(image):
    found = {}
    with image.open("rb") as file:
        file.seek(DATA.start)
        nodes = Reader(file.read()).tree()
    for path, node in nodes:
        name = os.fsdecode(path)
        if name.startswith("/to/") and node.mode & 0o170000 != 0o040000:
            link = node.mode & 0o170000 == 0o120000
            content = os.fsdecode(node.content) if link else node.content
            found[name.removeprefix("/to/")] = (Kind.LINK if link else Kind.FILE, content)
    return found


def by_debugfs(image, folder):
    folder.mkdir()
    command = [find_program("debugfs"), "-R", f"rdump /to {folder}", f"{image}?offset={DATA.start}"]
    subprocess.run(command, check=True, capture_output=True)
    return extracted(folder / "to")


def assert_holds(image, expected, place):
    check_ext4(image, DATA.start)
    assert by_reader(image) == expected
    assert by_debugfs(image, place / "dumped") == expected
    if os.geteuid() == 0:
        with mounted(image, place / "mounted", DATA.start) as seen:
            assert extracted(seen / "to") == expected


@FEW
@given(tree=trees(NAME))
def test_tars(place, image_of, tree):
    archive, out = fresh(place)
    with tarfile.open(archive, "w") as tar:
        for path, data in (tree | ALWAYS).items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for how, name in ((tarfile.LNKTYPE, "hard/one"), (tarfile.SYMTYPE, "soft one")):
            info = tarfile.TarInfo(f"links of this test/{name}")
            info.type = how
            info.linkname = next(iter(ALWAYS)) if how == tarfile.LNKTYPE else f"../{next(iter(ALWAYS))}"
            tar.addfile(info)
    subprocess.run(
        ["tar", "-xf", str(archive), "-C", str(out), "--no-same-owner"],
        check=True, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert_holds(image_of(archive, "tar"), extracted(out), place)


@pytest.mark.skipif(not shutil.which("unzip"), reason="needs unzip (package unzip)")
@FEW
@given(tree=trees(LATIN))
def test_zips(place, image_of, tree):
    archive, out = fresh(place)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path, data in {**tree, "a file/that is always there": b"1"}.items():
            packed.writestr(zipfile.ZipInfo(path), data)
    subprocess.run(["unzip", "-q", str(archive), "-d", str(out)], check=True)
    assert_holds(image_of(archive, "zip"), extracted(out), place)
