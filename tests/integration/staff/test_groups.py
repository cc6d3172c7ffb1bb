"""What each group of staff may do: one table over pages, API and admin; whoever is not named is refused."""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client

from imager.accounts import groups
from imager.accounts.models import Role, User
from tasks_app.models import Host
from tests import factories as make
from workers.contract import Kind

OP, S, A = groups.OPERATOR, groups.SUPPORT, groups.ADMINISTRATOR
WHO = ["nobody", OP, S, A]
REFUSED = {403, 404}


class Deed(NamedTuple):
    """A request, and the groups that may make it. Admin pages without rights send elsewhere or say 403."""

    method: str
    url: str
    allowed: tuple[str, ...]
    body: dict[str, Any] = {}


DEEDS = {
    # pages
    "read an order": Deed("get", "/orders/{order}/", (OP, S, A)),
    "cancel": Deed("post", "/orders/{order}/cancel/", (S, A)),
    "retry": Deed("post", "/orders/{order}/retry/", (S, A)),
    "end a download": Deed("post", "/orders/{order}/end/", (S, A)),
    "ship": Deed("post", "/orders/{order}/ship/", (OP, S, A), {"tracking": "x"}),
    "recipe of an order": Deed("get", "/staff/orders/{order}/recipe/", (S, A)),
    "order form": Deed("get", "/orders/new/", (S, A)),
    "place": Deed("post", "/orders/new/", (S, A)),
    "read a configuration": Deed("get", "/configurations/{configuration}/", (S, A)),
    "change a configuration": Deed("post", "/configurations/{configuration}/", (S, A)),
    "new configuration": Deed("post", "/configurations/new/", (S, A)),
    "delete a configuration": Deed("post", "/configurations/{configuration}/delete/", (S, A)),
    "duplicate a configuration": Deed("post", "/configurations/{configuration}/duplicate/", (S, A)),
    "versions of a configuration": Deed("get", "/configurations/{configuration}/versions/", (S, A)),
    "import a configuration": Deed("get", "/configurations/import/", (S, A)),
    "export with passwords": Deed(
        "post", "/configurations/{configuration}/export/", (S, A), {"secrets": "1"}
    ),
    "recipe with passwords": Deed(
        "post", "/configurations/{configuration}/recipe/", (S, A), {"secrets": "1"}
    ),
    "stations": Deed("get", "/station/", (OP, A)),
    "station": Deed("get", "/station/{writer}/", (OP, A)),
    "confirm a card": Deed("post", "/station/{writer}/A/confirm/", (OP, A)),
    "let a slot serve": Deed("post", "/station/{writer}/A/release/", (OP, A)),
    "hosts": Deed("get", "/staff/hosts/", (OP, S, A)),
    "log": Deed("get", "/staff/tasks/{task}/attempts/1/log/", (OP, S, A)),
    # API
    "API: orders": Deed("get", "/api/v1/orders/", (OP, S, A)),
    "API: an order": Deed("get", "/api/v1/orders/{order}/", (OP, S, A)),
    "API: place": Deed("post", "/api/v1/orders/", (S, A)),
    "API: cancel": Deed("post", "/api/v1/orders/{order}/cancel/", (S, A)),
    "API: retry": Deed("post", "/api/v1/orders/{order}/retry/", (S, A)),
    "API: end a download": Deed("post", "/api/v1/orders/{order}/expire/", (S, A)),
    "API: ship": Deed("post", "/api/v1/orders/{order}/ship/", (OP, S, A), {"tracking": "x"}),
    "API: desk": Deed("get", "/api/v1/orders/{order}/desk/", (OP, S, A)),
    "API: notes": Deed("get", "/api/v1/orders/{order}/notes/", (OP, S, A)),
    "API: note": Deed("post", "/api/v1/orders/{order}/notes/", (OP, S, A), {"text": "x"}),
    "API: priority": Deed("post", "/api/v1/orders/{order}/prioritize/", (S, A), {"priority": "low"}),
    "API: address": Deed("post", "/api/v1/orders/{order}/readdress/", (S, A), {"recipient_name": "x"}),
    "API: again": Deed("post", "/api/v1/orders/{order}/recreate/", (S, A)),
    "API: configurations": Deed("get", "/api/v1/configurations/", (S, A)),
    "API: duplicate": Deed("post", "/api/v1/configurations/{configuration}/duplicate/", (S, A)),
    "API: import": Deed("post", "/api/v1/configurations/import/", (S, A)),
    "API: export": Deed("post", "/api/v1/configurations/{configuration}/export/", (S, A), {"secrets": True}),
    "API: uploads": Deed("get", "/api/v1/uploads/", (S, A)),
    "API: upload": Deed("post", "/api/v1/uploads/", (S, A)),
    "API: new configuration": Deed("post", "/api/v1/configurations/", (S, A)),
    "API: a configuration": Deed("patch", "/api/v1/configurations/{configuration}/", (S, A)),
    "API: delete": Deed("delete", "/api/v1/configurations/{configuration}/", (S, A)),
    "API: media": Deed("get", "/api/v1/media/", (OP, S, A)),
    # admin
    "admin: orders": Deed("get", "/admin/orders/order/", (OP, S, A)),
    "admin: organizations": Deed("get", "/admin/accounts/organization/", (S, A)),
    "admin: grant": Deed("get", "/admin/accounts/organization/{organization}/grant/", (S, A)),
    "admin: channels": Deed("get", "/admin/accounts/channel/", (S, A)),
    "admin: new channel": Deed("get", "/admin/accounts/channel/add/", (A,)),
    "admin: users": Deed("get", "/admin/accounts/user/", (S, A)),
    "admin: password of a member": Deed("get", "/admin/accounts/user/{member}/password/", (S, A)),
    "admin: sessions": Deed("get", "/admin/usersessions/usersession/?q=x", (S, A)),
    "admin: second factors": Deed("get", "/admin/mfa/authenticator/?q=x", (S, A)),
    "admin: addresses of accounts": Deed("get", "/admin/account/emailaddress/?q=x", (S, A)),
    "admin: invite": Deed("get", "/admin/accounts/invitation/add/", (S, A)),
    "admin: new media": Deed("get", "/admin/orders/media/add/", (A,)),
    "admin: hosts": Deed("get", "/admin/tasks_app/host/", (OP, S, A)),
    "admin: cards": Deed("get", "/admin/tasks_app/card/", (OP, S, A)),
    "admin: warehouses": Deed("get", "/admin/warehouse/warehouse/", (S, A)),
    "admin: groups": Deed("get", "/admin/auth/group/", (A,)),
}

