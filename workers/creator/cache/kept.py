"""One file of the cache in the hands of a build."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from workers.creator.cache.facts import Facts
from workers.creator.cache.share import Way, share
from workers.creator.cache.shelf import Pin
from workers.errors import HostError


class KeptFile:
    """See `inputs.Kept`. `temporary`: the policy has no place for it; it is gone when it is let go."""

    def __init__(
        self,
        path: Path,
        facts: Facts,
        pin: Pin,
        spoiled: Callable[[KeptFile], None],
        *,
        temporary: bool = False,
    ) -> None:
        self.path, self.facts = path, facts
        self._pin, self._spoiled, self._temporary = pin, spoiled, temporary

    @property
    def size(self) -> int:
        return self.facts.size

    def prove(self, sha256: str) -> None:
        """See `inputs.Kept`."""
        if sha256 == self.facts.content:
            return
        self.let_go()
        self._spoiled(self)
        raise HostError(
            "cache_damaged",
            f"{self.facts.source} has changed in the cache since it was fetched; "
            "it is not used any more, try again",
        )

    def share(self, target: Path, *, read_only: bool) -> Way:
        """The same file at another place, without a second copy where the file system allows it."""
        return share(self.path, target, read_only=read_only)

    def let_go(self) -> None:
        """The entry may leave the cache now."""
        if self._temporary:
            shutil.rmtree(self.path.parent, ignore_errors=True)  # else it is swept by the next one who comes
        self._pin.let_go()
