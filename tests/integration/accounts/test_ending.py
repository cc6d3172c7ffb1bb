"""What ends tokens and sessions at once: disabling, a new password, logging out everywhere."""

from __future__ import annotations

import pytest
from django.contrib.auth.hashers import make_password
from django.test import Client

from imager.accounts import services
from imager.accounts.models import User
from tests import factories
from tests.integration.accounts.doors import LOGIN, REFRESH, VERIFY, bearer, is_problem, log_in, post

pytestmark = pytest.mark.django_db

API = "/api/v1/orders/"
PAGE = "/accounts/password/change/"


def counts_nowhere(pair: dict) -> bool:
    return (
        is_problem(bearer(pair["access"]).get(API), 401, "token_not_valid")
        and is_problem(post(REFRESH, refresh=pair["refresh"]), 401, "token_not_valid")
        and is_problem(post(VERIFY, token=pair["access"]), 401, "token_not_valid")
        and is_problem(post(VERIFY, token=pair["refresh"]), 401, "token_not_valid")
    )


def counts(pair: dict) -> bool:
    return (
        bearer(pair["access"]).get(API).status_code == 200
        and post(VERIFY, token=pair["access"]).status_code == 200
        and post(VERIFY, token=pair["refresh"]).status_code == 200
    )


def in_session(user: User) -> Client:
    client = Client()
    client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    assert client.get(PAGE).status_code == 200
    return client


def test_without_an_end_they_count() -> None:
    assert counts(log_in(factories.user()))


def test_a_consumed_refresh_token_no_longer_verifies() -> None:
    pair = log_in(factories.user())
    post(REFRESH, refresh=pair["refresh"])
    assert is_problem(post(VERIFY, token=pair["refresh"]), 401, "token_not_valid")


def test_disabling_by_save() -> None:
    user = factories.user()
    pair, client = log_in(user), in_session(user)
    user.is_active = False
    user.save()
    assert counts_nowhere(pair)
    assert client.get(PAGE).status_code == 302
    assert is_problem(post(LOGIN, email=user.email, password=factories.PASSWORD), 401, "no_active_account")


def test_disabling_by_a_bare_update() -> None:
    user = factories.user()
    pair, client = log_in(user), in_session(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert counts_nowhere(pair)
    assert client.get(PAGE).status_code == 302


def test_enabling_again_revives_nothing() -> None:
    user = factories.user()
    pair = log_in(user)
    for active in (False, True):
        user.is_active = active
        user.save(update_fields=["is_active"])
    assert counts_nowhere(pair)
    assert counts(log_in(user))


def test_a_new_password() -> None:
    user = factories.user()
    pair, client = log_in(user), in_session(user)
    user.set_password("another good password")
    user.save(update_fields=["password"])
    assert counts_nowhere(pair)
    assert client.get(PAGE).status_code == 302
    assert counts(log_in(user, "another good password"))


def test_logging_out_everywhere() -> None:
    user = factories.user()
    pair, client = log_in(user), in_session(user)
    services.log_out_everywhere(user)
    assert counts_nowhere(pair)
    assert client.get(PAGE).status_code == 302
    assert counts(log_in(user))


def test_a_stale_copy_cannot_revive_old_tokens() -> None:
    user = factories.user()
    stale = User.objects.get(pk=user.pk)
    pair = log_in(user)
    services.log_out_everywhere(user)
    stale.name = "Renamed"
    stale.save()
    assert counts_nowhere(pair)
    assert stale.token_epoch == 1


def test_other_changes_end_nothing() -> None:
    user = factories.user()
    pair = log_in(user)
    user.name = "Renamed"
    user.save()
    user.save(update_fields=["name"])
    assert counts(pair)


def test_renewing_an_outdated_hash_is_no_new_password(settings) -> None:
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.MD5PasswordHasher",
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    ]
    user = factories.user()
    outdated = make_password(factories.PASSWORD, hasher="pbkdf2_sha256")
    User.objects.filter(pk=user.pk).update(password=outdated)
    first = log_in(user)
    user.refresh_from_db()
    assert user.password.startswith("md5$")
    assert user.token_epoch == 0
    assert counts(first)
    assert counts(log_in(user))


def test_a_new_account_begins_at_epoch_zero() -> None:
    assert factories.user().token_epoch == 0
