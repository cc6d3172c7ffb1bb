"""Signs of life before Django: the same answer as from Django, and only where Django would give one."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from io import BytesIO

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone, translation

from imager.accounts.models import User
from imager.accounts.tokens import AccessToken
from tasks_app import prepared, services
from tasks_app.api import direct
from tasks_app.api.direct import SignsFirst
from tasks_app.api.quick import BEAT
from tasks_app.models import Host, Task
from tests import factories as make
from workers.contract import PROTOCOL

pytestmark = pytest.mark.django_db

BODY = {
    "kind": "create",
    "boot_id": "b",
    "version": "9",
    "protocol": PROTOCOL,
    "free_bytes": 5,
    "running": [],
}


class Django:
    """What comes here went the long way."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def __call__(self, environ, start_response):
        self.asked.append(environ["wsgi.input"].read())
        start_response("418 Teapot", [])
        return [b"the long way"]


@pytest.fixture
def host():
    return make.host()


@pytest.fixture
def call(host):
    """Send a beat; the status, the headers and the body of its answer, and what Django saw."""

    def send(body=BODY, **changed):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": BEAT,
            "HTTP_HOST": "testserver",
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "HTTP_AUTHORIZATION": f"Bearer {AccessToken.of(host.account)}",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(raw)),
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(raw),
        } | changed
        told: list[tuple[str, list[tuple[str, str]]]] = []
        django = Django()
        body = b"".join(SignsFirst(django)(environ, lambda status, headers: told.append((status, headers))))
        ((status, headers),) = told
        return status, dict(headers), body, django.asked

    return send


def test_the_answer_is_djangos_answer(host, call):
    token = f"Bearer {AccessToken.of(host.account)}"
    theirs = Client().post(BEAT, BODY, content_type="application/json", HTTP_AUTHORIZATION=token)
    status, headers, body, asked = call()
    assert (status, body, asked) == ("200 OK", theirs.content, [])
    assert {**headers, "Allow": "POST, OPTIONS"} == dict(theirs.items())  # which the view alone tells


@pytest.fixture
def task(host):
    """At work on the host."""
    task = make.task()
    services.claim(task.pk, host, make.claim_body())
    return task


def report_path(task) -> str:
    return f"/api/v1/tasks/{task.pk}/report"


@pytest.mark.parametrize("numbers", [{}, {"progress": {"done": 5, "total": 10, "rate": 2.5, "eta": None}}])
def test_a_report_is_answered_as_by_django_and_kept_as_by_django(host, call, task, numbers):
    kept, said = [], []
    body = make.report_body(**numbers)
    token = f"Bearer {AccessToken.of(host.account)}"
    for way in ("ours", "theirs"):
        Task.objects.filter(pk=task.pk).update(step="claimed", progress_done=0, progress_rate=None)
        if way == "ours":
            status, headers, words, asked = call(body, PATH_INFO=report_path(task))
            said.append((status, words, {**headers, "Allow": "POST, OPTIONS"}))
            assert asked == []
        else:
            path, json_type = report_path(task), "application/json"
            theirs = Client().post(path, body, content_type=json_type, HTTP_AUTHORIZATION=token)
            said.append((f"{theirs.status_code} OK", theirs.content, dict(theirs.items())))
        after = Task.objects.values().get(pk=task.pk)
        kept.append({name: value for name, value in after.items() if not name.endswith("_at")})
        assert after["lease_expires_at"] > timezone.now()
    assert said[0] == said[1]
    assert kept[0] == kept[1]
    assert kept[0]["step"] == "building"


