"""Who calls the API: the account of the access token, as the database knows it at this moment."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import Token

from imager.accounts import services
from imager.accounts.models import Bar, User
from imager.accounts.tokens import AccessToken, decoded

SENTENCES = {
    "address_unconfirmed": gettext_lazy(
        "The e-mail of this account is not confirmed: log in to the pages and follow the link in the mail."
    ),
    "code_needed": gettext_lazy("This account has a second factor: send its “code”, too."),
    "code_wrong": gettext_lazy("The code is wrong, too old or was used before. Send the next one."),
    "second_factor_missing": gettext_lazy(
        "Staff need a second factor here: log in to the pages and set one up."
    ),
}


class TokenAuthentication(JWTAuthentication):
    """`Authorization: Bearer <access token>`. Disabled account, old epoch, other audience: 401 at once."""

    def get_validated_token(self, raw_token: bytes) -> AccessToken:
        """The access token, verified, or 401."""
        try:
            return decoded(AccessToken, raw_token)
        except TokenError as error:
            raise refusal("token_not_valid") from error

    def get_user(self, validated_token: Token) -> User:  # type: ignore[override]  # a TypeVar there, one class here
        """The token's account, or 401."""
        try:
            return services.account_of(validated_token)
        except services.Refused as error:
            raise refusal(error.code) from error


def refusal(code: str) -> AuthenticationFailed:
    """The 401 of a refused login or token, in words."""
    if code == "no_active_account":
        return AuthenticationFailed(_("No active account has this e-mail and password. Check both."), code)
    if code in Bar.values:
        return AuthenticationFailed(Bar(code).label, code)
    if code in SENTENCES:
        return AuthenticationFailed(SENTENCES[code], code)
    return AuthenticationFailed(_("The token is invalid, expired or no longer accepted. Log in again."), code)
