"""Digests, keys, and the plan of sizes."""

import hashlib
import stat
import zlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from workers.creator.base import BaseImage
from workers.creator.build import check_name, config_page
from workers.creator.digest import new_digest
from workers.creator.disk import check_disk
from workers.creator.keys import load_key, own_key, own_key_path
from workers.creator.plan import Item, check_at_first_sight, decide_sizes
from workers.creator.recipe import read_recipe
from workers.errors import HostError, JobError
from workers.imaging.ext4_sizes import Load
from workers.imaging.mbr import Partition

GB = 10**9
MIB = 1 << 20


@pytest.mark.parametrize("algo", ["md5", "sha-1", "sha-224", "sha-256", "sha-384", "sha-512"])
def test_digests_of_the_recipe(algo):
    digest = new_digest(algo)
    digest.update(b"in ")
    digest.update(memoryview(b"pieces"))
    assert digest.hexdigest() == hashlib.new(algo.replace("-", ""), b"in pieces").hexdigest()


def test_adler32_keeps_its_leading_zeros():
    digest = new_digest("adler32")
    digest.update(b"a")
    assert digest.hexdigest() == f"{zlib.adler32(b'a'):08x}"
    assert len(digest.hexdigest()) == 8


def test_a_key_is_made_once_and_private(tmp_path):
    path = tmp_path / "share/imager/creator.key"
    first = own_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (
        own_key(path).private_bytes_raw() == first.private_bytes_raw() == load_key(path).private_bytes_raw()
    )
    assert [p.name for p in path.parent.iterdir()] == ["creator.key"]


def test_the_own_key_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert own_key_path() == tmp_path / "imager/creator.key"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")  # the specification says: ignore it
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert own_key_path() == tmp_path / "me/.local/share/imager/creator.key"


def test_a_key_that_others_can_read_is_refused(tmp_path):
    own_key(tmp_path / "k")
    (tmp_path / "k").chmod(0o640)
    with pytest.raises(HostError, match="chmod 600") as caught:
        load_key(tmp_path / "k")
    assert caught.value.code == "bad_key"


def pem(key, encryption):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"-----BEGIN PRIVATE KEY-----\nrubbish\n-----END PRIVATE KEY-----\n",
        pem(generate_private_key(65537, 2048), NoEncryption()),
        pem(Ed25519PrivateKey.generate(), BestAvailableEncryption(b"secret")),
    ],
    ids=["empty", "rubbish", "rsa", "password"],
)
def test_what_is_no_signing_key_is_refused(tmp_path, page):
    (tmp_path / "k").write_bytes(page)
    (tmp_path / "k").chmod(0o600)
    with pytest.raises(HostError, match="no Ed25519 private key") as caught:
        load_key(tmp_path / "k")
    assert caught.value.code == "bad_key"


def test_a_key_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="cannot be made") as caught:
        own_key(tmp_path / "file/imager/creator.key")
    assert caught.value.code == "bad_key"


def test_a_missing_key_is_named(tmp_path):
    with pytest.raises(HostError, match="No such file"):
        load_key(tmp_path / "nowhere")


def recipe(size="auto", rootfs=0):
    more = f", rootfs_size: {rootfs}" if rootfs else ""
    return read_recipe(f"base: {{source: x{more}}}\noutput: {{size: {size}}}")


def base(tmp_path, start=64 * MIB):
    parts = [Partition(1, 12, MIB, MIB), Partition(2, 131, 2 * MIB, MIB), Partition(3, 131, start, 16 * MIB)]
    return BaseImage(tmp_path / "b", start + 16 * MIB, boot=parts[0], root=parts[1], data=parts[2])


def test_auto_leaves_room_to_work(tmp_path):
    load = Load.of([("/a", GB)])
    sizes = decide_sizes(recipe(), base(tmp_path), load)
    assert sizes.image % (4 * MIB) == 0
    assert 64 * MIB + 1.1 * GB < sizes.image < 64 * MIB + 1.2 * GB
    assert sizes.data == sizes.image - 64 * MIB


@pytest.mark.parametrize("size", ["8GB", "8000000001", "7948206080"])
def test_a_given_size_is_never_exceeded(tmp_path, size):
    sizes = decide_sizes(recipe(size), base(tmp_path), Load.of([]))
    wanted = recipe(size).output.size
    assert wanted - 4096 < sizes.image <= wanted
    assert sizes.data % 4096 == 0
    assert sizes.data + 64 * MIB <= sizes.image


def test_too_little_room_names_both_sizes(tmp_path):
    with pytest.raises(
        JobError, match=r"needs at least 1\.\d+ GB \(\d+ bytes\).* allows 1 GB \(1000000000 bytes\)"
    ) as caught:
        decide_sizes(recipe("1GB"), base(tmp_path), Load.of([("/a", GB)]))
    assert caught.value.code == "too_large"


def test_what_is_needed_is_really_enough(tmp_path):
    """The least size that the message names is accepted; a block less is not."""
    load = Load.of([(f"/f{n}", 10 * MIB) for n in range(20)])
    with pytest.raises(JobError) as caught:
        decide_sizes(recipe("1MB"), base(tmp_path), load)
    least = int(caught.value.message.split("(")[1].split(" ")[0])
    assert decide_sizes(recipe(least), base(tmp_path), load).image == least
    with pytest.raises(JobError):
        decide_sizes(recipe(least - 1), base(tmp_path), load)


def test_the_first_sight_needs_no_base_image():
    items = [Item("/data/a", "/a", 5 * GB, "http://x"), Item("/data/b", "/b", -1, "http://y")]
    check_at_first_sight(recipe("8GB"), items)
    check_at_first_sight(recipe(), items)
    with pytest.raises(JobError, match="at least 5"):
        check_at_first_sight(recipe("5GB"), items)
    with pytest.raises(JobError, match="at least 8"):
        check_at_first_sight(recipe("8GB", rootfs=3_716_153_344), items)


def test_a_full_disk_is_named_before_anything_is_written(tmp_path):
    check_disk(tmp_path, 1)
    with pytest.raises(HostError, match="free some space") as caught:
        check_disk(tmp_path, 1 << 62)
    assert caught.value.code == "disk_full"


@pytest.mark.parametrize("name", ["order-1", "A", "hotspot_2024.01", "a" * 120])
def test_names_of_images(name):
    check_name(name)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "../a", "a b", "-a", "a" * 121, "ü", "a\n"])
def test_names_that_could_do_harm(name):
    with pytest.raises(JobError) as caught:
        check_name(name)
    assert caught.value.code == "bad_name"


def test_the_configuration_page_is_plain_yaml():
    shared = {"ssid": "Kiwix ü", "passphrase": None}
    page = config_page({"timezone": "UTC", "ap": shared, "again": shared}).decode()
    access_point = "  ssid: Kiwix ü\n  passphrase: null\n"
    assert page == f"timezone: UTC\nap:\n{access_point}again:\n{access_point}"
