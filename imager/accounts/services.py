"""Logging in with tokens, exchanging and ending them. What counts is the database, not what a token says."""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from rest_framework_simplejwt import tokens as stock
from rest_framework_simplejwt.exceptions import TokenError

from imager.accounts import addresses, models, second_factor, tokens
from imager.accounts.models import User

T = TypeVar("T", bound=stock.Token)

logger = logging.getLogger(__name__)


class Refused(Exception):
    """No. `code` is stable; why exactly is not told to whoever asks."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Pair:
    """What a login or a refresh answers. `expires_in` is the access token's life in seconds."""

    access: str
    refresh: str
    expires_in: int

    def __repr__(self) -> str:
        return f"Pair(expires_in={self.expires_in})"


def log_in(request: HttpRequest | None = None, *, email: str, password: str, code: str = "") -> Pair:
    """A new pair, the first of its family. Raises Refused.

    An unknown e-mail costs the same time as a wrong password: one hash either way. An account with a second
    factor needs `code`, from its app or a recovery code.
    """
    uncount = _attempt(request, email)
    try:
        user = _recognized(request, email, password, code)
        until = timezone.now() + settings.REFRESH_FAMILY_LIFETIME
        pair = _pair(user, _issue(user, family=uuid.uuid4(), until=until, jti=uuid.uuid4().hex))
    except Refused:
        raise
    except Exception:  # our own trouble, which goes on: it is no guess of theirs
        uncount()
        raise
    uncount()
    return pair


def _recognized(request: HttpRequest | None, email: str, password: str, code: str) -> User:
    """Whoever knows all that this account asks for. Raises Refused."""
    user = ModelBackend().authenticate(request, username=email, password=password)
    if not isinstance(user, User):
        raise Refused("no_active_account")
    if user.bar:
        raise Refused(user.bar)
    if settings.OPEN_SIGNUP and not user.is_host and not addresses.is_confirmed(user):
        raise Refused("address_unconfirmed")
    if second_factor.is_missing(user):
        raise Refused("second_factor_missing")
    if not user.is_host and second_factor.has(user):
        _ask_code(request, user, code)
    return user


def _attempt(request: HttpRequest | None, email: str) -> Callable[[], None]:
    """Count an attempt, with those of the login page; what is returned takes it back: it was right."""
    if request is None:
        return lambda: None
    adapter = get_adapter(request)
    try:
        adapter.pre_authenticate(request, email=email)
    except ValidationError as error:
        raise Refused("too_many_attempts") from error
    return adapter._rollback_login_failed_rl_usage  # type: ignore[no-any-return]  # noqa: SLF001


def _ask_code(request: HttpRequest | None, user: User, code: str) -> None:
    """Raises Refused unless that is a code of the account, which has not been guessed at too often."""
    if not code:
        raise Refused("code_needed")
    guess = second_factor.guess(request, user) if request else None
    if request and not guess:
        raise Refused("too_many_attempts")
    if not second_factor.accepts(user, code):
        raise Refused("code_wrong")
    if guess:
        guess.rollback()


def refresh(text: str) -> Pair:
    """The next pair for a refresh token, which works once. Raises Refused.

    A single UPDATE decides who wins. A repeat within the grace gets the winner's successor (its reply was
    lost); a later one means that somebody has a copy, and ends the whole family.
    """
    token = _decoded(tokens.RefreshToken, text)
    jti_hash = hashed(token["jti"])
    row = models.RefreshToken.objects.select_related("user__organization").filter(pk=jti_hash).first()
    if row is None or not _current(row.user, token) or row.epoch != row.user.token_epoch:
        raise Refused("token_not_valid")
    successor = _exchange(row) or _successor_again(jti_hash)
    if successor is None:
        raise Refused("token_not_valid")
    return _pair(row.user, successor)


def check(text: str) -> User:
    """The account of an access or refresh token that counts at this moment. Raises Refused."""
    token = _decoded(tokens.AnyToken, text)
    is_refresh = token["typ"] == tokens.RefreshToken.token_type
    if is_refresh and not _live().filter(pk=hashed(token["jti"])).exists():
        raise Refused("token_not_valid")
    return account_of(token)


