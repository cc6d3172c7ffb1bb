"""Apps of others by names of ours: theirs is the same as that of the room of accounts, or says too little."""

from __future__ import annotations

from allauth.account.apps import AccountConfig
from allauth.mfa.apps import MFAConfig
from allauth.usersessions.apps import UserSessionsConfig
from django.utils.translation import gettext_lazy as _


class AddressesConfig(AccountConfig):  # type: ignore[misc]  # untyped
    """E-mail addresses that accounts are entered with."""

    verbose_name = _("E-mail addresses")


class FactorsConfig(MFAConfig):  # type: ignore[misc]  # untyped
    """Codes and passkeys."""

    verbose_name = _("Second factors")


class SessionsConfig(UserSessionsConfig):  # type: ignore[misc]  # untyped
    """Who is logged in, and from where."""

    verbose_name = _("Sessions")
