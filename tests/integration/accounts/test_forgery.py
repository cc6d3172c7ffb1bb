"""Tokens that are not ours, or ours for something else."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.utils import timezone

from imager.accounts import tokens
from imager.accounts.keys import key_ring
from tests import factories
from tests.integration.accounts.doors import REFRESH, VERIFY, bearer, is_problem, log_in, post

pytestmark = pytest.mark.django_db

API = "/api/v1/orders/"


@pytest.fixture
def claims() -> dict[str, Any]:
    now = int(timezone.now().timestamp())
    sub = str(factories.staff().pk)
    return {
        "typ": "access", "sub": sub, "role": "staff", "epoch": 0, "jti": "j", "iat": now, "exp": now + 60,
        "iss": "imager", "aud": "api",
    }  # fmt: skip


def signed(claims: dict[str, Any], **headers: Any) -> str:
    ring = key_ring()
    return jwt.encode(claims, ring.private, "EdDSA", headers={"kid": ring.kid, **headers})


def refused(token: str) -> bool:
    return (
        is_problem(bearer(token).get(API), 401, "token_not_valid")
        and is_problem(post(VERIFY, token=token), 401, "token_not_valid")
        and is_problem(post(REFRESH, refresh=token), 401, "token_not_valid")
    )


def test_the_template_of_these_forgeries_is_good(claims) -> None:
    assert bearer(signed(claims)).get(API).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "warehouse"}, {"aud": ["api", "warehouse"]}, {"aud": None}, {"iss": "x"}, {"iss": None},
        {"typ": "refresh"}, {"typ": "sliding"}, {"typ": None}, {"exp": 1}, {"exp": None}, {"exp": "soon"},
        {"iat": 2**33}, {"iat": None}, {"sub": None}, {"sub": "0"}, {"epoch": 7}, {"epoch": None},
        {"epoch": "0"}, {"jti": None}, {"nbf": 2**33},
    ],
)  # fmt: skip
def test_wrong_or_missing_claims(claims, change: dict[str, Any]) -> None:
    changed = {name: value for name, value in {**claims, **change}.items() if value is not None}
    assert refused(signed(changed))


def test_algorithm_none(claims) -> None:
    header = {"alg": "none", "typ": "JWT", "kid": key_ring().kid}
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)
    ]
    assert refused(".".join([*parts, ""]))


def test_hmac_with_the_public_key_as_its_secret(claims) -> None:
    ring = key_ring()
    public = ring.public[ring.kid].public_bytes_raw()
    assert refused(jwt.encode(claims, public, "HS256", headers={"kid": ring.kid}))


def test_hmac_with_the_secret_key_of_django(claims, settings) -> None:
    assert refused(jwt.encode(claims, settings.SECRET_KEY, "HS256", headers={"kid": key_ring().kid}))


@pytest.mark.parametrize("kid", ["unknown", "", "../../etc/passwd", None, 7])
def test_a_foreign_key(claims, kid: Any) -> None:
    headers = {} if kid is None else {"kid": kid}
    if kid == 7:  # PyJWT refuses to write it
        token = signed(claims)
        head = {"alg": "EdDSA", "kid": 7}
        first = base64.urlsafe_b64encode(json.dumps(head).encode()).rstrip(b"=").decode()
        assert refused(".".join([first, *token.split(".")[1:]]))
        return
    assert refused(jwt.encode(claims, Ed25519PrivateKey.generate(), "EdDSA", headers=headers))


def test_a_foreign_key_under_our_kid(claims) -> None:
    token = jwt.encode(claims, Ed25519PrivateKey.generate(), "EdDSA", headers={"kid": key_ring().kid})
    assert refused(token)


def test_a_changed_body(claims) -> None:
    head, _, signature = signed(claims).split(".")
    _, body, _ = signed({**claims, "sub": "1"}).split(".")
    assert refused(f"{head}.{body}.{signature}")


def test_a_warehouse_ticket_opens_no_api(claims) -> None:
    ticket = tokens.sign({**claims}, audience="warehouse", life=timedelta(minutes=1))
    assert refused(ticket)


@pytest.mark.parametrize("junk", ["x", "a.b.c", "....", "é", "eyJhbGciOiJFZERTQSJ9..", "a" * 4000])
def test_junk(junk: str) -> None:
    assert is_problem(post(VERIFY, token=junk), 401, "token_not_valid")
    assert is_problem(post(REFRESH, refresh=junk), 401, "token_not_valid")


@pytest.mark.parametrize("junk", ["", "a" * 5000, None, ["x"], {"a": 1}, "a\x00b"])
def test_what_is_no_token_text(junk: Any) -> None:
    assert is_problem(post(VERIFY, token=junk), 400, "invalid")
    assert is_problem(post(REFRESH, refresh=junk), 400, "invalid")


@pytest.mark.parametrize("header", ["Bearer", "Bearer a b", "Basic eDp5", "Bearer \xff"])
def test_other_headers_open_nothing(header: str) -> None:
    client = bearer("x")
    client.credentials(HTTP_AUTHORIZATION=header)
    answer = client.get(API)
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'


def test_rotation_of_keys(settings) -> None:
    old, new = "33" * 32, "44" * 32
    settings.JWT_SIGNING_KEYS = [old]
    user = factories.user()
    pair = log_in(user)
    settings.JWT_SIGNING_KEYS = [new, old]
    assert bearer(pair["access"]).get(API).status_code == 200
    again = post(REFRESH, refresh=pair["refresh"]).json()
    assert jwt.get_unverified_header(again["access"])["kid"] == key_ring().kid
    settings.JWT_SIGNING_KEYS = [new]
    assert bearer(again["access"]).get(API).status_code == 200
    assert refused(pair["access"])


def test_the_published_keys_verify_a_token(client) -> None:
    answer = client.get("/.well-known/jwks.json")
    assert answer.status_code == 200
    assert "max-age=300" in answer["Cache-Control"]
    token = log_in(factories.user())["access"]
    keys = jwt.PyJWKSet.from_dict(answer.json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, ["EdDSA"], audience="api")["typ"] == "access"
    assert len(keys.keys) == 2
    assert client.post("/.well-known/jwks.json").status_code == 405
