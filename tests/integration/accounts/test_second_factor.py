"""Two-factor login on pages and for tokens, required for staff by a setting; attempts are counted."""

from __future__ import annotations

import re

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from imager.accounts import services
from imager.accounts.models import User
from imager.accounts.tokens import AccessToken
from tests import factories as make
from tests.factories import PASSWORD
from tests.integration.accounts.doors import LOGIN, REFRESH, VERIFY, bearer, is_problem, log_in, post

pytestmark = pytest.mark.django_db

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def code(secret: str = SECRET) -> str:
    return format_hotp_value(hotp_value(secret, next(totp.yield_hotp_counters_from_time())))


@pytest.fixture(autouse=True)
def same_half_minute(monkeypatch):
    """However long a test takes, its codes are still good."""
    counters = list(totp.yield_hotp_counters_from_time())
    monkeypatch.setattr(totp, "yield_hotp_counters_from_time", lambda: iter(counters))


@pytest.fixture
def careful() -> User:
    """A member with an authenticator app."""
    user = make.user()
    TOTP.activate(user, SECRET)
    return user


def enter(client: Client, user: User, password: str = PASSWORD, **more):
    return client.post("/accounts/login/", {"login": user.email, "password": password}, **more)


def test_a_password_alone_opens_nothing(careful):
    client = Client()
    assert enter(client, careful)["Location"] == "/accounts/2fa/authenticate/"
    assert client.get("/orders/").status_code == 302
    assert client.post("/accounts/2fa/authenticate/", {"code": "000000"}).status_code == 200
    assert client.get("/orders/").status_code == 302
    client.post("/accounts/2fa/authenticate/", {"code": code()})
    assert client.get("/orders/").status_code == 200


def test_a_token_needs_the_code_too_and_each_works_once(careful):
    is_problem(post(LOGIN, email=careful.email, password=PASSWORD), 401, "code_needed")
    is_problem(post(LOGIN, email=careful.email, password=PASSWORD, code="000000"), 401, "code_wrong")
    now = code()
    assert post(LOGIN, email=careful.email, password=PASSWORD, code=now).status_code == 200
    is_problem(post(LOGIN, email=careful.email, password=PASSWORD, code=now), 401, "code_wrong")
    is_problem(post(LOGIN, email=careful.email, password="wrong", code=now), 401, "no_active_account")


def by_token(user: User, given: str) -> bool:
    return post(LOGIN, email=user.email, password=PASSWORD, code=given).status_code == 200


def by_page(user: User, given: str) -> bool:
    client = Client()
    enter(client, user)
    return client.post("/accounts/2fa/authenticate/", {"code": given}).status_code == 302


def by_page_again(user: User, given: str) -> bool:
    client = Client()
    client.force_login(user)
    return client.post("/accounts/2fa/reauthenticate/", {"code": given}).status_code == 302


@pytest.mark.parametrize("first", [by_token, by_page, by_page_again])
def test_a_code_works_once_in_all_the_time_that_it_is_good(first, careful, monkeypatch):
    of_next_period = format_hotp_value(hotp_value(SECRET, list(totp.yield_hotp_counters_from_time())[-1]))
    assert first(careful, of_next_period)
    with connection.cursor() as cursor:  # as if a period were over
        cursor.execute("UPDATE accounts_cache SET expires = expires - interval '45 s'")
    for again in (by_token, by_page, by_page_again):
        assert not again(careful, of_next_period)


def test_setting_it_up_with_recovery_codes_and_using_one():
    user, client = make.user(), Client()
    enter(client, user)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get("/accounts/2fa/totp/activate/")
    assert "data:image/svg+xml" in page.text
    secret = page.context["form"].secret
    answer = client.post("/accounts/2fa/totp/activate/", {"code": code(secret)})
    assert answer.status_code == 302
    shown = client.get("/accounts/2fa/recovery-codes/").text
    recovery = re.findall(r"\b\d{8}\b", shown)
    assert len(recovery) == 10
    other = Client()
    enter(other, user)
    other.post("/accounts/2fa/authenticate/", {"code": recovery[0]})
    assert other.get("/orders/").status_code == 200
    is_problem(post(LOGIN, email=user.email, password=PASSWORD, code=recovery[0]), 401, "code_wrong")
    assert post(LOGIN, email=user.email, password=PASSWORD, code=recovery[1]).status_code == 200


def test_turning_it_off_asks_for_the_password_again(careful):
    client = Client()
    client.force_login(careful)
    assert "reauthenticate" in client.post("/accounts/2fa/totp/deactivate/")["Location"]
    assert Authenticator.objects.filter(user=careful).exists()


# required for staff


@pytest.mark.parametrize("url", ["/", "/orders/", "/admin/", "/staff/hosts/", "/account/", "/api/v1/orders/"])
def test_staff_without_one_get_nowhere_when_it_is_required(url, settings):
    staff, client = make.staff(), Client()
    client.force_login(staff)
    assert client.get(url).status_code == 200
    settings.SECOND_FACTOR_FOR_STAFF = True
    answer = client.get(url)
    assert (answer.status_code, answer.get("Location")) in [(302, "/accounts/2fa/"), (403, None)]
    assert client.get("/accounts/2fa/").status_code == 200
    TOTP.activate(staff, SECRET)
    assert client.get(url).status_code == 200


