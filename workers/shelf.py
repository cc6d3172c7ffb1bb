"""The images on this host's disk: each leaves when nobody needs it any more."""

from __future__ import annotations

from collections.abc import Collection

import structlog

from workers import places
from workers.contract import Kind
from workers.errors import HostError
from workers.host import Host

_log = structlog.get_logger()


class Shelf:
    """Cleared by the downloader alone, which also fills it."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._stuck = ""  # what was last said, so that it is said once and not with every beat

    def clear(self, keep: Collection[str]) -> None:
        """Remove the images of all orders but those of `keep` and those that are in work here."""
        try:
            gone = places.prune(self._host.config.data, {*keep, *self._in_work()})
        except HostError as error:
            if error.message != self._stuck:
                _log.warning("images stay behind", code=error.code, detail=error.message)
            self._stuck = error.message
            return
        self._stuck = ""
        for order in gone:
            _log.info("an image that nobody needs any more was removed", order=order)

    def _in_work(self) -> set[str]:
        journal = self._host.journal
        return {begun.order for kind in (Kind.DOWNLOAD, Kind.WRITE) for begun in journal.begun(kind)}
