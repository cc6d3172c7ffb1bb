"""Tickets: one claim changed at a time."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from warehouse.ftp.refusal import Refused
from warehouse.ftp.tickets import Ticket, verify
from warehouse.ftp.timekeeper import Timekeeper
from workers.contract import Right

KEY = Ed25519PrivateKey.generate()
NOW, A_DAY = 1_800_000_000, 86_400
TASK, ORDER = "5b0f86a8-6f0f-4c57-9c4e-0a7d1f7d9f01", "c1de7f0e-13a2-4f44-8a55-6b1c39a1f3d2"


def _claims(**changes: Any) -> dict[str, Any]:
    claims = {
        "iss": "imager",
        "aud": "warehouse",
        "exp": NOW + 600,
        "task": TASK,
        "attempt": 3,
        "order": ORDER,
        "right": "store",
        "folder": f"{TASK}.3",
        "max_bytes": 1000,
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not ...}


def _verify(headers: dict[str, Any] | None = None, **changes: Any) -> Ticket:
    token = jwt.encode(_claims(**changes), KEY, algorithm="EdDSA", headers=headers or {"kid": "k"})
    return verify(token, user=f"{TASK}.3", find_key={"k": KEY.public_key()}.get, now=NOW)


def test_a_good_ticket() -> None:
    assert _verify() == Ticket(task=TASK, attempt=3, order=ORDER, right=Right.STORE, max_bytes=1000)
    read = _verify(right="read", folder=ORDER, max_bytes=...)
    assert (read.right, read.folder, read.max_bytes) == (Right.READ, ORDER, 0)


def test_two_clocks_may_differ_by_half_a_minute() -> None:
    assert _verify(exp=NOW - 20).attempt == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "api"},
        {"aud": ["warehouse", "api"]},
        {"aud": ...},
        {"iss": "somebody"},
        {"iss": ...},
        {"exp": ...},
        {"exp": NOW - 40},
        {"exp": "soon"},
        {"nbf": NOW + A_DAY},
        {"iat": NOW + A_DAY},
        {"task": ...},
        {"task": TASK.upper(), "folder": f"{TASK.upper()}.3"},
        {"task": "../../etc"},
        {"task": TASK + "\n"},
        {"task": ORDER},
        {"attempt": "3"},
        {"attempt": 0},
        {"attempt": -3},
        {"attempt": True},
        {"attempt": 3.0},
        {"attempt": 4, "folder": f"{TASK}.4"},
        {"order": ...},
        {"order": ".."},
        {"right": "write"},
        {"right": ...},
        {"right": ["store"]},
        {"right": "read"},
        {"folder": ...},
        {"folder": ORDER},
        {"folder": "."},
        {"max_bytes": -1},
        {"max_bytes": "1000"},
        {"max_bytes": True},
        {"max_bytes": 1e18},
    ],
    ids=str,
)
def test_one_wrong_claim_is_enough(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="The ticket is") as caught:
        _verify(**changes)
    assert caught.value.code == 530


@pytest.mark.parametrize("headers", [{"kid": "other"}, {"kid": "../k"}, {"typ": "JWT"}], ids=str)
def test_the_key_must_be_named_and_known(headers: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="The ticket is"):
        _verify(headers)


@pytest.mark.parametrize("token", ["", "a.b.c", "....", "x" * 5000, "\u00e9.\u00e9.\u00e9"])
def test_what_is_no_token_at_all(token: str) -> None:
    with pytest.raises(Refused, match="not in the form of a ticket"):
        verify(token, user=f"{TASK}.3", find_key={"k": KEY.public_key()}.get, now=0)


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("place", [0, 5, 11])
def test_a_token_that_was_touched(part: int, place: int) -> None:
    pieces = jwt.encode(_claims(), KEY, algorithm="EdDSA", headers={"kid": "k"}).split(".")
    piece = pieces[part]
    pieces[part] = piece[:place] + ("A" if piece[place] != "A" else "B") + piece[place + 1 :]
    with pytest.raises(Refused, match="The ticket is"):
        verify(".".join(pieces), user=f"{TASK}.3", find_key={"k": KEY.public_key()}.get, now=NOW)


@pytest.mark.parametrize("off", [-A_DAY, A_DAY])
def test_the_given_moment_counts_and_no_clock_of_this_machine(off: int) -> None:
    token = jwt.encode(_claims(iat=NOW + off, exp=NOW + off + 600), KEY, "EdDSA", headers={"kid": "k"})
    keys = {"k": KEY.public_key()}.get

    assert verify(token, user=f"{TASK}.3", find_key=keys, now=NOW + off + 5).attempt == 3
    with pytest.raises(Refused, match="expired"):
        verify(token, user=f"{TASK}.3", find_key=keys, now=NOW + off + 631)
    with pytest.raises(Refused, match="not valid here yet"):
        verify(token, user=f"{TASK}.3", find_key=keys, now=NOW + off - 31)


def test_the_server_s_clock_is_gone_by_once_it_was_heard() -> None:
    monotonic, wall = [100.0], [5_000.0]
    keeper = Timekeeper(lambda: monotonic[0], lambda: wall[0])
    assert keeper.now() == 5_000

    keeper.heard(90_000.0)
    monotonic[0] += 7
    wall[0] -= A_DAY
    assert keeper.now() == 90_007
