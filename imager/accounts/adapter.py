"""How allauth's pages behave here: accounts are made by staff, and hosts have no business on pages."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from imager.accounts.models import User


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # the library has no types
    """Closed sign-up; a host's e-mail and password open no page."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002  # allauth's signature
        """Never: staff make the accounts."""
        return False

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """The person with these credentials; for a host the same answer as for a wrong password."""
        user = super().authenticate(request, **credentials)
        return user if isinstance(user, User) and not user.is_host else None

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        """To people. A host's password is set by `manage.py create_host` alone."""
        if not user.is_host:
            super().send_password_reset_mail(user, email, context)
