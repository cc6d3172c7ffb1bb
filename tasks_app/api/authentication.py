"""Hosts call often: account and host come in one query, without the machinery that builds queries."""

from __future__ import annotations

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model
from rest_framework_simplejwt.tokens import Token

from imager.accounts import services
from imager.accounts.authentication import TokenAuthentication, refusal
from imager.accounts.models import User
from imager.api import TokenScheme
from tasks_app.models import Host


def _columns(model: type[Model], alias: str) -> str:
    return ", ".join(f'{alias}."{field.column}"' for field in model._meta.concrete_fields)


_QUERY = f"""
SELECT {_columns(User, "account")}, {_columns(Host, "host")} FROM {User._meta.db_table} account
LEFT JOIN {Host._meta.db_table} host ON host.account_id = account.id WHERE account.id = %s
"""  # noqa: S608  # names of our own tables and columns
_USER = [field.attname for field in User._meta.concrete_fields]
_HOST = [field.attname for field in Host._meta.concrete_fields]


class HostAuthentication(TokenAuthentication):
    """As everywhere, and brings `user.host` along if the account is that of a host."""

    def get_user(self, validated_token: Token) -> User:  # type: ignore[override]  # a TypeVar there, one class here
        """The token's account, or 401."""
        try:
            return services.accepted(_account(validated_token["sub"]), validated_token)
        except services.Refused as error:
            raise refusal(error.code) from error


class HostTokenScheme(TokenScheme):  # type: ignore[no-untyped-call]  # registers itself
    """The schema keeps one name for each class."""

    target_class = "tasks_app.api.authentication.HostAuthentication"
    match_subclasses = False
    priority = 1
    name = "host_token"


def _account(subject: object) -> User | None:
    pk = str(subject)
    if not (pk.isascii() and pk.isdecimal()):
        return None
    with connection.cursor() as cursor:
        cursor.execute(_QUERY, [pk])
        row = cursor.fetchone()
    if row is None:
        return None
    user = User.from_db(DEFAULT_DB_ALIAS, _USER, row[: len(_USER)])
    if row[len(_USER)] is not None:
        host = Host.from_db(DEFAULT_DB_ALIAS, _HOST, row[len(_USER) :])
        host.account = user  # knows its host now, too
    return user
