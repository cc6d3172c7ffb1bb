"""How accounts are entered: addresses, second factors, sessions; and what staff did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest

from imager.accounts.admin.closed import Closed
from imager.accounts.admin.powers import manages_staff, may_touch
from imager.accounts.models import Role

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    _Any = ModelAdmin[Any]
else:
    _Any = admin.ModelAdmin

OF_PERSON: tuple[str, ...] = ("user__email", "user__name")

for theirs in (EmailAddress, Authenticator, UserSession):
    admin.site.unregister(theirs)  # their pages search a user name, which nobody has, and show keys


class _Looked(_Any):
    """Rows that people make by what they do."""

    list_select_related: ClassVar[tuple[str, ...]] = ("user",)
    show_full_result_count = False
    search_fields = OF_PERSON

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever manages staff; a superuser's by superusers alone."""
        return manages_staff(request) and may_touch(request, getattr(obj, "user", None))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """One by one: each is looked at before it goes."""
        return {}


class _Entrances(_Looked):
    """As for the accounts: whoever may not manage staff finds those of members alone."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Of the accounts that the visitor finds."""
        rows = super().get_queryset(request)
        return rows if manages_staff(request) else rows.filter(user__role=Role.MEMBER)


@admin.register(EmailAddress)
class EmailAddressAdmin(_Entrances):
    """Which addresses open which account. They change with the account's e-mail."""

    list_display = ("email", "user", "primary", "verified")
    list_filter = ("primary", "verified")
    search_fields = ("email", *OF_PERSON)


@admin.register(Authenticator)
class AuthenticatorAdmin(Closed, _Entrances):
    """Second factors, without their keys. Whoever has lost theirs logs in without once it is deleted here."""

    secret = frozenset({"data"})
    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type", "created_at")
    fields = ("user", "type", "created_at", "last_used_at")


@admin.register(UserSession)
class UserSessionAdmin(Closed, _Entrances):
    """Who is logged in, and from where. An account's page ends all of its sessions."""

    secret = frozenset({"session_key", "data"})
    list_display = ("user", "ip", "user_agent", "created_at", "last_seen_at")
    list_filter = ("last_seen_at",)
    search_fields = ("ip", *OF_PERSON)
    fields = ("user", "ip", "user_agent", "created_at", "last_seen_at")

    def has_delete_permission(self, request: HttpRequest, obj: UserSession | None = None) -> bool:
        """The row alone ends nothing."""
        return False


@admin.register(LogEntry)
class LogEntryAdmin(_Looked):
    """What staff did in the admin."""

    list_display = ("action_time", "user", "content_type", "object_repr", "action_flag", "words")
    list_filter = ("action_flag", "content_type", "action_time")
    list_select_related: ClassVar[tuple[str, ...]] = ("user", "content_type")
    search_fields = ("object_repr", *OF_PERSON)
    date_hierarchy = "action_time"
    fields = ("action_time", "user", "content_type", "object_id", "object_repr", "action_flag", "words")
    readonly_fields = ("words",)

    @admin.display(description=LogEntry._meta.get_field("change_message").verbose_name)
    def words(self, entry: LogEntry) -> str:
        """What was changed, in words."""
        return entry.get_change_message()

    def has_delete_permission(self, request: HttpRequest, obj: LogEntry | None = None) -> bool:
        """Never."""
        return False