def account_of(token: stock.Token) -> User:
    """The active account of a verified token, if the token is of its present epoch. Raises Refused."""
    user = User.objects.select_related("organization__channel").filter(pk=token["sub"]).first()
    return accepted(user, token)


def accepted(user: User | None, token: stock.Token) -> User:
    """`user`, if the token is the account's and of its present epoch. Raises Refused."""
    if user is None or not _current(user, token):
        raise Refused("token_not_valid")
    return user


def log_out_everywhere(user: User) -> User:
    """End every token and every session of the account, now."""
    User.objects.filter(pk=user.pk).update(token_epoch=F("token_epoch") + 1)
    user.refresh_from_db(fields=["token_epoch"])
    return user


def prune_tokens() -> int:
    """Delete the rows of refresh tokens that have expired; returns how many. Safe to run at any time."""
    deleted, _ = models.RefreshToken.objects.filter(expires_at__lt=Now() - settings.REFRESH_GRACE).delete()
    return deleted


def hashed(jti: str) -> str:
    """How a token's id is kept: a copy of the table is of no use to anybody."""
    return hashlib.sha256(jti.encode()).hexdigest()


@dataclass(frozen=True)
class _Issued:
    """A refresh token's row with the id that the row itself keeps only as a hash."""

    row: models.RefreshToken
    jti: str


def _live() -> QuerySet[models.RefreshToken]:
    return models.RefreshToken.objects.filter(
        consumed_at=None, revoked_at=None, expires_at__gt=Now(), family_expires_at__gt=Now()
    )


def _exchange(row: models.RefreshToken) -> _Issued | None:
    """Consume the row and issue its successor, in one transaction; None for whoever came second."""
    jti = uuid.uuid4().hex
    with transaction.atomic():
        if not _live().filter(pk=row.pk).update(consumed_at=Now(), successor_jti=jti):
            return None
        return _issue(row.user, family=row.family, until=row.family_expires_at, jti=jti)


def _successor_again(jti_hash: str) -> _Issued | None:
    """The successor of a token consumed within the grace; a later repeat revokes the family."""
    row = models.RefreshToken.objects.filter(pk=jti_hash, revoked_at=None).exclude(consumed_at=None).first()
    if row is None:
        return None
    graceful = Q(pk=jti_hash, consumed_at__gt=Now() - settings.REFRESH_GRACE)
    if models.RefreshToken.objects.filter(graceful).exists():
        successor = models.RefreshToken.objects.filter(pk=hashed(row.successor_jti), revoked_at=None).first()
        return _Issued(successor, row.successor_jti) if successor else None
    _revoke_family(row)
    return None


def _revoke_family(row: models.RefreshToken) -> None:
    logger.warning("refresh token used twice: family %s of account %s revoked", row.family, row.user_id)
    family = models.RefreshToken.objects.filter(family=row.family, revoked_at=None)
    while family.update(revoked_at=Now()):
        pass  # once more: a refresh that we had to wait for has just issued another


def _issue(user: User, *, family: uuid.UUID, until: datetime, jti: str) -> _Issued:
    """A new row of the family; it never outlives the family, whose end is `until`."""
    life: timedelta = tokens.RefreshToken.lifetime
    row = models.RefreshToken(
        jti_hash=hashed(jti), family=family, user=user, epoch=user.token_epoch,
        expires_at=min(timezone.now() + life, until), family_expires_at=until,
    )  # fmt: skip
    row.save(force_insert=True)
    return _Issued(row, jti)


def _pair(user: User, issued: _Issued) -> Pair:
    access = tokens.AccessToken.of(user)
    row = issued.row
    refresh_token = tokens.RefreshToken.of(
        user, jti=issued.jti, epoch=row.epoch, issued_at=row.issued_at, expires_at=row.expires_at
    )
    life: timedelta = tokens.AccessToken.lifetime
    return Pair(str(access), str(refresh_token), int(life.total_seconds()))


def _decoded(token_class: type[T], text: str) -> T:
    try:
        return tokens.decoded(token_class, text)
    except TokenError as error:
        raise Refused("token_not_valid") from error


def _current(user: User, token: stock.Token) -> bool:
    """Whether the token is the account's, of its present epoch, and the account may do anything at all."""
    if user.bar or token["sub"] != str(user.pk) or token["epoch"] != user.token_epoch:
        return False
    return not second_factor.is_missing(user)
