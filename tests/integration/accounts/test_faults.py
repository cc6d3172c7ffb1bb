"""Addresses that are not there, and our own bugs: the API answers in its own shape, pages in theirs."""

from __future__ import annotations

import json

import pytest
from django.test import Client, RequestFactory

from imager import faults

SHAPE = {"type", "status", "title", "code", "detail"}

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "path", ["/api/", "/api/v1/nothing", "/api/v2/orders/", "/api/v1/orders/not-a-uuid/"]
)
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_an_unknown_address_of_the_api_is_a_problem(client: Client, path, method):
    answer = getattr(client, method)(path)

    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    problem = json.loads(answer.content)
    assert set(problem) == SHAPE
    assert problem["status"] == 404
    assert problem["code"] == "not_found"


@pytest.mark.parametrize("path", ["/nothing", "/apis/", "/orders/not-a-uuid/"])
def test_an_unknown_page_is_a_page(client: Client, path):
    answer = client.get(path)

    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")
    assert b"There is nothing here" in answer.content


def test_it_speaks_the_clients_language(client: Client):
    english = client.get("/api/v1/nothing").json()
    french = client.get("/api/v1/nothing", headers={"Accept-Language": "fr"}).json()

    assert french["detail"] != english["detail"]
    assert french["code"] == english["code"]


@pytest.mark.parametrize(
    ("path", "kind"), [("/api/v1/orders/", "application/problem+json"), ("/orders/", "text/html")]
)
def test_our_mistakes_say_so_and_nothing_more(client: Client, monkeypatch, path, kind):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("django.urls.resolvers.URLResolver.resolve", broken)
    client.raise_request_exception = False

    answer = client.get(path)

    assert answer.status_code == 500
    assert answer["Content-Type"].startswith(kind)
    assert b"secret detail" not in answer.content


def test_the_page_of_a_mistake_needs_no_context():
    answer = faults.server_error(RequestFactory().get("/orders/"))

    assert b"Something went wrong on our side" in answer.content
