"""`POST auth/token/`."""

from unittest import mock

import jwt
import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import hashers
from django.core.management import call_command
from django.db import OperationalError
from rest_framework.test import APIClient

from imager.accounts import services
from imager.accounts.keys import key_ring
from imager.accounts.models import RefreshToken, User
from tests import factories
from tests.factories import PASSWORD
from tests.integration.accounts.doors import LOGIN, is_problem, log_in, post

pytestmark = pytest.mark.django_db


def claims_of(token: str) -> dict:
    ring = key_ring()
    assert jwt.get_unverified_header(token)["kid"] == ring.kid
    return jwt.decode(token, ring.public[ring.kid], ["EdDSA"], audience="api", issuer="imager")


def test_a_pair_with_its_life() -> None:
    pair = log_in(factories.user())
    assert set(pair) == {"access", "refresh", "expires_in"}
    assert pair["expires_in"] == 3600


def test_the_access_token_says_little_and_the_truth() -> None:
    user = factories.staff()
    claims = claims_of(log_in(user)["access"])
    assert set(claims) == {"typ", "exp", "iat", "jti", "sub", "role", "epoch", "iss", "aud"}
    assert (claims["typ"], claims["sub"], claims["role"], claims["epoch"]) == (
        "access",
        str(user.pk),
        "staff",
        0,
    )
    assert claims["exp"] - claims["iat"] == 3600


def test_the_refresh_token_lives_thirty_days_and_is_kept_as_a_hash_alone() -> None:
    claims = claims_of(log_in(factories.user())["refresh"])
    assert claims["typ"] == "refresh"
    assert 0 <= claims["iat"] + 30 * 86400 - claims["exp"] <= 60  # the end is fixed first, then it is made
    row = RefreshToken.objects.get()
    assert claims["jti"] not in [str(value) for value in vars(row).values()]


def test_the_answer_is_kept_by_no_cache() -> None:
    user = factories.user()
    assert post(LOGIN, email=user.email, password=factories.PASSWORD)["Cache-Control"] == "no-store"


def test_the_email_in_any_case() -> None:
    factories.user(email="someone@example.org")
    assert post(LOGIN, email="SomeOne@Example.ORG", password=factories.PASSWORD).status_code == 200


def test_hosts_log_in_too() -> None:
    assert claims_of(log_in(factories.host().account)["access"])["role"] == "creator"


def refusals() -> dict[str, dict[str, str]]:
    known = factories.user()
    disabled = factories.user(is_active=False)
    without = User.objects.create_user("nopassword@example.org", None)
    return {
        "wrong": {"email": known.email, "password": "something else"},
        "unknown": {"email": "nobody@example.org", "password": factories.PASSWORD},
        "disabled": {"email": disabled.email, "password": factories.PASSWORD},
        "without": {"email": without.email, "password": "!"},
    }


def test_unknown_wrong_and_disabled_get_the_same_answer() -> None:
    answers = {name: post(LOGIN, **body) for name, body in refusals().items()}
    assert all(is_problem(answer, 401, "no_active_account") for answer in answers.values())
    assert len({answer.content for answer in answers.values()}) == 1
    assert all(answer["WWW-Authenticate"] == 'Bearer realm="api"' for answer in answers.values())
    assert not RefreshToken.objects.exists()


def test_unknown_and_wrong_cost_one_hash_each() -> None:
    """The same time, counted in what takes the time."""
    for name, body in refusals().items():
        if name == "without":
            continue  # nothing to hash against: Django itself makes up for it
        hasher = type(hashers.get_hasher())
        with mock.patch.object(hasher, "encode", autospec=True, side_effect=hasher.encode) as encode:
            post(LOGIN, **body)
        assert encode.call_count == 1, name


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "email"),
        ({"email": "a@example.org"}, "password"),
        ({"email": "a@example.org", "password": ""}, "password"),
        ({"email": ["a"], "password": "x"}, "email"),
        ({"email": "a\x00@example.org", "password": "x"}, "email"),
        ({"email": "a" * 300, "password": "x"}, "email"),
        ({"email": "a@example.org", "password": "x" * 5000}, "password"),
    ],
)
def test_bad_bodies_are_refused_by_field(body: dict, field: str) -> None:
    answer = post(LOGIN, **body)
    assert is_problem(answer, 400, "invalid")
    assert field in answer.json()["errors"]


def test_half_a_surrogate_is_refused() -> None:
    raw = r'{"email": "a@example.org", "password": "\ud800"}'
    answer = APIClient().post(LOGIN, raw, content_type="application/json")
    assert is_problem(answer, 400, "invalid")


@pytest.mark.parametrize("raw", ["", "{", "[]", '"x"', "null", "1"])
def test_what_is_no_object_is_refused(raw: str) -> None:
    answer = APIClient().post(LOGIN, raw, content_type="application/json")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


def test_other_methods_and_forms_are_refused_as_problems() -> None:
    assert is_problem(APIClient().get(LOGIN), 405, "method_not_allowed")
    assert is_problem(
        APIClient().post(LOGIN, {"email": "x"}, format="multipart"), 415, "unsupported_media_type"
    )


def test_guessing_is_slowed_down() -> None:
    answers = [post(LOGIN, email=f"nobody{n}@example.org", password="guess") for n in range(31)]
    assert [answer.status_code for answer in answers] == [401] * 30 + [429]
    assert is_problem(answers[-1], 429, "throttled")
    assert int(answers[-1]["Retry-After"]) > 0


def test_what_breaks_on_our_side_is_no_guess(monkeypatch) -> None:
    """A host asks again and again while the database restarts; it must not be locked out for that."""
    user = factories.user()
    client = APIClient(raise_request_exception=False)

    def broken(*_given: object, **_more: object) -> None:
        raise OperationalError("the database restarts")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(services, "_issue", broken)
        body = {"email": user.email, "password": PASSWORD}
        assert {client.post(LOGIN, body).status_code for _ in range(7)} == {503}
    assert post(LOGIN, email=user.email, password=PASSWORD).status_code == 200


def test_where_anybody_signs_up_tokens_are_for_confirmed_addresses(settings) -> None:
    stranger, host = factories.user(), factories.host().account
    settings.OPEN_SIGNUP = True
    is_problem(post(LOGIN, email=stranger.email, password=PASSWORD), 401, "address_unconfirmed")
    is_problem(post(LOGIN, email=stranger.email, password="wrong"), 401, "no_active_account")
    EmailAddress.objects.create(user=stranger, email="else@example.org", verified=True)
    address = EmailAddress.objects.create(user=stranger, email=stranger.email, primary=True)
    is_problem(post(LOGIN, email=stranger.email, password=PASSWORD), 401, "address_unconfirmed")
    address.set_verified()
    assert log_in(stranger)
    assert log_in(host)


def test_whom_operators_create_is_confirmed_by_that(settings, capsys) -> None:
    settings.OPEN_SIGNUP = True
    call_command("create_user", "operator@example.org", superuser=True)
    password = capsys.readouterr().out.split()[-1]
    assert log_in(User.objects.get(email="operator@example.org"), password)
