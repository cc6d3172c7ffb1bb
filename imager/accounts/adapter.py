"""How allauth's pages behave here: accounts come by invitation, and hosts have no business on pages."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core.internal import ratelimit
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from imager.accounts import addresses
from imager.accounts.models import User


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # the library has no types
    """Sign-up is closed unless OPEN_SIGNUP; a host's e-mail and password open no page."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002  # allauth's signature
        """Whether anybody may make an account; else staff invite people."""
        return bool(settings.OPEN_SIGNUP)

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """The person with these credentials; for a host the same answer as for a wrong password."""
        user = super().authenticate(request, **credentials)
        return user if isinstance(user, User) and not user.is_host else None

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """Whoever is kept out learns why, once the password was right."""
        if user.bar:
            return redirect("account_barred", user.bar)
        answer: HttpResponse | None = super().pre_login(request, user, **kwargs)
        return answer

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """What failed attempts are counted by: whoever guesses elsewhere keeps nobody out here."""
        of_address = super()._get_login_attempts_cache_key(request, **credentials)
        return f"{of_address}:{ratelimit.get_ip(request)}"  # of IPv6 the network: one line has many addresses

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """An address that another account has by now stays there."""
        if addresses.is_taken(email_address.email, by_other_than=email_address.user):
            return False
        return bool(super().confirm_email(request, email_address))

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        """To people. A host's password is set by `manage.py create_host` alone."""
        if not user.is_host:
            super().send_password_reset_mail(user, email, context)
