"""Invitations in the admin: invite, send again, revoke."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imager.accounts import invitations
from imager.accounts.admin.asking import Question, after_asking
from imager.accounts.admin.closed import Closed
from imager.accounts.admin.dates import NamedDates
from imager.accounts.admin.filters import FewFilter
from imager.accounts.models import Invitation, User

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    _Invitations = ModelAdmin[Invitation]
    _Form = forms.ModelForm[Invitation]
else:
    _Invitations, _Form = admin.ModelAdmin, forms.ModelForm


class InvitationForm(_Form):
    """Whom to invite."""

    class Meta:
        model = Invitation
        fields = ("organization", "email", "name", "language", "account_ends_at", "can_order_cards")

    def clean(self) -> dict[str, Any]:
        """People who have an account, or an invitation already, need none."""
        data = super().clean() or self.cleaned_data
        if "email" in data and "organization" in data:
            try:
                invitations.check(data["organization"], data["email"])
            except ValidationError as error:
                self.add_error(None, error)
        return data

    def clean_account_ends_at(self) -> datetime | None:
        """In the future, or never."""
        ends_at: datetime | None = self.cleaned_data["account_ends_at"]
        try:
            invitations.check_end(ends_at)
        except ValidationError as error:
            raise ValidationError(error.messages) from error
        return ends_at


@admin.register(Invitation)
class InvitationAdmin(Closed, NamedDates, _Invitations):
    """Who was invited, by whom, and what became of it. The token is in the mail alone."""

    secret = frozenset({"token_hash"})
    form = InvitationForm
    list_display = ("email", "organization", "state", "sent_at", "expires_at", "invited_by", "accepted_by")
    list_filter = (("organization", FewFilter), "created_at")
    list_select_related = ("organization", "invited_by", "accepted_by")
    search_fields = ("email", "name", "organization__name")
    autocomplete_fields = ("organization",)
    readonly_fields = (
        "state",
        "created_at",
        "sent_at",
        "expires_at",
        "accepted_at",
        "accepted_by",
        "revoked_at",
    )
    actions = ("send_again", "revoke")

    def get_readonly_fields(self, request: HttpRequest, obj: Invitation | None = None) -> tuple[Any, ...]:
        """While it is new there is nothing to tell."""
        return () if obj is None else tuple(super().get_readonly_fields(request, obj))

    def has_change_permission(self, request: HttpRequest, obj: Invitation | None = None) -> bool:
        """The actions need it; the row itself is not edited: revoke it, and invite anew."""
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Invitation | None = None) -> bool:
        """Never: it says who let whom in."""
        return False

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        """Invite and send."""
        if not isinstance(request.user, User) or change:
            raise PermissionDenied
        invitations.invite(obj, by=request.user)
        try:
            _tried(invitations.send, obj)
        except ValidationError as error:
            self.message_user(request, f"{obj}: {' '.join(error.messages)}", messages.ERROR)

    @admin.display(description=gettext_lazy("state"))
    def state(self, invitation: Invitation) -> str:
        """In a word."""
        if invitation.accepted_at:
            return _("accepted")
        return _("revoked") if invitation.revoked_at else _("not answered yet")

    @admin.action(description=gettext_lazy("Send again, with a new link"), permissions=["change"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> HttpResponse | None:
        """The link that was sent before is void then."""
        warning = _("Each gets a mail with a new link. The links that were sent before are void then.")
        question = Question("send_again", _("Send again"), warning, partial(_tried, invitations.send))
        return after_asking(self, request, queryset, question)

    @admin.action(description=gettext_lazy("Revoke: the link is void"), permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> HttpResponse | None:
        """Nobody can accept them any more."""
        warning = _("Nobody can accept them any more. To let somebody in all the same, invite anew.")
        question = Question("revoke", _("Revoke"), warning, partial(_tried, invitations.revoke))
        return after_asking(self, request, queryset, question)


def _tried(verb: Callable[[Invitation], Invitation], invitation: Invitation) -> None:
    """Do it. Raises ValidationError with what went wrong."""
    try:
        verb(invitation)
    except invitations.Gone as gone:
        raise ValidationError(_("The invitation is over: it was accepted or revoked.")) from gone
    except OSError as error:
        text = _("The mail could not be sent (%(error)s). Send it again later.")
        raise ValidationError(text % {"error": error}) from error
