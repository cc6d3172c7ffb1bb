"""Whether an account has a second factor, needs one, and whether a code is its."""

from __future__ import annotations

from allauth.core.internal import ratelimit
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from imager.accounts.models import Role, User

CODES = (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES)


def is_missing(user: AbstractBaseUser | AnonymousUser | None) -> bool:
    """Whether the account may do nothing before it has a second factor."""
    if not settings.SECOND_FACTOR_FOR_STAFF or not isinstance(user, User) or user.role != Role.STAFF:
        return False
    return not has(user)


def has(user: User) -> bool:
    """Whether the account has a second factor."""
    return bool(is_mfa_enabled(user))


def accepts(user: User, code: str) -> bool:
    """Whether that is a code of the account's app, or one of its recovery codes. Each works once."""
    known = Authenticator.objects.filter(user=user, type__in=CODES)
    return bool(code) and any(authenticator.wrap().validate_code(code) for authenticator in known)


def guess(request: HttpRequest, user: User) -> ratelimit.RateLimitUsage | None:
    """Count a code before it is looked at, with those of the login page; None when there were too many.

    By account, wherever it comes from: whoever guesses codes has the password, and may have many addresses.
    """
    return ratelimit.consume(
        request, app="allauth.account", action="login_failed", key=f"mfa-auth-user-{user.pk}"
    )