pytestmark = pytest.mark.django_db


@pytest.fixture
def values(school, line) -> dict[str, object]:
    make.slot(line.writer, name="A")
    task = line.claim(line.task(school.place(), Kind.CREATE))
    return {
        "order": school.place().pk,
        "configuration": school.configuration.pk,
        "organization": school.organization.pk,
        "member": school.member.pk,
        "task": task.pk,
        "writer": line.writer.name,
    }


def person(who: str) -> User:
    return make.user(role=Role.STAFF) if who == "nobody" else make.clerk(who)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("name", DEEDS)
def test_the_matrix(name, who, values):
    deed = DEEDS[name]
    client = Client()
    client.force_login(person(who))
    kind = {"content_type": "application/json"} if deed.url.startswith("/api/") else {}

    answer = getattr(client, deed.method)(deed.url.format(**values), deed.body, **kind)

    allowed = answer.status_code not in REFUSED
    assert allowed == (who in deed.allowed), f"{who}: {answer.status_code} {answer.content[:300]!r}"
    if allowed:
        assert answer.status_code in {200, 201, 204, 302, 400, 409, 415, 422}


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("of", ["staff", "host", "boss"])
def test_accounts_of_staff_and_hosts_are_for_administrators(who, of, values, school):
    subject = {"staff": make.clerk(OP), "host": make.host(Host.Kind.CREATOR).account, "boss": school.staff}[
        of
    ]
    client = Client()
    client.force_login(person(who))
    for page in ("change", "password", "delete"):
        answer = client.get(f"/admin/accounts/user/{subject.pk}/{page}/")
        writes = who == A and of != "boss"  # superusers are changed by superusers alone
        looks = who == A and page == "change"
        assert (answer.status_code == 200) == (writes or looks), f"{page}: {answer.status_code}"
    answer = client.post(f"/admin/accounts/user/{subject.pk}/password/", {"password1": "x" * 20 + "1a"})
    assert answer.status_code != 500
    found = User.objects.get(pk=subject.pk)
    assert found.password == subject.password


