"""Accounts in Django's admin. Passwords go through Django's own forms; tokens are not shown at all."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth import admin as stock
from django.contrib.auth import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from imager.accounts import addresses, leaving, services
from imager.accounts.admin.asking import Question, after_asking
from imager.accounts.admin.closed import Closed
from imager.accounts.admin.dates import NamedDates
from imager.accounts.admin.filters import FewFilter
from imager.accounts.admin.links import links
from imager.accounts.admin.powers import is_superuser, manages_staff, may_touch
from imager.accounts.models import Role, User

if TYPE_CHECKING:
    _Users = stock.UserAdmin[User]
    _NewUser = forms.AdminUserCreationForm[User]
    _ChangedUser = forms.UserChangeForm[User]
else:
    _Users = stock.UserAdmin
    _NewUser, _ChangedUser = forms.AdminUserCreationForm, forms.UserChangeForm

# What makes somebody powerful: only a superuser gives it, or touches who has it.
POWERS = ("is_superuser", "user_permissions")
# What lets people in on the staff side: for administrators. Others see members alone.
STAFF_SIDE = ("role", "groups")


class NewUserForm(_NewUser):
    """E-mail and password."""

    class Meta:
        model = User
        fields = ("email",)
        field_classes: dict[str, Any] = {}


class UserForm(_ChangedUser):
    """Everything but the password, which has a form of its own."""

    class Meta:
        model = User
        fields = "__all__"
        field_classes: dict[str, Any] = {}


@admin.register(User)
class UserAdmin(Closed, NamedDates, _Users):
    """People and hosts. Disabling one ends its tokens and sessions at once."""

    secret = frozenset({"password"})
    form = UserForm
    add_form = NewUserForm
    list_display = ("email", "name", "role", "organization", "is_active", "expires_at", "last_login")
    list_filter = (
        "role",
        "groups",
        "is_active",
        "can_order_cards",
        "is_superuser",
        ("organization", FewFilter),
    )
    list_select_related = ("organization",)
    search_fields = ("email", "name", "organization__name", "organization__slug")
    ordering = ("email",)
    autocomplete_fields = ("organization",)
    readonly_fields = ("last_login", "date_joined", "elsewhere")
    actions = ("log_out_everywhere",)
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        (_("Person or host"), {"fields": ("name", "role", "organization", "language")}),
        (_("Permissions"), {"fields": ("is_active", "expires_at", "can_order_cards", "groups", *POWERS)}),
        (_("Dates"), {"fields": ("last_login", "date_joined", "elsewhere")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("email", "usable_password", "password1", "password2")}),
        (_("Person or host"), {"fields": ("name", "role", "organization", "language", "groups")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Whoever may not manage staff finds members alone."""
        users = super().get_queryset(request)
        return users if manages_staff(request) else users.filter(role=Role.MEMBER)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[Any, ...]:
        """Staff cannot make themselves, or others, more powerful than they are."""
        fields = tuple(super().get_readonly_fields(request, obj))
        fields = fields if is_superuser(request) else (*fields, *POWERS)
        return fields if manages_staff(request) else (*fields, *STAFF_SIDE)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """A superuser's account (its password, too) is changed by superusers alone."""
        return super().has_change_permission(request, obj) and may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """As for changes."""
        return super().has_delete_permission(request, obj) and may_touch(request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, set[str], Any]:
        """Who may delete an account may delete what goes with it: sessions, addresses, its log."""
        shown, counted, needed, kept = super().get_deleted_objects(objs, request)
        return shown, counted, needed & {self.opts.verbose_name}, kept

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm[User], change: bool) -> None:
        """Who logs in by e-mail, or asks for a new password, is found by the address as staff set it."""
        super().save_model(request, obj, form, change)
        if "email" in form.changed_data and not obj.is_host:
            addresses.replace(obj)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """As if they did it themselves: their orders end, and nothing keeps their name."""
        leaving.delete(obj)

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """The same for each, or for none."""
        for user in queryset.order_by("pk"):
            leaving.delete(user)

    @admin.display(description=_("elsewhere"))
    def elsewhere(self, user: User) -> str:
        """What is theirs."""
        mine = {"q": user.email}
        return links(
            (_("orders"), "orders_order", mine),
            (_("sessions"), "usersessions_usersession", mine),
            (_("second factors"), "mfa_authenticator", mine),
            (_("addresses"), "account_emailaddress", mine),
        )

    @admin.action(description=_("Log out everywhere: end all tokens and sessions"), permissions=["change"])
    def log_out_everywhere(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """End every token and session of the chosen accounts."""
        warning = gettext("Their sessions and tokens end at once, on all devices. They can log in again.")
        verb = partial(_log_out, request)
        title = gettext("Log out everywhere")
        return after_asking(self, request, queryset, Question("log_out_everywhere", title, warning, verb))


def _log_out(request: HttpRequest, user: User) -> None:
    if not may_touch(request, user):
        raise ValidationError(gettext("Only superusers may log out a superuser."))
    services.log_out_everywhere(user)
