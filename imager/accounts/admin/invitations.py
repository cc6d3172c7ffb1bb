"""Invitations in the admin: invite, send again, revoke."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from imager.accounts import invitations
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


@admin.register(Invitation)
class InvitationAdmin(NamedDates, _Invitations):
    """Who was invited, by whom, and what became of it. The token is in the mail alone."""

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
        self._each(request, [obj], invitations.send)

    @admin.display(description=gettext_lazy("state"))
    def state(self, invitation: Invitation) -> str:
        """In a word."""
        if invitation.accepted_at:
            return _("accepted")
        return _("revoked") if invitation.revoked_at else _("not answered yet")

    @admin.action(description=gettext_lazy("Send again, with a new link"), permissions=["change"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        """The link that was sent before is void then."""
        self._each(request, queryset, invitations.send)

    @admin.action(description=gettext_lazy("Revoke: the link is void"), permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        """Nobody can accept them any more."""
        self._each(request, queryset, invitations.revoke)

    def _each(self, request: HttpRequest, chosen: Any, verb: Callable[[Invitation], Invitation]) -> None:
        done = 0
        for invitation in chosen:
            try:
                verb(invitation)
                done += 1
            except invitations.Gone:
                text = _("The invitation of %(email)s is over: it was accepted or revoked.")
                self.message_user(request, text % {"email": invitation.email}, messages.ERROR)
            except OSError as error:
                text = _("The mail to %(email)s could not be sent (%(error)s). Send it again later.")
                words = {"email": invitation.email, "error": error}
                self.message_user(request, text % words, messages.ERROR)
        if done:
            text = ngettext("Done for %(done)d invitation.", "Done for %(done)d invitations.", done)
            self.message_user(request, text % {"done": done}, messages.SUCCESS)
