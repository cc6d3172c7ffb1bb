"""Invitations of people to an organization, by the hash of their token."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from imager.accounts.models.organizations import Language, Organization
from imager.accounts.models.people import User


class Invitation(models.Model):
    """Good for one account, until it is accepted, revoked or too old. The mail alone holds the token."""

    organization = models.ForeignKey(
        Organization, models.PROTECT, related_name="invitations", verbose_name=_("organization")
    )
    email = models.EmailField(_("e-mail"))
    name = models.CharField(_("name"), max_length=150, blank=True)
    language = models.CharField(
        _("language of the mail"),
        max_length=5,
        choices=Language.choices,
        blank=True,
        help_text=_("Empty: the organization's."),
    )
    invited_by = models.ForeignKey(
        User, models.SET_NULL, null=True, editable=False, related_name="+", verbose_name=_("invited by")
    )
    account_ends_at = models.DateTimeField(
        _("account ends"),
        null=True,
        blank=True,
        help_text=_("Of the account that is made by it. Empty: never."),
    )
    can_order_cards = models.BooleanField(
        _("may order cards"), default=True, db_default=True, help_text=_("Otherwise downloads alone.")
    )
    token_hash = models.CharField(_("digest of the invitation"), max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("invited"), auto_now_add=True)
    sent_at = models.DateTimeField(_("sent"), null=True, editable=False)
    expires_at = models.DateTimeField(_("expires"), editable=False)
    accepted_at = models.DateTimeField(_("accepted"), null=True, editable=False)
    accepted_by = models.ForeignKey(
        User, models.SET_NULL, null=True, editable=False, related_name="+", verbose_name=_("account")
    )
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        constraints = [
            models.UniqueConstraint(
                "organization",
                Lower("email"),
                condition=Q(accepted_at=None, revoked_at=None),
                name="invitation_open_once",
                violation_error_message=_(
                    "This person is invited already. Send that invitation again, or revoke it."
                ),
            ),
            models.CheckConstraint(
                condition=Q(accepted_at=None) | Q(revoked_at=None), name="invitation_ends_once"
            ),
        ]

    def __str__(self) -> str:
        return self.email
