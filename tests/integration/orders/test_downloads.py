"""The public download: whole, in ranges, for a time, and only with its address."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from datetime import timedelta

import pytest
import requests
from django.urls import reverse
from django.utils import timezone

from orders import services
from orders.models import Order
from tasks_app.models import Outbox, Task
from warehouse.models import StoredFile
from workers.contract import TORRENT_SUFFIX, Kind
from workers.imaging import bencode, torrent

DATA = os.urandom(300_000)
PIECES = torrent.Pieces(256 * 1024)
PIECES.update(DATA)


def torrent_of(order: Order) -> bytes:
    return torrent.dumps(PIECES.torrent(f"{order.image_name}.img.zst"), "builder 1")


@pytest.fixture
def finished(school, line, tmp_path) -> Order:
    """A download order whose files are really there."""
    order = school.place(kind="virtual")
    line.build(order)
    folder = tmp_path / "images" / str(order.pk)
    folder.mkdir(parents=True)
    for stored in StoredFile.objects.all():
        data = torrent_of(order) if stored.name.endswith(TORRENT_SUFFIX) else DATA
        StoredFile.objects.filter(pk=stored.pk).update(
            size=len(data), sha256=hashlib.sha256(data).hexdigest()
        )
        (folder / stored.name).write_bytes(data)
    order.refresh_from_db()
    return order


def address(order: Order, name: str = "") -> str:
    return reverse("download", args=[order.download_token, name or f"{order.image_name}.img.zst"])


def body(response) -> bytes:
    return b"".join(response.streaming_content)


def test_the_whole_file_without_a_login(client, finished):
    answer = client.get(address(finished))

    assert (answer.status_code, body(answer)) == (200, DATA)
    assert f'filename="{finished.image_name}.img.zst"' in answer["Content-Disposition"]


def test_a_range(client, finished):
    answer = client.get(address(finished), headers={"Range": "bytes=100-199"})

    assert (answer.status_code, body(answer)) == (206, DATA[100:200])
    assert answer["Content-Range"] == f"bytes 100-199/{len(DATA)}"


def test_the_other_files_of_the_image(client, finished):
    answer = client.get(address(finished, f"{finished.image_name}.img.bmap"))

    assert (answer.status_code, body(answer)) == (200, DATA)


def test_head_has_no_body(client, finished):
    answer = client.head(address(finished))

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer["Content-Length"] == str(len(DATA))


def test_nothing_can_be_posted(client, finished):
    assert client.post(address(finished)).status_code == 405


@pytest.mark.parametrize("name", ["other.img.zst", "..", "x%2f..%2fy", "%00"])
def test_other_names_do_not_exist(client, finished, name):
    assert client.get(f"/d/{finished.download_token}/{name}").status_code == 404


@pytest.mark.parametrize("token", ["x", "0" * 32, "%00", "é"])
def test_other_tokens_do_not_exist(client, finished, token):
    assert client.get(f"/d/{token}/{finished.image_name}.img.zst").status_code == 404


def test_a_jump_of_the_servers_clock_neither_ends_nor_prolongs_a_download(client, finished, monkeypatch):
    now = timezone.now
    for jumped in (timedelta(days=400), timedelta(days=-400)):
        monkeypatch.setattr(timezone, "now", lambda jumped=jumped: now() + jumped)
        assert len(body(client.get(address(finished)))) > 0
        assert services.expire_due() == 0

    Order.objects.update(expires_at=now() - timedelta(seconds=1))
    assert client.get(address(finished)).status_code == 410
    assert services.expire_due() == 1


def test_after_its_time_it_is_gone_even_before_the_sweep(client, finished):
    Order.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    answer = client.get(address(finished))

    assert answer.status_code == 410
    assert str(finished.number) in answer.content.decode()


@pytest.mark.parametrize("end", ["expire", "cancel"])
def test_after_its_end_it_is_gone(client, finished, school, end):
    services.expire(finished) if end == "expire" else services.cancel(finished, by=school.staff)

    assert client.get(address(finished)).status_code == 410


def test_before_it_is_finished_it_does_not_exist(client, school, line):
    order = school.place(kind="virtual")
    assert client.get(address(order)).status_code == 404

    line.fail(line.claim(line.task(order, Kind.CREATE)))
    assert client.get(address(order)).status_code == 404


def test_images_for_cards_cannot_be_downloaded(client, school, line):
    order = school.place()
    line.build(order)

    assert client.get(address(order)).status_code == 404


def test_a_missing_file_is_a_clear_503(client, finished, tmp_path):
    (tmp_path / "images" / str(finished.pk) / f"{finished.image_name}.img.zst").unlink()

    answer = client.get(address(finished))

    assert answer.status_code == 503
    assert "cannot be read" in answer.content.decode()


def torrent_address(order: Order) -> str:
    return address(order, f"{order.image_name}{TORRENT_SUFFIX}")


def test_the_torrent_leads_to_the_download(client, finished, settings):
    settings.PUBLIC_URL = "https://imager.example"

    answer = client.get(torrent_address(finished))

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/x-bittorrent"
    assert f'filename="{finished.image_name}.img.zst.torrent"' in answer["Content-Disposition"]
    page = bencode.decode(answer.content)
    assert page[b"url-list"] == [f"https://imager.example{address(finished)}".encode()]
    assert page[b"info"] == bencode.decode(torrent_of(finished))[b"info"]
    assert b"announce" not in page


def test_the_torrent_names_our_trackers(client, finished, settings):
    settings.TORRENT_TRACKERS = ["https://tracker.example/announce"]

    page = bencode.decode(client.get(torrent_address(finished)).content)

    assert page[b"announce"] == b"https://tracker.example/announce"


def test_head_of_the_torrent_has_no_body(client, finished):
    answer = client.head(torrent_address(finished))

    assert (answer.status_code, answer.content) == (200, b"")


def test_the_torrent_ends_with_the_download(client, finished):
    Order.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert client.get(torrent_address(finished)).status_code == 410


def test_a_damaged_torrent_is_a_clear_503(client, finished, tmp_path):
    stored = StoredFile.objects.get(name__endswith=TORRENT_SUFFIX)
    (tmp_path / stored.path).write_bytes(b"x" * stored.size)

    answer = client.get(torrent_address(finished))

    assert answer.status_code == 503
    assert "Download the image itself" in answer.content.decode()


def test_the_api_tells_both_addresses(finished, school, api):
    told = api(school.member).get(f"/api/v1/orders/{finished.pk}/").json()

    assert told["torrent_url"] == f"{told['download_url']}.torrent"


def test_without_a_download_there_is_no_torrent(school, api):
    order = school.place(kind="virtual")

    assert api(school.member).get(f"/api/v1/orders/{order.pk}/").json()["torrent_url"] is None


def test_a_real_client_fetches_the_image(live_server, finished, settings, tmp_path):
    """No tracker, no peers: everything comes from the web seed, piece by piece, and is checked."""
    if not shutil.which("aria2c"):
        pytest.skip("aria2c is missing: apt-get install aria2")
    settings.PUBLIC_URL = live_server.url
    page = requests.get(live_server.url + torrent_address(finished), timeout=30).content
    (tmp_path / "a.torrent").write_bytes(page)

    done = subprocess.run(
        [
            *("aria2c", "--no-conf", "--dir", str(tmp_path), "--seed-time=0", "--enable-dht=false"),
            *("--bt-stop-timeout=60", str(tmp_path / "a.torrent")),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )

    assert done.returncode == 0, done.stdout
    assert (tmp_path / f"{finished.image_name}.img.zst").read_bytes() == DATA


def test_what_was_built_before_torrents_offers_none(school, line, api, client):
    order = school.place(kind="virtual")
    task = line.task(order, Kind.CREATE)
    Task.objects.filter(pk=task.pk).update(spec={"name": order.image_name})
    line.build(order)

    told = api(school.member).get(f"/api/v1/orders/{order.pk}/").json()
    listed = api(school.member).get("/api/v1/orders/").json()["results"][0]
    client.force_login(school.member)
    page = client.get(f"/orders/{order.pk}/").content.decode()
    mail = Outbox.objects.latest("pk").payload["body"]

    assert told["download_url"] in page
    assert told["download_url"] in mail
    assert (told["torrent_url"], listed["torrent_url"]) == (None, None)
    assert "torrent" not in mail
    assert "Torrent" not in page
