"""Random trees in archives: what we take out of them is what `tar` and `unzip` take out."""

import io
import os
import shutil
import stat
import subprocess
import tarfile
import zipfile

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from workers.creator.archive import Archive
from workers.creator.members import Kind, is_unwanted

NAME = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/"), min_size=1, max_size=40
).filter(lambda name: name not in {".", ".."} and not is_unwanted(name) and len(name.encode()) <= 200)
LATIN = st.text("abcXYZ 019-_", min_size=1, max_size=30).filter(lambda name: name.strip() and name[0] != "-")


def trees(name):
    """{path: content} where no file is another one's folder."""
    path = st.lists(name, min_size=1, max_size=7).map("/".join)
    files = st.dictionaries(path, st.binary(max_size=3000), max_size=12)
    return files.map(
        lambda found: {
            each: data
            for each, data in found.items()
            if not any(other.startswith(f"{each}/") for other in found)
        }
    )


def taken(place, via):
    """What we take out, as (kind, content or target); hard links as what they are links to."""
    found = {}
    for member, pieces in Archive(place, via, "/data/to", "it", 1 << 30).contents():
        content = b"".join(pieces)
        if member.kind is Kind.HARD:
            found[member.path] = found[member.target]
        elif member.kind is not Kind.FOLDER:
            found[member.path] = (member.kind, member.target or content)
    return found


def extracted(folder):
    found = {}
    for path in folder.rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            found[str(path.relative_to(folder))] = (Kind.LINK, os.readlink(path))  # noqa: PTH115 - as it is
        elif stat.S_ISREG(mode):
            found[str(path.relative_to(folder))] = (Kind.FILE, path.read_bytes())
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("trees")


def fresh(place):
    shutil.rmtree(place)
    (place / "out").mkdir(parents=True)
    return place / "archive", place / "out"


@settings(
    max_examples=40, deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate]
)
@given(
    tree=trees(NAME), kind=st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]), links=st.integers(0, 3)
)
def test_tars(place, tree, kind, links):
    archive, out = fresh(place)
    with tarfile.open(archive, "w", format=kind) as tar:
        for path, data in tree.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for number, path in enumerate([*tree][:links]):
            for how, target in ((tarfile.LNKTYPE, path), (tarfile.SYMTYPE, f"./{path}")):
                info = tarfile.TarInfo(f"link {number} {how.decode()}")
                info.type, info.linkname = how, target
                if info.name not in tree:
                    tar.addfile(info)
    subprocess.run(
        ["tar", "-xf", str(archive), "-C", str(out), "--no-same-owner"],
        check=True, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert taken(archive, "tar") == extracted(out)


@pytest.mark.skipif(not shutil.which("unzip"), reason="needs unzip (package unzip)")
@settings(
    max_examples=25, deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate]
)
@given(tree=trees(LATIN), way=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
def test_zips(place, tree, way):
    archive, out = fresh(place)
    with zipfile.ZipFile(archive, "w", way) as packed:
        packed.writestr("a file/that is always there", b"1")
        for path, data in tree.items():
            packed.writestr(zipfile.ZipInfo(path), data, way)
    subprocess.run(["unzip", "-q", str(archive), "-d", str(out)], check=True)
    assert taken(archive, "zip") == extracted(out)
