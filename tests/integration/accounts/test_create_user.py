"""`manage.py create_user`."""

from __future__ import annotations

import importlib
import io
import re
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection

from imager.accounts.models import Channel, Role, User
from tests import factories
from tests.integration.accounts.doors import log_in

pytestmark = pytest.mark.django_db


def create(*args: str, stdin: str = "", monkeypatch: Any = None) -> str:
    out = io.StringIO()
    if monkeypatch:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    call_command("create_user", *args, stdout=out)
    return out.getvalue()


def test_a_member_with_a_printed_password() -> None:
    organization = factories.organization()
    out = create("New@Example.org", "--organization", organization.slug, "--name", "Ada")
    user = User.objects.get(email="new@example.org")
    assert (user.role, user.organization, user.name, user.is_superuser) == (
        Role.MEMBER,
        organization,
        "Ada",
        False,
    )
    password = re.search(r"^Password: (\S+)$", out, re.MULTILINE)
    assert password
    assert log_in(user, password[1])


def test_two_passwords_are_never_the_same() -> None:
    assert create("a@example.org", "--group", "operator") != create("b@example.org", "--group", "operator")


def test_a_superuser_is_staff() -> None:
    create("boss@example.org", "--superuser")
    boss = User.objects.get(email="boss@example.org")
    assert (boss.role, boss.is_superuser, boss.is_staff) == (Role.STAFF, True, True)


@pytest.mark.parametrize("group", ["operator", "support", "administrator"])
def test_a_group_makes_staff_of_it(group: str) -> None:
    create("clerk@example.org", "--group", group)
    clerk = User.objects.get(email="clerk@example.org")
    assert (clerk.role, [one.name for one in clerk.groups.all()]) == (Role.STAFF, [group])
    assert not clerk.is_superuser


def test_a_password_from_standard_input_is_not_printed(monkeypatch) -> None:
    given = "  a completely new one"
    out = create(
        "x@example.org", "--group", "support", "--password-stdin", stdin=given + "\n", monkeypatch=monkeypatch
    )
    assert given.strip() not in out
    assert log_in(User.objects.get(email="x@example.org"), given)


@pytest.mark.parametrize("poor", ["", "1234", "password"])
def test_a_poor_password_is_refused(monkeypatch, poor: str) -> None:
    with pytest.raises(CommandError, match="password"):
        create(
            "x@example.org",
            "--group",
            "support",
            "--password-stdin",
            stdin=poor + "\n",
            monkeypatch=monkeypatch,
        )
    assert not User.objects.exists()


def test_an_unknown_organization_is_named_with_those_that_exist() -> None:
    organization = factories.organization()
    with pytest.raises(CommandError, match=rf"nowhere.*{organization.slug}"):
        create("x@example.org", "--organization", "nowhere")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["x@example.org"], "--organization SLUG"),
        (["no-email", "--group", "support"], "must be an e-mail address"),
        (["x@example.org", "--role", "creator"], "invalid choice"),
        (["x@example.org", "--role", "staff"], "give --group.*operator.*support.*administrator"),
        (["x@example.org", "--role", "member", "--group", "support"], "Groups are for staff"),
        (["x@example.org", "--group", "gods"], "invalid choice"),
        (["x@example.org", "--role", "member", "--superuser"], "superuser is staff"),
        ([], "email"),
    ],
)
def test_refusals(args: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        create(*args)
    assert not User.objects.exists()


def test_an_account_that_exists_already_in_any_case() -> None:
    user = factories.user(email="taken@example.org")
    with pytest.raises(CommandError, match="“email” is taken"):
        create("Taken@example.org", "--group", "support")
    assert log_in(user), "nothing was changed"


def test_there_is_no_way_to_give_a_password_on_the_command_line() -> None:
    with pytest.raises(CommandError, match=r"unrecognized arguments|ignored explicit"):
        create("x@example.org", "--role", "staff", "--password=secret")


def test_a_channel_is_there_from_the_start() -> None:
    Channel.objects.all().delete()  # whatever earlier tests left
    migration = importlib.import_module("imager.accounts.migrations.0002_default_channel")
    for _ in range(2):
        migration.create(apps, connection.schema_editor())
    assert Channel.objects.get().slug == "main"
