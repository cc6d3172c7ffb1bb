"""The public download: whole, in ranges, for a time, and only with its address."""

from __future__ import annotations

import hashlib
import os
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from orders import services
from orders.models import Order
from warehouse.models import StoredFile
from workers.contract import Kind

DATA = os.urandom(300_000)


@pytest.fixture
def finished(school, line, tmp_path) -> Order:
    """A download order whose files are really there."""
    order = school.place(kind="virtual")
    line.build(order)
    StoredFile.objects.update(size=len(DATA), sha256=hashlib.sha256(DATA).hexdigest())
    folder = tmp_path / "images" / str(order.pk)
    folder.mkdir(parents=True)
    for stored in StoredFile.objects.all():
        (folder / stored.name).write_bytes(DATA)
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
