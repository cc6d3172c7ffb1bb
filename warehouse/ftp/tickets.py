"""Warehouse tickets: short JWTs of the server, checked offline. Nothing of a token is ever logged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from warehouse.ftp.names import is_attempt, is_uuid
from warehouse.ftp.refusal import NOT_LOGGED_IN, Refused
from workers.contract import TICKET_AUDIENCE, Right

ALGORITHMS: Final = ["EdDSA"]
ISSUER: Final = "imager"
LEEWAY: Final = 30  # seconds that two clocks may differ
LARGEST: Final = 2**53

FindKey = Callable[[str], Ed25519PublicKey | None]


@dataclass(frozen=True)
class Ticket:
    """What one login may do: `right` on the folder of one attempt or one order."""

    task: str
    attempt: int
    order: str
    right: Right
    max_bytes: int

    @property
    def user(self) -> str:
        """The user name that belongs to it, and the name of the attempt's folder."""
        return f"{self.task}.{self.attempt}"

    @property
    def folder(self) -> str:
        """The claim `folder`: the attempt's folder in `incoming/`, or the order's in `images/`."""
        return self.user if self.right is Right.STORE else self.order


def verify(token: str, *, user: str, find_key: FindKey, now: float) -> Ticket:
    """The ticket in `token`; raises `Refused` when signature, claims or user do not hold at `now`."""
    key = find_key(_kid(token))
    if key is None:
        raise _no("signed with a key that this warehouse does not know; get a new one")
    try:
        claims = jwt.decode(
            token,
            key=key,
            algorithms=ALGORITHMS,
            audience=TICKET_AUDIENCE,
            issuer=ISSUER,
            options={
                "require": ["exp", "aud", "iss"],
                "strict_aud": True,
                "verify_exp": False,  # by `now`, below: this machine's clock may be wrong
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except jwt.PyJWTError as error:
        raise _no("not valid here; get a new one") from error
    _check_times(claims, now)
    ticket = _ticket(claims)
    if ticket.user != user:
        raise _no("of another task or attempt; the user must be <task>.<attempt> of the ticket")
    return ticket


def _check_times(claims: dict[str, Any], now: float) -> None:
    begins = [claims[name] for name in ("iat", "nbf") if name in claims]
    if any(type(moment) not in {int, float} for moment in (claims["exp"], *begins)):
        raise _no("not valid here; get a new one")
    if claims["exp"] <= now - LEEWAY:
        raise _no("expired; get a new one")
    if any(moment > now + LEEWAY for moment in begins):
        raise _no("not valid here yet; get a new one")


def _kid(token: str) -> str:
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, RecursionError) as error:
        raise _no("not in the form of a ticket") from error
    kid = header.get("kid")
    if header.get("alg") not in ALGORITHMS or not isinstance(kid, str):
        raise _no("not signed in the agreed way")
    return kid


def _ticket(claims: dict[str, Any]) -> Ticket:
    task, order = claims.get("task"), claims.get("order")
    attempt: Any = claims.get("attempt")
    right, size = str(claims.get("right")), claims.get("max_bytes", 0)
    good = is_uuid(task) and is_uuid(order) and type(attempt) is int and is_attempt(f"{task}.{attempt}")
    if not good or right not in set(Right) or type(size) is not int or not 0 <= size <= LARGEST:
        raise _no("incomplete: task, attempt, order, right or max_bytes is wrong")
    ticket = Ticket(task=str(task), attempt=attempt, order=str(order), right=Right(right), max_bytes=size)
    if claims.get("folder") != ticket.folder:
        raise _no("for a folder that its task or order does not own")
    return ticket


def _no(reason: str) -> Refused:
    return Refused(NOT_LOGGED_IN, f"The ticket is {reason}.")
