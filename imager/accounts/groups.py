"""What staff may do: three groups, and the permissions that each of them always has.

The role lets people in on the staff side; the groups say what they may do there. What stands here counts:
it is put back after each `migrate`, so that new models reach the groups by themselves. For other rights make
other groups.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Final

from django.apps import AppConfig, apps
from django.contrib.auth.models import Group, Permission
from django.utils.translation import gettext_lazy as _

OPERATOR: Final = "operator"
SUPPORT: Final = "support"
ADMINISTRATOR: Final = "administrator"

MANAGE_STAFF: Final = "accounts.manage_staff"

# Patterns of “app.codename”.
GRANTED: Final[dict[str, tuple[str, ...]]] = {
    OPERATOR: (
        "orders.view_order",
        "orders.view_ordermove",
        "orders.view_ordernote",
        "orders.add_ordernote",
        "orders.view_media",
        "orders.view_content",
        "orders.ship_order",
        "orders.see_statistics",
        "tasks_app.view_*",
        "tasks_app.change_slot",
    ),
    SUPPORT: (
        "orders.*",
        "accounts.view_*",
        "accounts.*_organization",
        "accounts.*_invitation",
        "accounts.grant_units",
        "accounts.add_user",
        "accounts.change_user",
        "accounts.delete_user",
        "account.view_emailaddress",
        "mfa.view_authenticator",
        "usersessions.view_*",
        "tasks_app.view_*",
        "tasks_app.change_task",
        "warehouse.view_*",
    ),
    ADMINISTRATOR: ("*",),
}

# However wide a pattern is.
WITHHELD: Final[dict[str, tuple[str, ...]]] = {
    SUPPORT: (
        "accounts.delete_organization",
        "accounts.*_refreshtoken",
        "orders.add_media",
        "orders.change_media",
        "orders.delete_media",
    )
}

MEANING: Final = {
    OPERATOR: _("Stations, cards, slots and shipping."),
    SUPPORT: _("Orders, configurations, organizations and their members; no staff, no hosts."),
    ADMINISTRATOR: _("Everything."),
}


def sync(permissions: Iterable[Permission]) -> None:
    """Make the groups what `GRANTED` says, of these permissions."""
    named = {f"{one.content_type.app_label}.{one.codename}": one for one in permissions}
    for name in GRANTED:
        group, _created = Group.objects.get_or_create(name=name)
        group.permissions.set(one for label, one in named.items() if has(name, label))


def has(group: str, permission: str) -> bool:
    """Whether the group has “app.codename”, if there is such a permission."""

    def fits(patterns: tuple[str, ...]) -> bool:
        return any(fnmatchcase(permission, pattern) for pattern in patterns)

    return fits(GRANTED[group]) and not fits(WITHHELD.get(group, ()))


def after_migrate(sender: AppConfig, **_kwargs: Any) -> None:
    """Once per run, after the last of the apps: then all permissions are there."""
    last = [config for config in apps.get_app_configs() if config.models_module][-1]
    if sender is last or sender.name == last.name:
        sync(Permission.objects.select_related("content_type"))
