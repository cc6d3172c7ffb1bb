"""What a worker says every few seconds, and what it hears."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class HubFacts(TypedDict):
    """A hub (`2-1`) or a root (`usb2`), and the Mb/s of the link that it hangs on itself."""

    path: str
    speed: float | None


class BusFacts(TypedDict):
    """Where a slot's reader hangs on USB: port, Mb/s of its link, and the hubs up to the root.

    `held_back`: a reader of USB 3 on a link of USB 2.
    """

    port: str
    speed: float | None
    held_back: bool
    hubs: list[HubFacts]


class SlotState(TypedDict):
    """One slot in a beat: what is in the reader now. `problem` names why it may not be written.

    `bus` is None for what does not hang on USB, and is left out by older hosts.
    """

    name: str
    present: bool
    size: int
    diskseq: int | None
    model: str
    contents: str
    problem: str
    bus: NotRequired[BusFacts | None]


class Held(TypedDict):
    """An attempt that a worker is at."""

    task: str
    attempt: int


class Beat(TypedDict):
    """Body of `POST hosts/me/beat`, every few seconds, one per worker kind and host.

    It renews the leases of all `attempts`.
    """

    kind: str
    boot_id: str
    version: str
    protocol: int
    free_bytes: int
    running: list[str]
    attempts: NotRequired[list[Held]]
    slots: NotRequired[list[SlotState]]


class BeatAnswer(TypedDict):
    """Task ids that wait for this worker (a bell that needs no broker), and whether to stop claiming.

    `keep`, for writer hosts alone: the orders whose images may still be needed there. All others may go.
    To a beat with `attempts`: `answers`, by task, for those that are not to go on; `pace`, the seconds
    between two beats of a host at work and between two reports without a new step; `every`, the seconds
    between two beats of a host that waits.
    """

    ring: list[str]
    drain: bool
    keep: NotRequired[list[str]]
    answers: NotRequired[dict[str, str]]
    pace: NotRequired[float]
    every: NotRequired[float]
