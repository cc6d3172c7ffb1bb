"""Orders over HTTP: placing, seeing, stopping — and who may."""

from __future__ import annotations

import itertools
import json
import threading

import pytest
from django.db import connection
from rest_framework.test import APIClient

from orders import services
from orders.models import Order
from tasks_app.models import Host, Outbox, Slot, Task
from workers.contract import Kind

URL = "/api/v1/orders/"


def body(school, **fields) -> dict:
    return {
        "configuration": school.configuration.pk,
        "kind": "physical",
        "media": school.card.pk,
        "quantity": 2,
        "recipient_name": "Awa Diop",
        "recipient_address": "Rue 17",
        "recipient_country": "ML",
        **fields,
    }


def test_placing(school, api):
    answer = api(school.member).post(URL, body(school))

    assert answer.status_code == 201, answer.data
    order = Order.objects.get()
    assert answer["Location"] == f"http://testserver{URL}{order.pk}/"
    expected = {
        "id": str(order.pk),
        "number": order.number,
        "status": "placed",
        "organization": school.organization.slug,
        "kind": "physical",
        "media": school.card.pk,
        "quantity": 2,
        "configuration": school.configuration.pk,
        "name": "Library",
        "download_url": None,
        "recipient_name": "Awa Diop",
        "recipient_country": "ML",
    }
    assert {name: answer.data[name] for name in expected} == expected
    assert [(stage["kind"], stage["status"], stage["position"]) for stage in answer.data["stages"]] == [
        ("create", "queued", 1)
    ]
    assert [move["went_to"] for move in answer.data["history"]] == ["placed"]
    assert [content["title"] for content in answer.data["contents"]] == ["Gutenberg", "Wikipedia"]


def test_errors_of_the_whole_order(school, api, settings):
    settings.BASE_IMAGE_URL = ""

    answer = api(school.member).post(URL, body(school))

    assert answer.status_code == 400
    assert "BASE_IMAGE_URL" in answer.data["errors"]["non_field_errors"][0]


def test_a_key_makes_repeating_harmless(school, api):
    client, headers = api(school.member), {"Idempotency-Key": "k1"}

    first = client.post(URL, body(school), headers=headers)
    again = client.post(URL, dict(reversed(body(school).items())), headers=headers)
    other = client.post(URL, body(school, quantity=3), headers=headers)

    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 422)
    assert first.data["id"] == again.data["id"]
    assert other.data["code"] == "idempotency_conflict"
    assert Order.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_r12_a_hundred_requests_at_once_with_one_key_make_one_order(school):
    """A hundred at the door of a server that works on 25 at a time, each with a connection of its own."""
    start, taken, answers = threading.Barrier(25), itertools.count(), []

    def work():
        client = APIClient()
        client.force_authenticate(school.member)
        connection.ensure_connection()
        start.wait(30)
        try:
            while next(taken) < 100:
                answers.append(client.post(URL, body(school), headers={"Idempotency-Key": "k1"}))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(answer.status_code for answer in answers) == [200] * 99 + [201]
    assert len({answer.data["id"] for answer in answers}) == 1
    assert (Order.objects.count(), Task.objects.count(), Outbox.objects.count()) == (1, 1, 1)


def test_progress_cards_and_history(school, api, line):
    order = school.place(quantity=2)
    line.build(order)
    line.download(order)
    line.write(order, 1)
    running = line.insert(order, 2)
    line.report(running, step="writing", progress={"done": 25, "total": 100, "rate": 5.0, "eta": 15.0})

    data = api(school.member).get(f"{URL}{order.pk}/").data

    assert [(s["kind"], s["unit"], s["status"], s["percent"]) for s in data["stages"]] == [
        ("create", 0, "done", 100),
        ("download", 0, "done", 100),
        ("write", 1, "done", 100),
        ("write", 2, "running", 25),
    ]
    stage = data["stages"][3]
    assert (stage["step"], stage["done"], stage["rate"], stage["eta"]) == (
        "writing",
        25,
        5.0,
        35.0,
    )  # 15 s, then 20 s to read back
    assert [(card["unit"], card["verdict"]) for card in data["cards"]] == [(2, "writing"), (1, "accepted")]
    assert [move["went_to"] for move in data["history"]] == ["placed", "creating", "downloading", "writing"]


