"""The host protocol over HTTP: who may call, what is refused, in which words."""

from __future__ import annotations

import json
import uuid

import pytest
from django.test import Client
from rest_framework.test import APIClient

from imager.accounts.models import User
from imager.celery import app
from tasks_app import logbook
from tasks_app.models import Task
from tests import factories as make
from tests.doubles.no_broker import no_broker
from workers.contract import PROTOCOL, Kind

__all__ = ["no_broker"]

pytestmark = pytest.mark.django_db


def login(email: str) -> APIClient:
    client = APIClient()
    answer = client.post("/api/v1/auth/token/", {"email": email, "password": make.PASSWORD})
    assert answer.status_code == 200, answer.content
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {answer.json()['access']}")
    return client


@pytest.fixture
def host():
    return make.host()


@pytest.fixture
def client(host):
    return login(host.account.email)


PERMIT = {
    "event_id": str(uuid.uuid4()),
    "attempt": 1,
    "slot": "A",
    "diskseq": 1,
    "boot_id": "b",
    "card_bytes": 1,
}
BEAT = {
    "kind": "create",
    "boot_id": "b",
    "version": "0.1.0",
    "protocol": PROTOCOL,
    "free_bytes": 10,
    "running": [],
}


def test_a_whole_life_over_http(client, host):
    make.warehouse()
    task = make.task()
    url = f"/api/v1/tasks/{task.pk}"

    assert client.post("/api/v1/hosts/me/beat", BEAT).json() == {"ring": [str(task.pk)], "drain": False}
    claimed = client.post(f"{url}/claim", make.claim_body())
    assert claimed.status_code == 200
    assert client.get("/api/v1/hosts/me/assignments").json()["assignments"][0]["task"] == str(task.pk)
    assert client.post(f"{url}/report", make.report_body()).json() == {"answer": "go"}
    ticket = client.post(f"{url}/ticket", {"attempt": 1}).json()
    assert (ticket["user"], ticket["right"], ticket["host"]) == (f"{task.pk}.1", "store", "127.0.0.1")
    warehouse = APIClient(HTTP_AUTHORIZATION="Warehouse main:secret")
    publication = {"task": str(task.pk), "attempt": 1, "files": make.file_facts()}
    assert warehouse.post("/api/v1/warehouse/publish", publication).json() == {"order": str(task.order_id)}
    assert warehouse.post("/api/v1/warehouse/published", publication).status_code == 200
    done = client.post(f"{url}/report", make.report_body(outcome="done", result={"image_size": 7}))
    assert done.json() == {"answer": "go"}
    task.refresh_from_db()
    assert task.status == "done"
    assert warehouse.get("/api/v1/warehouse/ended").json()["ended"] == [{"task": str(task.pk), "attempt": 1}]


def test_a_request_that_asked_the_broker_would_be_found():
    with pytest.raises(AssertionError, match="belongs into the scheduler"):
        app.send_task("tasks_app.deliver", kwargs={"entry": 1}, queue="server", retry=False)


def test_a_stale_report_is_a_409_that_says_stale(client, host):
    task = make.task()

    answer = client.post(f"/api/v1/tasks/{task.pk}/report", make.report_body(attempt=3))

    assert (answer.status_code, answer.json()["answer"]) == (409, "stale")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("claim", {**make.claim_body(), "claim_id": "no"}, "claim_id"),
        ("claim", {"claim_id": str(uuid.uuid4())}, "boot_id"),
        ("claim", {**make.claim_body(), "surprise": 1}, "surprise"),
        ("report", make.report_body(attempt=0), "attempt"),
        ("report", make.report_body(step="dancing"), "step"),
        ("report", make.report_body(outcome="banana"), "outcome"),
        ("report", make.report_body(progress={"done": -1, "total": 1, "rate": 1, "eta": 1}), "progress"),
        ("report", make.report_body(log={"offset": 0, "text": "x" * 70000}), "log"),
        ("report", make.report_body(trouble={"fault": "nobody", "code": "x", "message": "y"}), "trouble"),
        ("report", make.report_body(attempt=2**31), "attempt"),
        ("report", make.report_body(progress={"done": 1, "total": 1, "rate": "nan", "eta": 1}), "progress"),
        ("report", make.report_body(progress={"done": 1, "total": 1, "rate": 1, "eta": "inf"}), "progress"),
        ("report", make.report_body(outcome="done", result={"a": "\x00"}), "result"),
        ("report", make.report_body(outcome="done", result={"a": "x" * 70000}), "result"),
        ("release", {"event_id": str(uuid.uuid4()), "attempt": 2**40}, "attempt"),
        ("permit", {"attempt": 1}, "slot"),
        ("ticket", {"attempt": "one"}, "attempt"),
    ],
)
def test_bad_bodies_are_refused_by_field(client, path, body, field):
    task = make.task()

    answer = client.post(f"/api/v1/tasks/{task.pk}/{path}", body)

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert field in answer.json()["errors"]
    assert Task.objects.get().attempt == 0


def test_nobody_but_hosts_may_call(client):
    task = make.task()
    member = make.user()
    for caller in (APIClient(), login(member.email), login(make.staff().email)):
        for path in (f"tasks/{task.pk}/claim", f"tasks/{task.pk}/report", "hosts/me/beat"):
            assert caller.post(f"/api/v1/{path}", {}).status_code in {401, 403}


