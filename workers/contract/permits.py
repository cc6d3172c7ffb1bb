"""What a host asks for before it touches a warehouse or a card."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class Ticket(TypedDict):
    """Answer to `POST tasks/<id>/ticket {attempt}`: where and how to log in to the warehouse."""

    host: str
    port: int
    tls: bool
    user: str
    password: str
    right: str
    expires_in: int


class PermitRequest(TypedDict):
    """Body of `POST tasks/<id>/permit`: the insertion that is about to be wiped and written.

    `card`: what tells the physical card from all others, in any reader: `cid:HEX`, its own number where the
    reader passes it on, or `stamp:HEX`, left on it by an earlier writing. `stamp`: what this writing leaves.

    `follows`: the `diskseq` that this attempt was permitted before. The reader was reset, and the host has
    proved that the same card came back.
    """

    event_id: str
    attempt: int
    slot: str
    diskseq: int | None
    boot_id: str
    card_bytes: int
    card: NotRequired[str]
    stamp: NotRequired[str]
    follows: NotRequired[int]
