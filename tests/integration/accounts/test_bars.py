"""Who is kept out, and is told why: an inactive organization, an account that has ended."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from imager.accounts.expiry import expire_accounts
from imager.accounts.models import Organization, User
from tasks_app.models import Outbox
from tests import factories as make
from tests.factories import PASSWORD
from tests.integration.accounts.doors import LOGIN, REFRESH, VERIFY, bearer, is_problem, log_in, post
from tests.integration.orders.conftest import line, school

__all__ = ["line", "school"]

pytestmark = pytest.mark.django_db

LOCKED, ENDED = "organization_inactive", "expired"


def lock(user: User) -> None:
    Organization.objects.filter(pk=user.organization_id).update(active=False)


def end(user: User) -> None:
    User.objects.filter(pk=user.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


@pytest.fixture(params=[(lock, LOCKED), (end, ENDED)], ids=["organization", "account"])
def bar(request):
    return request.param


def browse(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_pages_end_at_once_and_say_why(bar):
    shut, why = bar
    user = make.user()
    client = browse(user)
    assert client.get("/orders/").status_code == 200
    shut(user)
    answer = client.get("/orders/", follow=True)
    assert answer.redirect_chain == [(f"/accounts/barred/{why}/", 302)]
    assert answer.status_code == 403
    assert "sessionid" not in client.cookies or not client.cookies["sessionid"].value
    assert client.get("/orders/").status_code == 302


def test_logging_in_says_why_only_to_who_knows_the_password(bar):
    shut, why = bar
    user = make.user()
    shut(user)
    right = Client().post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert right["Location"] == f"/accounts/barred/{why}/"
    wrong = Client().post("/accounts/login/", {"login": user.email, "password": "wrong"})
    assert why not in wrong.text
    assert wrong.status_code == 200


def test_tokens_stop_at_once_and_a_login_says_why(bar):
    shut, why = bar
    user = make.user()
    pair = log_in(user)
    client = bearer(pair["access"])
    assert client.get("/api/v1/orders/").status_code == 200
    shut(user)
    assert client.get("/api/v1/orders/").status_code == 401
    assert post(REFRESH, refresh=pair["refresh"]).status_code == 401
    assert post(VERIFY, token=pair["access"]).status_code == 401
    assert is_problem(post(LOGIN, email=user.email, password=PASSWORD), 401, why) in (None, True)
    assert is_problem(post(LOGIN, email=user.email, password="wrong"), 401, "no_active_account") in (
        None,
        True,
    )


def test_what_was_shut_opens_again():
    user = make.user()
    pair = log_in(user)
    lock(user)
    assert bearer(pair["access"]).get("/api/v1/orders/").status_code == 401
    Organization.objects.update(active=True)
    assert bearer(pair["access"]).get("/api/v1/orders/").status_code == 200


def test_staff_and_hosts_do_not_hang_on_an_organization():
    staff = make.staff(organization=make.organization(active=False))
    assert browse(staff).get("/orders/").status_code == 200


def test_orders_of_an_inactive_organization_go_on(school, line):
    order = school.place()
    lock(school.member)
    line.build(order)
    line.download(order)
    line.write(order, 1)
    order.refresh_from_db()
    assert order.status == "ready_to_ship"


@pytest.mark.parametrize("why", ["nonsense", "x" * 60])
def test_there_are_no_other_reasons(why):
    assert Client().get(f"/accounts/barred/{why}/").status_code == 404


# mails


def mails() -> list[dict]:
    return [entry.payload for entry in Outbox.objects.order_by("pk")]


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=15), None),
        (timedelta(days=13), "ends on"),
        (timedelta(days=2), "ends on"),
        (timedelta(seconds=-1), "has ended"),
        (timedelta(days=-40), None),
    ],
)
def test_who_is_written_to(left, words):
    user = make.user(expires_at=timezone.now() + left)
    make.user()
    assert expire_accounts() == (1 if words else 0)
    assert [mail["to"] for mail in mails()] == ([[user.email]] if words else [])
    assert all(words in mail["subject"] for mail in mails())


def test_each_warning_is_sent_once_and_again_after_an_extension():
    user = make.user(expires_at=timezone.now() + timedelta(days=10))
    for _ in range(3):
        expire_accounts()
    assert len(mails()) == 1
    User.objects.filter(pk=user.pk).update(expires_at=timezone.now() + timedelta(days=2))
    expire_accounts()
    assert len(mails()) == 2


def test_the_mail_is_in_the_persons_language_and_the_command_says_how_many(capsys):
    make.user(expires_at=timezone.now() + timedelta(days=1), language="fr")
    call_command("expire_accounts")
    assert "1 account" in capsys.readouterr().out
    assert mails()[0]["subject"].startswith("Votre compte")


def test_disabled_accounts_and_hosts_are_left_alone():
    make.user(expires_at=timezone.now(), is_active=False)
    host = make.host()
    User.objects.filter(pk=host.account_id).update(expires_at=timezone.now())
    assert expire_accounts() == 0