def test_staff_without_one_get_no_token_and_members_are_not_asked(settings):
    settings.SECOND_FACTOR_FOR_STAFF = True
    is_problem(post(LOGIN, email=make.staff().email, password=PASSWORD), 401, "second_factor_missing")
    log_in(make.user())
    log_in(make.host().account)


def required(settings, user: User) -> None:
    settings.SECOND_FACTOR_FOR_STAFF = True


def promoted(settings, user: User) -> None:
    settings.SECOND_FACTOR_FOR_STAFF = True
    User.objects.filter(pk=user.pk).update(role="staff", is_superuser=True)


def lost(settings, user: User) -> None:
    settings.SECOND_FACTOR_FOR_STAFF = True
    Authenticator.objects.filter(user=user).delete()


@pytest.mark.parametrize(
    ("happens", "role", "has"),
    [(required, "staff", False), (promoted, "member", False), (lost, "staff", True)],
)
def test_tokens_from_before_end_when_staff_miss_one(happens, role, has, settings):
    user = make.staff() if role == "staff" else make.user(role=role)
    pair = log_in(user)
    if has:
        TOTP.activate(user, SECRET)
    assert bearer(pair["access"]).get("/api/v1/orders/").status_code == 200
    happens(settings, user)
    is_problem(bearer(pair["access"]).get("/api/v1/orders/"), 401, "token_not_valid")
    is_problem(post(REFRESH, refresh=pair["refresh"]), 401, "token_not_valid")
    for token in (pair["access"], pair["refresh"]):
        is_problem(post(VERIFY, token=token), 401, "token_not_valid")
    TOTP.activate(user, SECRET)
    assert bearer(pair["access"]).get("/api/v1/orders/").status_code == 200
    assert post(REFRESH, refresh=pair["refresh"]).status_code == 200


def test_tokens_of_members_and_hosts_cost_no_question(settings, django_assert_num_queries):
    settings.SECOND_FACTOR_FOR_STAFF = True
    for user in (make.user(), make.host().account):
        token = AccessToken.of(user)
        with django_assert_num_queries(1):
            assert services.account_of(token) == user


# attempts


def test_guessing_is_stopped_on_pages_tokens_and_admin_alike_and_only_where_it_comes_from():
    user = make.staff()
    for _ in range(3):
        enter(Client(), user, "wrong")
    for _ in range(2):
        is_problem(post(LOGIN, email=user.email, password="wrong"), 401, "no_active_account")
    refused = post(LOGIN, email=user.email, password=PASSWORD)
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) <= 300
    client = Client()
    assert enter(client, user).status_code == 200
    assert client.get("/orders/").status_code == 302
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    assert enter(elsewhere, user).status_code == 302, "nobody can lock the operator out"
    assert elsewhere.get("/admin/").status_code == 200


def attempt(user: User, where: str, given: str):
    body = {"email": user.email, "password": PASSWORD, "code": given}
    return APIClient(REMOTE_ADDR=where).post(LOGIN, body)


def test_codes_are_not_guessed_from_many_networks(careful):
    right = code()
    for last in range(1, 6):
        is_problem(attempt(careful, f"192.0.2.{last}", "000000"), 401, "code_wrong")
    assert attempt(careful, "192.0.2.6", right).status_code == 429
    client = Client(REMOTE_ADDR="192.0.2.7")
    enter(client, careful)
    client.post("/accounts/2fa/authenticate/", {"code": right})
    assert client.get("/orders/").status_code == 302, "counted together with the login page"
    other = make.user()
    TOTP.activate(other, SECRET)
    assert attempt(other, "192.0.2.6", right).status_code == 200


def test_a_forgotten_or_a_right_code_is_no_guess(careful):
    for last in range(1, 8):
        is_problem(attempt(careful, f"192.0.2.{last}", ""), 401, "code_needed")
    recovery = RecoveryCodes.activate(careful)
    for last, one in enumerate(recovery.get_unused_codes()[:7]):
        assert attempt(careful, f"198.51.100.{last}", one).status_code == 200


def test_a_line_with_many_addresses_is_one_network():
    user = make.user()
    for last in range(1, 6):
        credentials = {"email": user.email, "password": "wrong"}
        assert APIClient(REMOTE_ADDR=f"2001:db8::{last}").post(LOGIN, credentials).status_code == 401
    assert attempt(user, "2001:db8::6", "").status_code == 429
    assert attempt(user, "2001:db8:0:1::6", "").status_code == 200


def test_right_logins_use_up_nothing():
    user = make.user()
    for _ in range(8):
        log_in(user)


def test_the_admins_own_login_leads_to_the_login_that_counts():
    answer = Client().post("/admin/login/", {"username": make.staff().email, "password": PASSWORD})
    assert answer["Location"].startswith("/accounts/login/")
    member = Client()
    member.force_login(make.user())
    assert member.get("/admin/login/").status_code == 403


def test_unknown_and_known_addresses_get_the_same_answer():
    user = make.user()
    answers = [
        Client().post("/accounts/login/", {"login": email, "password": "wrong"}).context["form"].errors
        for email in (user.email, "nobody@example.org")
    ]
    assert answers[0] == answers[1]