def test_a_cancel_comes_by_the_short_way_too(call, task):
    Task.objects.filter(pk=task.pk).update(cancel_requested_at=timezone.now())
    _, _, words, asked = call(make.report_body(), PATH_INFO=report_path(task))
    assert (json.loads(words), asked) == ({"answer": "cancel"}, [])


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"attempt": 2}, id="not the current attempt"),
        pytest.param({"attempt": "1"}, id="a number as text"),
        pytest.param({"step": "dancing"}, id="no step"),
        pytest.param({"event_id": "x"}, id="no event id"),
        pytest.param({"log": {"offset": 0, "text": "x"}}, id="a piece of the log"),
        pytest.param({"outcome": "done", "result": {}}, id="the end of an attempt"),
        pytest.param({"progress": {"done": 1}}, id="half of the numbers"),
        pytest.param({"progress": {"done": 1, "total": -1, "rate": None, "eta": None}}, id="less than none"),
        pytest.param({"progress": {"done": 1, "total": 1, "rate": math.nan, "eta": None}}, id="no number"),
        pytest.param({"progress": {"done": 1, "total": 1, "rate": None, "eta": math.inf}}, id="endless"),
        pytest.param({"progress": None}, id="numbers that are none"),
        pytest.param({"surprise": 1}, id="a field that nobody knows"),
    ],
)
def test_what_is_unusual_of_a_report_goes_on_to_django_and_changes_nothing(call, task, changed):
    before = Task.objects.values().get(pk=task.pk)
    body = {**make.report_body(), **changed}
    status, _, _, asked = call(body, PATH_INFO=report_path(task))
    assert (status, asked) == ("418 Teapot", [json.dumps(body).encode()])
    assert Task.objects.values().get(pk=task.pk) == before


@pytest.mark.parametrize("why", ["another host", "inactive", "another epoch", "expired", "no host's account"])
def test_reports_of_whoever_may_not_go_on_to_django_and_change_nothing(call, host, task, why):
    account = User.objects.filter(pk=host.account_id)
    token = f"Bearer {AccessToken.of((make.host() if why == 'another host' else host).account)}"
    if why == "inactive":
        account.update(is_active=False)
    elif why == "another epoch":
        account.update(token_epoch=9)
    elif why == "expired":
        account.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif why == "no host's account":
        account.update(role="staff")
    before = Task.objects.values().get(pk=task.pk)
    status = call(make.report_body(), PATH_INFO=report_path(task), HTTP_AUTHORIZATION=token)[0]
    assert status == "418 Teapot"
    assert Task.objects.values().get(pk=task.pk) == before


def test_the_path_of_a_report_is_taken_as_django_takes_it(call, task):
    for path in (f"/api/v1/tasks/{task.pk}/reports", f"/api/v1/tasks/{str(task.pk).upper()}/report", "/"):
        assert call(make.report_body(), PATH_INFO=path)[0] == "418 Teapot"


@pytest.mark.parametrize(("more", "waits"), [({}, "off"), ({"log": {"offset": 0, "text": "x"}}, "on")])
def test_progress_does_not_wait_for_the_disk_and_a_log_does(host, more, waits, monkeypatch):
    task, seen = make.task(), []
    services.claim(task.pk, host, make.claim_body())
    run = prepared.row

    def watched(*given):
        row = run(*given)
        with connection.cursor() as cursor:
            cursor.execute("SHOW synchronous_commit")
            seen.append(cursor.fetchone()[0])
        return row

    monkeypatch.setattr(prepared, "row", watched)
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute("SET LOCAL synchronous_commit = on")  # servers of tests have it off
        services.report(task.pk, host, make.report_body(**more))
    assert set(seen) == {waits}


def test_it_is_kept(host, call):
    call({**BODY, "free_bytes": 77})
    assert Host.objects.get(pk=host.pk).free_bytes == 77