def test_unknown_tasks_are_404(client):
    for path, body in [
        ("claim", make.claim_body()),
        ("report", make.report_body()),
        ("report", make.report_body(outcome="failed")),
        ("release", {"event_id": str(uuid.uuid4()), "attempt": 1}),
        ("ticket", {"attempt": 1}),
        ("permit", PERMIT),
    ]:
        assert client.post(f"/api/v1/tasks/{uuid.uuid4()}/{path}", body).status_code == 404


def test_a_disabled_host_account_is_out_at_once(client, host):
    assert client.post("/api/v1/hosts/me/beat", BEAT).status_code == 200

    account = User.objects.get(pk=host.account_id)
    account.is_active = False
    account.save()

    assert client.post("/api/v1/hosts/me/beat", BEAT).status_code == 401


@pytest.mark.parametrize("header", ["", "Warehouse main:wrong", "Warehouse other:secret", "Bearer x"])
def test_only_the_warehouse_may_publish(header):
    make.warehouse()
    caller = APIClient(**({"HTTP_AUTHORIZATION": header} if header else {}))

    answer = caller.post(
        "/api/v1/warehouse/publish", {"task": str(uuid.uuid4()), "attempt": 1, "files": make.file_facts()}
    )

    assert answer.status_code in {401, 403}


def test_a_writer_account_gets_no_ticket_for_a_foreign_order(host):
    make.warehouse()
    mine, other = make.host("writer"), make.host("writer")
    task = make.task(kind=Kind.DOWNLOAD, host=mine)
    assert (
        login(mine.account.email).post(f"/api/v1/tasks/{task.pk}/claim", make.claim_body()).status_code == 200
    )

    assert (
        login(other.account.email).post(f"/api/v1/tasks/{task.pk}/ticket", {"attempt": 1}).status_code == 409
    )
    ticket = login(mine.account.email).post(f"/api/v1/tasks/{task.pk}/ticket", {"attempt": 1}).json()
    assert ticket["right"] == "read"


def test_a_beat_of_the_wrong_kind_or_protocol(client):
    assert client.post("/api/v1/hosts/me/beat", {**BEAT, "kind": "write"}).status_code == 403
    assert client.post("/api/v1/hosts/me/beat", {**BEAT, "protocol": PROTOCOL + 1}).status_code == 426


def test_a_draining_host_is_told_so_and_gets_no_bells(client, host):
    make.task()
    type(host).objects.update(draining=True)

    assert client.post("/api/v1/hosts/me/beat", BEAT).json() == {"ring": [], "drain": True}


def slot_state(**fields):
    state = {
        "name": "A",
        "present": True,
        "size": 1,
        "diskseq": 1,
        "model": "",
        "contents": "",
        "problem": "",
    }
    return {**state, **fields}


@pytest.fixture
def writer():
    return make.host("writer")


@pytest.mark.parametrize(
    "slots",
    [
        [slot_state(name="a/b")],
        [slot_state(name="")],
        [slot_state(name="x" * 21)],
        [slot_state(), slot_state()],
        [slot_state(diskseq=-(2**70))],
        [slot_state(name=f"S{n}") for n in range(101)],
    ],
)
def test_slots_that_no_page_could_show_are_refused(writer, slots):
    answer = login(writer.account.email).post(
        "/api/v1/hosts/me/beat", {**BEAT, "kind": "write", "slots": slots}
    )

    assert answer.status_code == 400
    assert "slots" in answer.json()["errors"]
    assert not writer.slots.exists()


def test_a_card_with_a_strange_label_stops_no_beat(writer):
    slots = [slot_state(contents="LABEL\x00\ud800!", model="\x00")]

    body = json.dumps(
        {**BEAT, "kind": "write", "slots": slots}
    )  # in ASCII: half a surrogate pair gets through

    answer = login(writer.account.email).post("/api/v1/hosts/me/beat", body, content_type="application/json")

    assert answer.status_code == 200
    assert writer.slots.get().contents == "LABEL\N{REPLACEMENT CHARACTER}?!"


def test_a_failure_with_strange_words_is_taken(client, host):
    task = make.task()
    client.post(f"/api/v1/tasks/{task.pk}/claim", make.claim_body())
    trouble = {"fault": "job", "code": "x", "message": "The file \x00 is not there."}

    answer = client.post(
        f"/api/v1/tasks/{task.pk}/report",
        make.report_body(outcome="failed", trouble=trouble, log={"offset": 0, "text": "a\x00b"}),
    )

    assert answer.status_code == 200, answer.content
    task.refresh_from_db()
    assert (task.status, logbook.whole(task.pk, 1)) == ("failed", "a\N{REPLACEMENT CHARACTER}b")


@pytest.mark.parametrize("diskseq", ["--5", "²", "9" * 5000, "-", "x", ""])
def test_a_confirmation_of_no_insertion_changes_nothing(writer, client, diskseq):
    slot = make.slot(writer)
    task = make.task(kind=Kind.WRITE, host=writer, unit=1, status="waiting")
    operator = Client()
    operator.force_login(make.staff())

    answer = operator.post(
        f"/station/{writer.name}/{slot.name}/confirm/", {"diskseq": diskseq, "boot_id": slot.boot_id}
    )

    assert answer.status_code == 302
    task.refresh_from_db()
    assert task.status == "waiting"


def test_a_result_that_is_no_text_is_refused(client):
    task = make.task()
    body = json.dumps(make.report_body(outcome="done", result={"a": ["\ud800"]}))

    answer = client.post(f"/api/v1/tasks/{task.pk}/report", body, content_type="application/json")

    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["result"])
