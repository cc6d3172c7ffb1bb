"""What the token endpoints take and give."""

from __future__ import annotations

from rest_framework import serializers

from imager.accounts.services import Pair
from imager.api.strict import Telling

MAX_TOKEN = 4096


class LoginInput(Telling):
    """E-mail and password."""

    email = serializers.CharField(max_length=254)
    password = serializers.CharField(max_length=4096, trim_whitespace=False, write_only=True)
    code = serializers.CharField(
        max_length=20,
        default="",
        allow_blank=True,
        write_only=True,
        help_text="For accounts with a second factor: from its app, or a recovery code.",
    )


class RefreshInput(Telling):
    """A refresh token."""

    refresh = serializers.CharField(max_length=MAX_TOKEN)


class VerifyInput(Telling):
    """Any token of the API."""

    token = serializers.CharField(max_length=MAX_TOKEN, write_only=True)


class PairOutput(serializers.Serializer[Pair]):
    """A pair of tokens; `expires_in` is the life of the access token in seconds."""

    access = serializers.CharField()
    refresh = serializers.CharField()
    expires_in = serializers.IntegerField()