def test_support_makes_members_and_nothing_more(client, values, school):
    client.force_login(make.clerk(S))
    password = "correct horse battery 9"
    form = {
        "email": "new@example.org",
        "password1": password,
        "password2": password,
        "usable_password": "true",
    }
    powers = {"role": "staff", "groups": [str(one.pk) for one in Group.objects.all()], "is_superuser": "on"}
    answer = client.post(
        "/admin/accounts/user/add/",
        {**form, **powers, "organization": school.organization.pk, "language": ""},
    )
    assert answer.status_code == 302, answer.context["errors"]
    made = User.objects.get(email="new@example.org")
    assert (made.role, made.is_superuser, list(made.groups.all())) == (Role.MEMBER, False, [])

    client.post(f"/admin/accounts/user/{made.pk}/change/", {"email": made.email, **powers})
    made.refresh_from_db()
    assert (made.role, made.is_superuser, list(made.groups.all())) == (Role.MEMBER, False, [])


def test_administrators_give_groups_but_no_more_than_they_have(client, values):
    client.force_login(make.clerk(A))
    one = make.clerk(OP)
    fields = {"email": one.email, "name": "x", "role": "staff", "organization": "", "language": ""}
    fields |= {"is_active": "on", "expires_at_0": "", "expires_at_1": "", "is_superuser": "on"}
    fields["groups"] = [Group.objects.get(name=S).pk]
    answer = client.post(f"/admin/accounts/user/{one.pk}/change/", fields)
    assert answer.status_code == 302, answer.context["errors"]
    one.refresh_from_db()
    assert ([group.name for group in one.groups.all()], one.is_superuser) == ([S], False)


# Independent of the patterns: what would hurt most.
NEVER = {
    OP: ["orders.cancel_order", "orders.change_order", "orders.export_order", "accounts.change_user",
        "accounts.manage_staff", "tasks_app.change_host", "accounts.grant_units", "auth.change_group"],
    S: ["accounts.manage_staff", "tasks_app.change_host", "tasks_app.change_slot", "auth.change_group",
        "warehouse.change_warehouse", "accounts.delete_organization", "orders.change_media",
        "mfa.delete_authenticator", "account.change_emailaddress"],
}  # fmt: skip


@pytest.mark.parametrize("group", NEVER)
def test_what_would_hurt(group):
    user = make.clerk(group)
    assert [one for one in NEVER[group] if user.has_perm(one)] == []


def test_administrators_may_do_everything():
    assert make.clerk(A).get_all_permissions() == make.staff().get_all_permissions()


def test_migrate_puts_the_groups_back():
    group = Group.objects.get(name=OP)
    group.permissions.add(Permission.objects.get(codename="change_user"))
    Group.objects.filter(name=S).delete()

    last = [config for config in apps.get_app_configs() if config.models_module][-1]
    groups.after_migrate(sender=apps.get_app_config("orders"))
    assert not Group.objects.filter(name=S).exists()  # not before the permissions of the last app are there
    groups.after_migrate(sender=last)

    assert not group.permissions.filter(codename="change_user").exists()
    assert Group.objects.get(name=S).permissions.filter(codename="cancel_order").exists()


def test_existing_staff_become_administrators():
    old, member = make.user(role=Role.STAFF), make.user()
    migration = importlib.import_module("imager.accounts.migrations.0007_groups")

    with connection.schema_editor() as editor:
        migration.create(apps, editor)
        migration.create(apps, editor)

    assert [group.name for group in old.groups.all()] == [A]
    assert not member.groups.exists()
