"""What a host asks for before it touches a warehouse or a card."""

from __future__ import annotations

from typing import TypedDict


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
    """Body of `POST tasks/<id>/permit`: the insertion that is about to be wiped and written."""

    event_id: str
    attempt: int
    slot: str
    diskseq: int | None
    boot_id: str
    card_bytes: int