def test_members_are_told_of_no_hosts_and_slots(school, api, line):
    """As on the pages: staff need to know where it is made and who did what, members do not."""
    Host.objects.filter(pk=line.writer.pk).update(name="canary-writer")
    Host.objects.filter(pk=line.creator.pk).update(name="canary-creator")
    for host in (line.writer, line.creator):
        host.refresh_from_db()
    order = school.place(quantity=2)
    line.build(order)
    line.download(order)
    line.write(order, 1)
    running = line.insert(order, 2)
    Slot.objects.filter(pk=running.slot_id).update(name="canary-slot")
    Task.objects.filter(pk=running.pk).update(
        trouble={"fault": "card", "code": "bad", "message": "canary-bad"}
    )
    Order.objects.get(pk=order.pk).moves.update(by="canary-person")

    told = [api(school.member).get(f"{URL}{order.pk}/").data, api(school.staff).get(f"{URL}{order.pk}/").data]
    told.append(api(school.member).post(f"{URL}{order.pk}/cancel/").data)

    for members in (told[0], told[2]):
        assert "canary" not in json.dumps(members, default=str)
        assert {(stage["host"], stage["slot"]) for stage in members["stages"]} == {("", "")}
        assert {(card["host"], card["slot"], card["serial"] != "") for card in members["cards"]} == {
            ("", "", True)
        }
        assert {move["by"] for move in members["history"]} == {""}
    stage = told[1]["stages"][3]
    assert (stage["host"], stage["slot"], stage["trouble"]["message"]) == (
        "canary-writer",
        "canary-slot",
        "canary-bad",
    )
    assert {card["host"] for card in told[1]["cards"]} == {"canary-writer"}
    assert {move["by"] for move in told[1]["history"]} == {"canary-person"}


def test_members_are_told_why_a_task_has_failed(school, api, line):
    order = school.place()
    line.fail(line.claim(line.task(order, Kind.CREATE)), "The base image is missing.")
    [stage] = api(school.member).get(f"{URL}{order.pk}/").data["stages"]
    assert stage["trouble"]["message"] == "The base image is missing."


def test_a_finished_download_has_its_link(school, api, line):
    order = school.place(kind="virtual")
    assert api(school.member).get(f"{URL}{order.pk}/").data["download_url"] is None

    line.build(order)

    order.refresh_from_db()
    link = api(school.member).get(f"{URL}{order.pk}/").data["download_url"]
    assert link.endswith(f"/d/{order.download_token}/{order.image_name}.img.zst")
    services.expire(order)
    assert api(school.member).get(f"{URL}{order.pk}/").data["download_url"] is None


def test_passwords_and_tokens_never_leave(school, api):
    order = school.place()

    text = api(school.staff).get(f"{URL}{order.pk}/").content + api(school.staff).get(URL).content

    assert b"canary" not in text
    assert order.download_token.encode() not in text


def test_cancel(school, api):
    order = school.place()

    answer = api(school.member).post(f"{URL}{order.pk}/cancel/")
    again = api(school.member).post(f"{URL}{order.pk}/cancel/")

    assert (answer.status_code, answer.data["status"]) == (200, "canceled")
    assert order.moves.last().by == "amina@example.org"
    assert (again.status_code, again.data["code"]) == (409, "conflict")


def test_retry(school, api, line):
    order = school.place()
    assert api(school.member).post(f"{URL}{order.pk}/retry/").status_code == 409
    line.fail(line.claim(line.task(order, Kind.CREATE)))

    answer = api(school.member).post(f"{URL}{order.pk}/retry/")

    assert (answer.status_code, answer.data["status"], answer.data["failure"]) == (200, "creating", "")


def test_ship(school, api):
    order = school.place()
    client, url = api(school.staff), f"{URL}{order.pk}/ship/"
    assert client.post(url, {"tracking": "DHL"}).status_code == 409
    Order.objects.update(status="ready_to_ship")

    assert api(school.member).post(url, {"tracking": "DHL"}).status_code == 403
    assert list(client.post(url, {"tracking": " "}).data["errors"]) == ["tracking"]
    assert list(client.post(url, {"tracking": "DHL", "status": "x"}).data["errors"]) == ["status"]
    answer = client.post(url, {"tracking": "DHL"})

    assert (answer.status_code, answer.data["status"], answer.data["tracking"]) == (200, "shipped", "DHL")
