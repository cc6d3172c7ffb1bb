"""Whether an account has a second factor, needs one, and whether a code is its."""

from __future__ import annotations

from allauth.core.internal import ratelimit
from allauth.mfa import app_settings
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
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
    for known in Authenticator.objects.filter(user=user, type__in=CODES) if code else []:
        if known.wrap().validate_code(code):
            spend(known, code)
            return True
    return False


def spend(authenticator: Authenticator, code: str) -> None:
    """Mark a code of an app that was just accepted as used for all the time that it is accepted.

    allauth marks it for one period, and accepts it for as many more as clocks may be wrong, either way.
    """
    if authenticator.type == Authenticator.Type.TOTP:
        life = app_settings.TOTP_PERIOD * (1 + 2 * app_settings.TOTP_TOLERANCE)
        cache.set(TOTP(authenticator)._get_used_cache_key(code), "y", timeout=life)  # noqa: SLF001  # allauth's own mark


def guess(request: HttpRequest, user: User) -> ratelimit.RateLimitUsage | None:
    """Count a code before it is looked at, with those of the login page; None when there were too many.

    By account, wherever it comes from: whoever guesses codes has the password, and may have many addresses.
    """
    return ratelimit.consume(
        request, app="allauth.account", action="login_failed", key=f"mfa-auth-user-{user.pk}"
    )