def test_it_answers_in_the_servers_language(call, monkeypatch):
    seen = []
    monkeypatch.setattr(direct, "answer_to", lambda *_asked: seen.append(translation.get_language()))
    with translation.override("fr"):
        call()
        assert translation.get_language() == "fr"
    assert seen == ["en"]


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        pytest.param(BODY, {"REQUEST_METHOD": "PUT"}, id="another method"),
        pytest.param(BODY, {"PATH_INFO": BEAT + "/"}, id="another path"),
        pytest.param(BODY, {"HTTP_AUTHORIZATION": "Bearer no.good.token"}, id="bad token"),
        pytest.param(BODY, {"HTTP_AUTHORIZATION": ""}, id="no token"),
        pytest.param(BODY, {"CONTENT_TYPE": "text/plain"}, id="another type"),
        pytest.param(b"{" * 10, {}, id="no JSON"),
        pytest.param({**BODY, "free_bytes": -1}, {}, id="a value out of bounds"),
        pytest.param({**BODY, "kind": "write"}, {}, id="work that this host does not do"),
        pytest.param({**BODY, "version": "0.0.0"}, {}, id="too old"),
    ],
)
def test_what_is_unusual_goes_on_to_django_as_it_came(call, settings, body, changed):
    settings.MIN_HOST_VERSION = "0.0.1"
    status, _, words, asked = call(body, **changed)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert (status, words, asked) == ("418 Teapot", b"the long way", [raw])


@pytest.mark.parametrize("length", ["", "-1", "300000", "x"])
def test_a_body_of_unknown_or_absurd_length_is_not_read(call, length):
    assert call(CONTENT_LENGTH=length)[0] == "418 Teapot"


def test_a_name_that_is_not_ours_is_refused_by_django(call, settings):
    settings.ALLOWED_HOSTS = ["imager.example"]
    direct._is_ours.cache_clear()
    try:
        assert call(HTTP_HOST="imager.example:443")[0] == "200 OK"
        assert call(HTTP_HOST="evil.example")[0] == "418 Teapot"
        assert call(HTTP_HOST="")[0] == "418 Teapot"
    finally:
        direct._is_ours.cache_clear()


@pytest.mark.parametrize(
    ("proxy", "changed", "status"),
    [
        (None, {}, "418 Teapot"),
        (None, {"wsgi.url_scheme": "https"}, "200 OK"),
        (("HTTP_X_FORWARDED_PROTO", "https"), {"wsgi.url_scheme": "https"}, "418 Teapot"),
        (("HTTP_X_FORWARDED_PROTO", "https"), {"HTTP_X_FORWARDED_PROTO": "http"}, "418 Teapot"),
        (("HTTP_X_FORWARDED_PROTO", "https"), {"HTTP_X_FORWARDED_PROTO": "https"}, "200 OK"),
    ],
)
def test_plain_http_is_left_to_django_where_it_is_redirected(call, settings, proxy, changed, status):
    settings.SECURE_SSL_REDIRECT, settings.SECURE_PROXY_SSL_HEADER = True, proxy
    assert call(**changed)[0] == status


def test_strict_transport_is_told_as_by_django(call, settings):
    settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS = True, 3600
    _, headers, _, _ = call(**{"wsgi.url_scheme": "https"})
    assert headers["Strict-Transport-Security"].startswith("max-age=3600")
    settings.SECURE_SSL_REDIRECT = False
    assert "Strict-Transport-Security" not in call()[1]


def test_what_breaks_is_told_and_logged(call, monkeypatch, caplog):
    def broken(*_asked):
        raise ZeroDivisionError

    monkeypatch.setattr(direct, "answer_to", broken)
    status, headers, body, asked = call()
    assert (status, headers["Content-Type"], asked) == (
        "500 Internal Server Error",
        "application/problem+json",
        [],
    )
    assert json.loads(body)["code"] == "our_mistake"
    assert "ZeroDivisionError" in caplog.text


def test_a_host_that_is_locked_is_asked_to_come_again(call, monkeypatch):
    def busy(*_asked):
        raise direct.Busy

    monkeypatch.setattr(direct, "answer_to", busy)
    status, headers, body, asked = call()
    assert (status, headers["Retry-After"], asked) == ("503 Service Unavailable", "5", [])
    assert json.loads(body)["code"] == "busy"
    assert headers["Content-Length"] == str(len(body))
    assert headers["X-Content-Type-Options"] == "nosniff"
