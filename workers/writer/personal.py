"""An image as one card gets it: the same but for a few bytes, without a copy of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from workers.contract import ChangedRange, PersonalFacts, fill_in
from workers.errors import JobError
from workers.imaging.manifest import Manifest, PerCard
from workers.imaging.per_card import Change, changes_of, check_serial
from workers.imaging.ranges import Range
from workers.imaging.source import Source


class PersonalSource:
    """`inner` with these bytes instead of its own. Ranges that hold them have digests of their own.

    JobError `bad_manifest` if a change lies outside all ranges, or across two.
    """

    def __init__(self, inner: Source, changes: Iterable[Change]) -> None:
        self._inner = inner
        self._changes: dict[int, list[Change]] = {}
        own = {each.offset: each for each in inner.ranges}
        for change in changes:
            self._changes.setdefault(range_of(change, inner.ranges).offset, []).append(change)
        self._original = {start: own[start] for start in self._changes}
        self.changed = tuple(self._digested(each) for each in self._original.values())
        mine = {each.offset: each for each in self.changed}
        self.ranges: Sequence[Range] = tuple(mine.get(each.offset, each) for each in inner.ranges)

    @property
    def image_size(self) -> int:
        return self._inner.image_size

    @property
    def manifest(self) -> Manifest | None:
        return self._inner.manifest

    @property
    def signed(self) -> bool:
        return self._inner.signed

    def read(self, wanted: Range) -> bytes | memoryview:
        if wanted.offset not in self._changes:
            return self._inner.read(wanted)
        buffer = memoryview(bytearray(wanted.length))
        self.read_into(wanted, buffer)
        return buffer

    def read_into(self, wanted: Range, buffer: memoryview) -> None:
        self._inner.read_into(self._original.get(wanted.offset, wanted), buffer)
        for change in self._changes.get(wanted.offset, []):
            start = change.offset - wanted.offset
            buffer[start : start + len(change.data)] = change.data

    def finish(self) -> None:
        self._inner.finish()

    def close(self) -> None:
        self._inner.close()

    def _digested(self, each: Range) -> Range:
        return Range(each.offset, each.length, hashlib.sha256(self.read(each)).hexdigest())


def personal(source: Source, serial: str) -> Source:
    """The image for the card of this serial number; itself, if its manifest asks for nothing of the kind."""
    wanted = wanted_on(source.manifest, serial)
    if not wanted:
        return source
    changes = [
        change
        for each in wanted
        for change in changes_of(each.content, serial, at=each.at, size_at=each.size_at)
    ]
    return PersonalSource(source, changes)


def wanted_on(manifest: Manifest | None, serial: str) -> tuple[PerCard, ...]:
    """The files of its own that the card of this number has; JobError `serial_missing`, `bad_serial`."""
    wanted = manifest.per_card if manifest else ()
    if wanted and not serial:
        names = ", ".join(each.to for each in wanted)
        raise JobError(
            "serial_missing",
            f"Each card of this image has files of its own ({names}): give the serial number of the card.",
        )
    if wanted:
        check_serial(serial)
    return wanted


def facts_of(source: Source, serial: str) -> PersonalFacts | None:
    """For the card's record: what its own files say, and the digests by which it can be verified later."""
    if not isinstance(source, PersonalSource) or source.manifest is None:
        return None
    files = {each.to: fill_in(each.content, serial) for each in source.manifest.per_card}
    changed: list[ChangedRange] = [
        {"offset": each.offset, "length": each.length, "sha256": each.sha256 or ""} for each in source.changed
    ]
    return {"serial": serial, "files": files, "ranges": changed}


def range_of(change: Change, ranges: Sequence[Range]) -> Range:
    """The one that holds all of a change, or JobError `bad_manifest`."""
    for each in ranges:
        if each.offset <= change.offset and change.end <= each.end:
            return each
    raise JobError(
        "bad_manifest",
        f"The manifest places a file of each card at byte {change.offset}, where the image has nothing; "
        "build the image again.",
    )
