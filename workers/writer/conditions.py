"""Under which conditions a card is written: what its order asks for, and how long it may hesitate."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final, Protocol

from workers.writer.watch import Patience

STAMPS: Final = 64
NUMBER: Final = 16  # bytes
AWAY: Final = 60.0  # seconds; a reader that is reset is back within some


class Returning(Protocol):
    """How to get a card back that went away with its reader."""

    def reopen(self) -> bool:
        """Open what is at the same place now, in place of what is lost; False if nothing is there yet."""

    def permitted(self) -> None:
        """Raise unless whoever allowed this writing allows it on; called before the first byte."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Rates are bytes per second, 0 for none asked; `depth` None: as many calls at once as fit the reader.

    `away`: seconds within which a card that went away with its reader may come back.
    `number`: drawn for this one writing, and never again; its stamps carry it.
    `stamps`: random blocks in free space that must still be there in the end.
    `differential`: write only what differs, if the card carries our stamps and holds most of the image.
    `discard`: have the card erase what it holds, before it is written; None: where that is worth while.
    """

    rewrites: int = 2
    patience: Patience = field(default_factory=Patience)
    depth: int | None = None
    stamps: int = STAMPS
    min_write_rate: float = 0
    min_read_rate: float = 0
    differential: bool = True
    discard: bool | None = None
    number: bytes = field(default_factory=lambda: os.urandom(NUMBER))
    away: float = AWAY
    returning: Returning | None = None
