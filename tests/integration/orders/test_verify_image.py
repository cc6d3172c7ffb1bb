"""`manage.py verify_image`: published images and files, by the creator's key; each flaw has its exit code."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command

from tests import factories
from tests.doubles.image import KEY, Image, make_image
from tests.integration.warehouse.ftp_doubles import Server
from warehouse import services
from warehouse.models import StoredFile, Warehouse
from workers.contract import Kind
from workers.imaging import manifest

pytestmark = pytest.mark.django_db

PUBLIC = manifest.public_hex(KEY)
OTHER = manifest.public_hex(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
USAGE, NOT_AN_IMAGE, HOST, MISSING, DAMAGED, UNTRUSTED = 2, 3, 4, 10, 11, 13


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return make_image(tmp_path / "made", name="school", size=1 << 20)


@pytest.fixture
def order(tmp_path: Path, image: Image):
    """An order whose image lies in a warehouse that this server sees itself."""
    return publish(image, tmp_path / "warehouse", factories.order(image_name="school"))


def publish(image: Image, root: Path, order, key: str = PUBLIC):
    factories.warehouse(local_root=str(root))
    task = factories.task(order, spec={"name": image.name, "signing_key": key})
    folder = root / "images" / str(order.pk)
    folder.mkdir(parents=True)
    for facts in image.files:
        (folder / facts["name"]).write_bytes((image.folder / facts["name"]).read_bytes())
    services.grant(task=task.pk, attempt=1, owner=order.pk, files=image.files)
    services.confirm(task=task.pk, attempt=1)
    return order


def stored(tmp_path: Path, order, suffix: str) -> Path:
    return tmp_path / "warehouse/images" / str(order.pk) / f"school{suffix}"


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def told(*arguments: str) -> tuple[int, str]:
    """Exit code and answer."""
    out = StringIO()
    try:
        call_command("verify_image", *arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


@pytest.mark.parametrize("how", ["{number}", "#{number}", "school", "school.img.zst", "school.img.bmap"])
def test_a_good_image_by_each_of_its_names(order, how: str) -> None:
    code, answer = told(how.format(number=order.number))
    assert code == 0
    assert answer.startswith(f"{order} school.img.zst is good\n")
    assert f"signed by {PUBLIC}" in answer


def test_for_programs(order, tmp_path) -> None:
    code, answer = told("--json", str(order.number), "school")
    pages = json.loads(answer)
    assert code == 0
    assert [(page["artifact"], page["good"]) for page in pages] == [(f"{order} school.img.zst", True)] * 2
    assert {part["part"] for part in pages[0]["parts"]} >= {"manifest", "signature", "container", "image"}


def test_damage_is_told_by_the_exit_code_and_of_several_the_worst(order, image, tmp_path) -> None:
    flip(stored(tmp_path, order, ".img.zst"), 500_000)
    code, answer = told("--json", str(order.number), str(image.container), "--public-key", PUBLIC)
    assert code == DAMAGED
    assert [page["good"] for page in json.loads(answer)] == [False, True]


def test_an_image_that_another_key_signed(tmp_path, image) -> None:
    order = publish(image, tmp_path / "warehouse", factories.order(), key=OTHER)
    assert told(str(order.number))[0] == UNTRUSTED
    assert told(str(order.number), "--public-key", PUBLIC)[0] == 0


class TestFiles:
    def test_the_only_creator_signs(self, image) -> None:
        host = factories.host()
        type(host).objects.filter(pk=host.pk).update(signing_key=PUBLIC)
        assert told(str(image.container)) == (0, told(str(image.container), "--public-key", PUBLIC)[1])

    def test_several_creators_or_none(self, image) -> None:
        with pytest.raises(CommandError, match="knows 0 creators") as caught:
            told(str(image.container))
        assert caught.value.returncode == USAGE
        for key in (PUBLIC, OTHER):
            host = factories.host()
            type(host).objects.filter(pk=host.pk).update(signing_key=key)
        with pytest.raises(CommandError, match="knows 2 creators"):
            told(str(image.container))

    def test_what_the_checker_refuses_keeps_its_code(self, image, tmp_path, capfd) -> None:
        (tmp_path / "x.txt").touch()
        assert told(str(tmp_path / "x.txt"), "--public-key", PUBLIC)[0] == NOT_AN_IMAGE
        assert "no file of an image" in capfd.readouterr().err
        code, answer = told(str(tmp_path / "x.txt"), "--public-key", PUBLIC, "--json")
        assert (code, json.loads(answer)[0]["code"]) == (NOT_AN_IMAGE, "not_an_image")
        assert told(str(image.container), "--public-key", "short")[0] == NOT_AN_IMAGE

    def test_a_missing_part(self, image) -> None:
        (image.folder / "school.img.bmap").unlink()
        assert told(str(image.container), "--public-key", PUBLIC)[0] == MISSING

    def test_a_name_that_looks_like_an_option(self, image, tmp_path, monkeypatch) -> None:
        monkeypatch.chdir(tmp_path)
        odd = make_image(tmp_path / "odd", name="school", size=4096)
        odd.folder.rename(tmp_path / "-x")
        assert told("--public-key", PUBLIC, "--", "-x/school.img.zst")[0] == 0


class TestRefusals:
    @pytest.mark.parametrize("name", ["99999999", "9" * 40, "nothing", "#", ""])
    def test_unknown(self, name: str) -> None:
        with pytest.raises(CommandError, match="no published image") as caught:
            told(name)
        assert caught.value.returncode == HOST

    def test_not_built_yet(self) -> None:
        with pytest.raises(CommandError, match=r"has no image in the warehouse"):
            told(str(factories.order().number), "--public-key", PUBLIC)

    def test_removed(self, order) -> None:
        services.remove(owner=order.pk)
        with pytest.raises(CommandError, match="has no image"):
            told(str(order.number))
        with pytest.raises(CommandError, match="no published image"):
            told("school")

    def test_two_of_one_name(self, order, image, tmp_path) -> None:
        second = publish(image, tmp_path / "warehouse", factories.order())
        with pytest.raises(CommandError, match=f"{order}, {second}"):
            told("school")

    def test_no_key(self, order) -> None:
        task = order.tasks.get(kind=Kind.CREATE)
        type(task).objects.filter(pk=task.pk).update(spec={})
        with pytest.raises(CommandError, match=r"no signing key .* --public-key"):
            told(str(order.number))

    def test_a_file_that_the_warehouse_has_lost(self, order, tmp_path) -> None:
        stored(tmp_path, order, ".img.bmap").unlink()
        with pytest.raises(CommandError, match=r"school\.img\.bmap.*cannot be read") as caught:
            told(str(order.number))
        assert caught.value.returncode == HOST


class TestElsewhere:
    """The warehouse is reached through FTP alone."""

    @pytest.fixture
    def far(self, order, tmp_path):
        server = Server(tmp_path / "warehouse/images" / str(order.pk))
        ticket = server.ticket()
        fields = {"local_root": "", "host": ticket["host"], "port": ticket["port"], "tls": ticket["tls"]}
        Warehouse.objects.update(**fields)
        yield order
        server.stop()

    def test_it_is_fetched_and_nothing_stays(self, far, tmp_path) -> None:
        place = tmp_path / "place"
        place.mkdir()
        code, answer = told(str(far.number), "--place", str(place))
        assert (code, list(place.iterdir())) == (0, [])
        assert f"{far} school.img.zst is good" in answer

    def test_damage_there(self, far, tmp_path) -> None:
        flip(stored(tmp_path, far, ".manifest.json.sig"), 3)
        assert told(str(far.number))[0] == UNTRUSTED

    def test_no_room(self, far) -> None:
        file = StoredFile.objects.get(name="school.img.zst")
        StoredFile.objects.filter(pk=file.pk).update(size=2**60)
        with pytest.raises(CommandError, match=r"takes \d+ bytes, \d+ are free .* --place"):
            told(str(far.number))

    def test_no_such_place(self, far, tmp_path) -> None:
        with pytest.raises(CommandError, match="cannot be checked") as caught:
            told(str(far.number), "--place", str(tmp_path / "nowhere"))
        assert caught.value.returncode == HOST


@pytest.mark.parametrize("ends", ["kill -9 $$", "exit 0"])
def test_a_check_without_a_verdict_is_none(order, tmp_path, monkeypatch, ends):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{ends}\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))

    with pytest.raises(CommandError, match="did not come to its end") as refused:
        call_command("verify_image", str(order.number), stdout=StringIO())
    assert refused.value.returncode == HOST
