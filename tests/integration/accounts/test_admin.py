"""Accounts in the admin: what staff can do there, and what they cannot."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission
from django.core import mail
from django.test import Client
from django.urls import reverse

from imager.accounts import addresses
from imager.accounts.models import Organization, Role, User
from tests import factories
from tests.integration.accounts.doors import is_problem, log_in, post

pytestmark = pytest.mark.django_db

USERS = "/admin/accounts/user/"


def admin_of(user: User) -> Client:
    client = Client()
    client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return client


def plain_staff() -> User:
    """Staff with every permission on users, and yet no superuser."""
    user = factories.user(role=Role.STAFF)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="accounts"))
    return user


def form_of(user: User, **changes: Any) -> dict[str, Any]:
    fields = {"email": user.email, "name": user.name, "role": user.role, "language": "", "is_active": "on"}
    if user.organization_id:
        fields["organization"] = user.organization_id
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


def revoked(pair: dict) -> bool:
    return is_problem(post("/api/v1/auth/token/verify/", token=pair["access"]), 401, "token_not_valid")


@pytest.mark.parametrize("model", ["user", "organization", "channel"])
def test_lists_searches_and_forms_open(model: str) -> None:
    client, user = admin_of(factories.staff()), factories.user()
    assert client.get(f"/admin/accounts/{model}/?q=user").status_code == 200
    assert client.get(f"/admin/accounts/{model}/add/").status_code == 200
    pk = {"user": user.pk, "organization": user.organization_id, "channel": user.organization.channel_id}[
        model
    ]
    assert client.get(f"/admin/accounts/{model}/{pk}/change/").status_code == 200


def test_lists_cost_the_same_with_one_row_and_with_three(django_assert_num_queries) -> None:
    client = admin_of(factories.staff())
    factories.user()
    for _ in range(2):
        with django_assert_num_queries(7):
            client.get(USERS + "?all=")
        with django_assert_num_queries(6):
            client.get("/admin/accounts/organization/")
        factories.user()
        factories.user()


def test_tokens_are_not_shown() -> None:
    assert admin_of(factories.staff()).get("/admin/accounts/refreshtoken/").status_code == 404


def test_a_new_account() -> None:
    client, organization = admin_of(factories.staff()), factories.organization()
    password = "a completely new one"
    body = {
        "email": "New@Example.org", "usable_password": "true", "password1": password, "password2": password,
        "name": "New", "role": "member", "organization": organization.pk, "language": "fr",
    }  # fmt: skip
    answer = client.post(USERS + "add/", body)
    assert answer.status_code == 302, answer.context["adminform"].errors
    assert log_in(User.objects.get(email="new@example.org"), password)


def test_the_same_email_in_another_case_is_refused() -> None:
    factories.user(email="taken@example.org")
    client, password = admin_of(factories.staff()), "a completely new one"
    body = {
        "email": "TAKEN@example.org",
        "usable_password": "true",
        "password1": password,
        "password2": password,
    }
    assert client.post(USERS + "add/", {**body, "role": "member"}).status_code == 200
    assert User.objects.filter(email__iexact="taken@example.org").count() == 1


def test_the_former_address_opens_nothing_once_staff_changed_it() -> None:
    client, user = admin_of(factories.staff()), factories.user(email="former@example.org")
    addresses.vouch(user)
    EmailAddress.objects.create(user=user, email="asked-for@example.org")
    changes = form_of(user, email="present@example.org")
    assert client.post(f"{USERS}{user.pk}/change/", changes).status_code == 302
    assert list(EmailAddress.objects.filter(user=user).values_list("email", "verified", "primary")) == [
        ("present@example.org", True, True)
    ]
    mail.outbox.clear()
    for email in ("former@example.org", "present@example.org"):
        Client().post("/accounts/password/reset/", {"email": email})
    assert [one.to for one in mail.outbox if "/password/reset/key/" in one.body] == [["present@example.org"]]
    credentials = {"login": "former@example.org", "password": factories.PASSWORD}
    assert Client().post("/accounts/login/", credentials).status_code == 200, "not the name of it any more"


def test_other_changes_leave_an_address_that_was_asked_for() -> None:
    client, user = admin_of(factories.staff()), factories.user()
    EmailAddress.objects.create(user=user, email="asked-for@example.org")
    client.post(f"{USERS}{user.pk}/change/", form_of(user, name="Awa"))
    assert EmailAddress.objects.filter(user=user, email="asked-for@example.org").exists()


def test_disabling_ends_tokens() -> None:
    client, user = admin_of(factories.staff()), factories.user()
    pair = log_in(user)
    assert client.post(f"{USERS}{user.pk}/change/", form_of(user, is_active=None)).status_code == 302
    assert revoked(pair)
    assert client.post(f"{USERS}{user.pk}/change/", form_of(user)).status_code == 302
    assert revoked(pair), "enabling again revives nothing"


def test_a_new_password_ends_tokens() -> None:
    client, user = admin_of(factories.staff()), factories.user()
    pair, new = log_in(user), "a completely new one"
    body = {"usable_password": "true", "password1": new, "password2": new}
    assert client.post(reverse("admin:auth_user_password_change", args=[user.pk]), body).status_code == 302
    assert revoked(pair)
    assert log_in(user, new)


def test_logging_out_everywhere() -> None:
    client, user, other = admin_of(factories.staff()), factories.user(), factories.user()
    pair, others = log_in(user), log_in(other)
    client.post(USERS, {"action": "log_out_everywhere", "_selected_action": [user.pk], "confirmed": "1"})
    assert revoked(pair)
    assert post("/api/v1/auth/token/verify/", token=others["access"]).status_code == 200


def test_plain_staff_cannot_become_powerful() -> None:
    me = plain_staff()
    client = admin_of(me)
    assert client.post(f"{USERS}{me.pk}/change/", form_of(me, is_superuser="on")).status_code == 302
    me.refresh_from_db()
    assert not me.is_superuser


def test_plain_staff_cannot_touch_a_superuser() -> None:
    boss = factories.staff()
    pair = log_in(boss)
    client = admin_of(plain_staff())
    new = "a completely new one"
    client.post(f"{USERS}{boss.pk}/change/", form_of(boss, is_active=None))
    client.post(
        reverse("admin:auth_user_password_change", args=[boss.pk]), {"password1": new, "password2": new}
    )
    client.post(USERS, {"action": "log_out_everywhere", "_selected_action": [boss.pk], "confirmed": "1"})
    client.post(f"{USERS}{boss.pk}/delete/", {"post": "yes"})
    assert post("/api/v1/auth/token/verify/", token=pair["access"]).status_code == 200
    assert log_in(boss)


@pytest.mark.parametrize("role", [Role.MEMBER, Role.CREATOR, Role.WRITER])
def test_only_staff_enter(role: str) -> None:
    answer = admin_of(factories.user(role=role)).get(USERS)
    assert answer.status_code == 302
    assert "/admin/login/" in answer["Location"]


def test_an_organization_with_users_is_not_deleted() -> None:
    organization = factories.user().organization
    admin_of(factories.staff()).post(
        f"/admin/accounts/organization/{organization.pk}/delete/", {"post": "yes"}
    )
    assert Organization.objects.filter(pk=organization.pk).exists()


def used() -> User:
    """A member with an address, a session and a line in the admin's log."""
    user = factories.user()
    addresses.vouch(user)
    UserSession.objects.create(user=user, ip="::1", session_key=f"s{user.pk}", user_agent="x")
    LogEntry.objects.create(user=user, action_flag=CHANGE, object_repr="x")
    return user


