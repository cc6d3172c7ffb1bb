"""How a host takes a task."""

from __future__ import annotations

from typing import Any, TypedDict


class Claim(TypedDict):
    """Body of `POST tasks/<id>/claim`."""

    claim_id: str
    boot_id: str
    protocol: int
    version: str


class Assignment(TypedDict):
    """Answer to a claim, and one row of `GET hosts/me/assignments`."""

    task: str
    order: str
    kind: str
    attempt: int
    claim_id: str
    lease: float
    deadline: int
    report_every: float
    spec: dict[str, Any]
