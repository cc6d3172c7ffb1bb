"""Beats before Django: the same answer as from Django, and only where Django would give one."""

from __future__ import annotations

import json
from io import BytesIO

import pytest
from django.test import Client
from django.utils import translation

from imager.accounts.tokens import AccessToken
from tasks_app.api import direct
from tasks_app.api.direct import PATH, BeatsFirst
from tasks_app.models import Host
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
            "PATH_INFO": PATH,
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
        body = b"".join(BeatsFirst(django)(environ, lambda status, headers: told.append((status, headers))))
        ((status, headers),) = told
        return status, dict(headers), body, django.asked

    return send


def test_the_answer_is_djangos_answer(host, call):
    token = f"Bearer {AccessToken.of(host.account)}"
    theirs = Client().post(PATH, BODY, content_type="application/json", HTTP_AUTHORIZATION=token)
    status, headers, body, asked = call()
    assert (status, body, asked) == ("200 OK", theirs.content, [])
    assert {**headers, "Allow": "POST, OPTIONS"} == dict(theirs.items())  # which the view alone tells


def test_it_is_kept(host, call):
    call({**BODY, "free_bytes": 77})
    assert Host.objects.get(pk=host.pk).free_bytes == 77


def test_it_answers_in_the_servers_language(call, monkeypatch):
    seen = []
    monkeypatch.setattr(direct, "answer_to", lambda _asked: seen.append(translation.get_language()))
    with translation.override("fr"):
        call()
        assert translation.get_language() == "fr"
    assert seen == ["en"]


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        pytest.param(BODY, {"REQUEST_METHOD": "PUT"}, id="another method"),
        pytest.param(BODY, {"PATH_INFO": PATH + "/"}, id="another path"),
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
    def broken(_asked):
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
    def busy(_asked):
        raise direct.Busy

    monkeypatch.setattr(direct, "answer_to", busy)
    status, headers, body, asked = call()
    assert (status, headers["Retry-After"], asked) == ("503 Service Unavailable", "5", [])
    assert json.loads(body)["code"] == "busy"
    assert headers["Content-Length"] == str(len(body))
    assert headers["X-Content-Type-Options"] == "nosniff"