@pytest.mark.parametrize("group", ["support", "administrator", None])
def test_accounts_that_were_used_are_deleted(group: str | None) -> None:
    client = admin_of(factories.clerk(group) if group else factories.staff())
    one, two, three = used(), used(), used()
    assert client.post(f"{USERS}{one.pk}/delete/", {"post": "yes"}).status_code == 302
    chosen = {"action": "delete_selected", "_selected_action": [two.pk, three.pk], "post": "yes"}
    assert client.post(USERS, chosen).status_code == 302
    assert not User.objects.filter(pk__in=[one.pk, two.pk, three.pk]).exists()


def test_without_the_right_nobody_is_deleted() -> None:
    clerk, user = factories.user(role=Role.STAFF), used()
    rights = Permission.objects.filter(content_type__app_label="accounts").exclude(codename="delete_user")
    clerk.user_permissions.set(rights)
    assert admin_of(clerk).post(f"{USERS}{user.pk}/delete/", {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=user.pk).exists()


ENTRANCES = ["usersessions/usersession", "mfa/authenticator", "account/emailaddress"]


@pytest.mark.parametrize("page", ENTRANCES)
def test_how_staff_log_in_is_for_whoever_manages_staff(page: str) -> None:
    rows = {}
    for user in (used(), used()):
        key = Authenticator.objects.create(user=user, type="totp", data={"secret": "canary"})
        session, address = UserSession.objects.get(user=user), EmailAddress.objects.get(user=user)
        rows[user.pk] = dict(zip(ENTRANCES, (session, key, address), strict=True))[page]
    member, boss = User.objects.filter(pk__in=rows).order_by("pk")
    User.objects.filter(pk=boss.pk).update(role=Role.STAFF, is_superuser=True, organization=None)

    def opens(client: Client, user: User, verb: str = "change") -> bool:
        answer = client.get(f"/admin/{page}/{rows[user.pk].pk}/{verb}/")
        assert "canary" not in answer.text
        return answer.status_code == 200

    support, administrator = (admin_of(factories.clerk(group)) for group in ("support", "administrator"))
    assert (opens(support, member), opens(support, boss)) == (True, False)
    assert boss.email not in support.get(f"/admin/{page}/").text
    assert not opens(support, member, "delete")
    assert (opens(administrator, member), opens(administrator, boss)) == (True, True)
    assert not opens(administrator, boss, "delete")
