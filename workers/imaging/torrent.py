"""`NAME.img.zst.torrent`: the container's pieces (BitTorrent v1), made while the container is.

The stored file names neither web seeds nor trackers: whoever offers the download adds them, outside of
what the info hash covers. So the same image has the same torrent, wherever and whenever it is built.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from workers.errors import JobError
from workers.imaging import bencode

MAX_SIZE: Final = 8 * 1024 * 1024
_SMALLEST: Final = 256 * 1024
_LARGEST: Final = 16 * 1024 * 1024
_MOST_PIECES: Final = 2000  # what keeps the file below 40 KiB, until pieces are as large as clients like
_DIGEST: Final = 20


@dataclass(frozen=True, slots=True)
class Torrent:
    """One file in pieces: their length in bytes, and the SHA-1 of each, one after another."""

    name: str
    length: int
    piece_length: int
    pieces: bytes

    @property
    def info_hash(self) -> str:
        """By which clients and trackers know it, in hex."""
        return _sha1(bencode.encode(self.info))

    @property
    def info(self) -> bencode.Value:
        # private: images hold passwords of hotspots, so nobody may find their peers but who has the torrent
        return {
            b"length": self.length,
            b"name": self.name.encode(),
            b"piece length": self.piece_length,
            b"pieces": self.pieces,
            b"private": 1,
        }


class Pieces:
    """Takes the container's bytes in any portions and digests each piece."""

    def __init__(self, piece_length: int) -> None:
        self.piece_length = piece_length
        self._digests: list[bytes] = []
        self._hash = hashlib.sha1(usedforsecurity=False)
        self._open = 0
        self._length = 0

    def update(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        self._length += len(view)
        while view:
            part = view[: self.piece_length - self._open]
            self._hash.update(part)
            self._open += len(part)
            if self._open == self.piece_length:
                self._close()
            view = view[len(part) :]

    def torrent(self, name: str) -> Torrent:
        """What came so far, as the file `name`. The end: nothing may be added afterwards."""
        if self._open:
            self._close()
        return Torrent(name, self._length, self.piece_length, b"".join(self._digests))

    def _close(self) -> None:
        self._digests.append(self._hash.digest())
        self._hash = hashlib.sha1(usedforsecurity=False)
        self._open = 0


def piece_length(most: int) -> int:
    """A good length of pieces for a file of up to `most` bytes: a power of two, 256 KiB to 16 MiB."""
    length = _SMALLEST
    while length < _LARGEST and most > length * _MOST_PIECES:
        length *= 2
    return length


def dumps(torrent: Torrent, builder: str) -> bytes:
    """The file. The same torrent gives the same bytes."""
    return bencode.encode({b"created by": builder.encode(), b"info": torrent.info})


def loads(data: bytes) -> Torrent:
    """A torrent of ours out of its file; JobError `bad_torrent`."""
    if len(data) > MAX_SIZE:
        raise _bad(f"it is larger than {MAX_SIZE} bytes")
    try:
        page = bencode.decode(data)
    except bencode.NotBencode as error:
        raise _bad(f"it is not bencoded in the canonical way, {error}") from error
    info = page.get(b"info") if isinstance(page, dict) else None
    if not isinstance(info, dict):
        raise _bad("it has no info")
    match info:
        case {
            b"name": bytes(name),
            b"length": int(length),
            b"piece length": int(piece),
            b"pieces": bytes(pieces),
            b"private": 1,
            **more,
        } if not more:
            return _checked(Torrent(_name(name), length, piece, pieces))
    raise _bad("its info is not that of one private file in version 1")


def _checked(torrent: Torrent) -> Torrent:
    if not _SMALLEST <= torrent.piece_length <= _LARGEST or torrent.length <= 0:
        raise _bad(f"it has pieces of {torrent.piece_length} bytes and a file of {torrent.length}")
    if len(torrent.pieces) != -(-torrent.length // torrent.piece_length) * _DIGEST:
        raise _bad("its pieces do not add up to its file")
    return torrent


def _name(raw: bytes) -> str:
    try:
        name = raw.decode()
    except UnicodeDecodeError as error:
        raise _bad("the name in it is not UTF-8") from error
    if not name or PurePath(name).name != name:
        raise _bad(f"the name in it is {name!r}")
    return name


def _sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def _bad(what: str) -> JobError:
    return JobError("bad_torrent", f"The torrent is damaged or foreign: {what}; build the image again.")
