"""JSON that is nested without an end is a refusal, wherever it comes in."""

from __future__ import annotations

import base64

import pytest
from rest_framework.test import APIClient

from imager.api.parsers import DEEPEST
from tests import factories as make
from warehouse.ftp import publication, tickets
from warehouse.ftp.refusal import Refused

pytestmark = pytest.mark.django_db
ENDLESS = 50_000


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def client_of(account) -> APIClient:
    client = APIClient()
    client.force_authenticate(account)
    return client


@pytest.mark.parametrize("levels", [DEEPEST + 1, 900, ENDLESS])
@pytest.mark.parametrize("path", ["orders/", "auth/token/", "hosts/me/beat"])
def test_a_body(path, levels):
    account = make.host().account if path.startswith("hosts") else make.user()

    answer = client_of(account).post(f"/api/v1/{path}", nested(levels), content_type="application/json")

    assert answer.status_code == 400
    assert f"at most {DEEPEST} levels" in answer.json()["detail"]


def test_a_body_of_the_most_levels_is_read():
    answer = client_of(make.user()).post("/api/v1/orders/", nested(DEEPEST), content_type="application/json")

    assert answer.status_code == 400
    assert "Send one object" in str(answer.json()["errors"])


@pytest.mark.parametrize("part", ["header", "payload"])
def test_a_token(part):
    parts = {
        "header": '{"alg":"EdDSA","kid":"x"}',
        "payload": "{}",
        part: '{"alg":"EdDSA","kid":' + "[" * 5000,
    }
    header, payload = (base64.urlsafe_b64encode(parts[name].encode()).rstrip(b"=").decode() for name in parts)

    answer = APIClient().post(
        "/api/v1/hosts/me/beat", {}, headers={"authorization": f"Bearer {header}.{payload}.x"}
    )

    assert answer.status_code == 401


def test_a_ticket_of_the_warehouse():
    header = base64.urlsafe_b64encode(nested(5000).encode()).rstrip(b"=").decode()

    with pytest.raises(Refused):
        tickets.verify(f"{header}.e30.x", user="x", find_key=lambda _: None, now=0)


def test_what_a_host_wants_to_publish():
    with pytest.raises(Refused, match="hex of JSON"):
        publication.parse(nested(ENDLESS).encode().hex())
