"""Tokens that were verified before: only the signature is remembered, and not for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from imager.accounts import verified
from imager.accounts.tokens import AccessToken, RefreshToken
from imager.accounts.verified import Verified
from tests import factories as make

pytestmark = pytest.mark.django_db


def token_of(user, **life):
    token = AccessToken.of(user)
    if life:
        token.set_exp(lifetime=timedelta(**life))
    return str(token)


@pytest.fixture
def user():
    return make.user()


def test_a_token_is_verified_once_and_its_claims_are_the_token_s(user, monkeypatch):
    ring, token = Verified(), token_of(user)
    claims = ring.claims(token)
    monkeypatch.setattr(verified, "decoded", lambda *_: pytest.fail("verified again"))
    assert ring.claims(token) == claims
    assert (claims.account, claims.epoch) == (user.pk, 0)


def test_it_ends_with_its_life(user, monkeypatch):
    ring, token = Verified(), token_of(user)
    until = ring.claims(token).until
    monkeypatch.setattr(verified.time, "time", lambda: until - 1)
    assert ring.claims(token)
    monkeypatch.setattr(verified.time, "time", lambda: until)
    assert ring.claims(token) is None


def test_a_key_that_is_taken_out_verifies_nothing_any_more(user, settings):
    ring, token = Verified(), token_of(user)
    assert ring.claims(token)
    settings.JWT_SIGNING_KEYS = ["33" * 32]
    assert ring.claims(token) is None


def test_no_more_are_kept_than_said_and_the_oldest_go_first(user, monkeypatch):
    ring = Verified(most=2)
    tokens = [token_of(user) for _ in range(3)]
    assert all(ring.claims(token) for token in tokens)
    asked = []
    decode = verified.decoded
    monkeypatch.setattr(verified, "decoded", lambda kind, text: asked.append(text) or decode(kind, text))
    assert ring.claims(tokens[2])
    assert ring.claims(tokens[1])
    assert ring.claims(tokens[0])
    assert asked == [tokens[0]]


def test_only_access_tokens_of_ours(user):
    now = timezone.now()
    refresh = RefreshToken.of(user, jti="x", epoch=0, issued_at=now, expires_at=now + timedelta(days=1))
    good = token_of(user)
    forged = good[:-6] + ("AAAAAA" if good[-6:] != "AAAAAA" else "BBBBBB")
    for text in (str(refresh), forged, "", "x.y.z", token_of(user, hours=-2)):
        assert Verified().claims(text) is None


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "bearer {}", "Basic {}", "Bearer  {}", "Bearer {} x"]
)
def test_only_the_usual_header(user, header):
    assert verified.bearer(header.format(token_of(user))) is None
    assert verified.bearer(f"Bearer {token_of(user)}")
