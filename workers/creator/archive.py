"""Archives: what is in them, exactly, and then their content, straight to where it belongs."""

from __future__ import annotations

import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Final

from workers.creator.members import Kind, Member, Members
from workers.creator.packing import DAMAGED, Bzip2, Decoder, Gzip, Raw, Xz, Zstd, pieces_of, plain
from workers.creator.stamps import tar_attributes, tar_time, zip_time
from workers.imaging.program import Check, unasked

Content = tuple[Member, Iterator[bytes]]

_PIECE: Final = 1 << 20
_LOCAL_HEADER: Final = 30
_ENCRYPTED: Final = 1
_UNIX: Final = 3
_WAYS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile unpacks the others without a bound
_HEADERS: Final = (
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
)  # fmt: skip
_LONGEST_HEADER: Final = 1 << 20
_DECODERS: Final[dict[str, Callable[[], Decoder]]] = {
    "tar": Raw, "gztar": Gzip, "bztar": Bzip2, "xztar": Xz, "zst": Zstd, "zstar": Zstd,
}  # fmt: skip
_ZIP_DAMAGE: Final = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError, OverflowError,
    UnicodeDecodeError,
)  # fmt: skip


@dataclass(frozen=True)
class Arriving:
    """A tar on its way, of `packed` bytes; see `Archive`. Its members are known when they come."""

    packed: int
    via: str
    to: str
    where: str
    limit: int

    def contents(self, pieces: Iterator[bytes]) -> Iterator[Content]:
        """As those of an archive at hand; `pieces` end when the whole is proved to be the right one."""
        rules = Members(self.where, self.to, packed=self.packed, limit=self.limit)
        return _taken(_tar(pieces, self.packed, self.via, rules, unasked), rules)


@dataclass(frozen=True)
class Archive:
    """An archive at hand. `to`: the folder it is unpacked into, `/data/…`; `where` names it for people."""

    place: Path
    via: str
    to: str
    where: str
    limit: int

    def members(self, check: Check) -> list[Member]:
        """All of it that is taken, in its order, nothing unpacked. JobError `bad_archive`, `too_large`."""
        rules = Members(self.where, self.to, packed=self.place.stat().st_size, limit=self.limit)
        found = []
        for member, _ in self._walk(rules, check):
            check()
            if (taken := rules.take(member)) is not None:
                found.append(taken)
        rules.finish()
        return found

    def contents(self, check: Check = unasked) -> Iterator[Content]:
        """The same members again, each with its bytes, to be read before the next one is asked for."""
        rules = Members(self.where, self.to, packed=self.place.stat().st_size, limit=self.limit)
        return _taken(self._walk(rules, check), rules)

    def _walk(self, rules: Members, check: Check) -> Iterator[Content]:
        if self.via == "zip":
            return _zip(self.place, rules)
        return _tar(pieces_of(self.place), self.place.stat().st_size, self.via, rules, check)


def _taken(walk: Iterator[Content], rules: Members) -> Iterator[Content]:
    for member, pieces in walk:
        if (taken := rules.take(member)) is not None:
            yield taken, _exactly(taken, pieces, rules)
    rules.finish()


def _exactly(member: Member, pieces: Iterator[bytes], rules: Members) -> Iterator[bytes]:
    left = member.size
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise rules.bad(f"{member.path!r} holds more than it says", "pack it anew")
        yield piece
    if left:
        raise rules.bad(f"{member.path!r} is cut short", "fetch or pack it anew")


# Zip.


def _zip(place: Path, rules: Members) -> Iterator[Content]:
    with _zip_errors(rules), zipfile.ZipFile(place) as archive:
        infos = archive.infolist()
        _check_overlaps(infos, place.stat().st_size, rules)
        for info in infos:
            member = _zip_member(info, archive, rules)
            yield member, _zip_pieces(archive, info, member, rules)


@contextmanager
def _zip_errors(rules: Members) -> Iterator[None]:
    try:
        yield
    except _ZIP_DAMAGE as error:
        raise rules.bad(f"it is damaged or no zip archive ({error})", "fetch or pack it anew") from error


def _check_overlaps(infos: list[zipfile.ZipInfo], size: int, rules: Members) -> None:
    """Members that share their bytes multiply them: the zip bomb without nesting."""
    placed = sorted(infos, key=lambda info: info.header_offset)
    ends = [info.header_offset for info in placed[1:]] + [size]
    for info, end in zip(placed, ends, strict=True):
        if info.header_offset + _LOCAL_HEADER + info.compress_size > end:
            raise rules.bad(f"{info.filename!r} overlaps another member")


def _zip_member(info: zipfile.ZipInfo, archive: zipfile.ZipFile, rules: Members) -> Member:
    if info.flag_bits & _ENCRYPTED:
        raise rules.bad(f"{info.filename!r} is encrypted")
    if info.compress_type not in _WAYS:
        raise rules.bad(f"{info.filename!r} is packed in a way that is not known ({info.compress_type})")
    mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
    kind, (mtime, rest) = stat.S_IFMT(mode), zip_time(info)
    if info.is_dir():
        mode = stat.S_IMODE(mode) or 0o755
        return Member(info.filename, Kind.FOLDER, mode=mode, mtime=mtime, nanoseconds=rest)
    if kind == stat.S_IFLNK:
        if info.file_size > _PIECE:
            raise rules.bad(f"the link {info.filename!r} has no usable target")
        target = archive.read(info).decode("utf-8", "surrogateescape")
        return Member(info.filename, Kind.LINK, target=target, mtime=mtime, nanoseconds=rest)
    if kind not in {0, stat.S_IFREG}:
        raise rules.bad(f"{info.filename!r} is a device, a pipe or a socket")
    mode = stat.S_IMODE(mode) or 0o644
    return Member(info.filename, Kind.FILE, info.file_size, mode, mtime=mtime, nanoseconds=rest)


def _zip_pieces(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, member: Member, rules: Members
) -> Iterator[bytes]:
    if member.kind is not Kind.FILE:
        return
    with _zip_errors(rules), archive.open(info) as file:
        yield from iter(lambda: file.read(_PIECE), b"")


# Tar.


class _Pull(io.RawIOBase):
    """The plain bytes of a packed tar as a file to read on from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts, left = [], size
        while left:
            if not self._rest:
                piece = next(self._pieces, None)
                if piece is None:
                    break
                self._rest = piece
                continue
            part, self._rest = self._rest[:left], self._rest[left:]
            parts.append(part)
            left -= len(part)
        return b"".join(parts)


class _Info(tarfile.TarInfo):
    """A header. Long names and attributes have headers of their own, which tarfile reads whole."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _HEADERS and self.size > _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {self.size} bytes")
        whole: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        return whole


def _tar(packed: Iterator[bytes], size: int, via: str, rules: Members, check: Check) -> Iterator[Content]:
    pieces = _counted(plain(packed, _DECODERS[via]()), size, rules, check)
    with _tar_errors(rules, via):
        with tarfile.open(fileobj=_Pull(pieces), mode="r|", errorlevel=2, tarinfo=_Info) as archive:
            for info in archive:
                member = _tar_member(info, rules)
                yield member, _tar_pieces(archive, info, member)
                archive.members = []  # type: ignore[attr-defined]  # else millions would be kept
            _check_end(archive, rules)
        for _ in pieces:  # the proof that nothing was cut
            pass


def _counted(pieces: Iterator[bytes], packed: int, rules: Members, check: Check) -> Iterator[bytes]:
    """Stops what unfolds without end, also where it lies in names or padding, and hears a cancel there."""
    whole = Members(rules.where, "/data", packed=packed, limit=1 << 62)
    for piece in pieces:
        check()
        whole.unfold(len(piece))
        yield piece


def _check_end(archive: tarfile.TarFile, rules: Members) -> None:
    """A damaged header looks like the end: behind the true one there is nothing but padding."""
    stream = archive.fileobj
    while stream is not None and (piece := stream.read(_PIECE)):
        if any(piece):
            raise rules.bad("there is something behind its end", "fetch or pack it anew")


@contextmanager
def _tar_errors(rules: Members, via: str) -> Iterator[None]:
    try:
        yield
    except (*DAMAGED, tarfile.TarError, EOFError, ValueError, UnicodeError) as error:
        raise rules.bad(f"it is damaged or no {via} archive ({error})", "fetch or pack it anew") from error


def _tar_member(info: tarfile.TarInfo, rules: Members) -> Member:
    mtime, rest = tar_time(info)
    made = Member(
        info.name, Kind.FILE, info.size, info.mode & 0o7777, max(info.uid, 0), max(info.gid, 0), mtime,
        nanoseconds=rest, attributes=tar_attributes(info),
    )  # fmt: skip
    if info.isdir():
        return replace(made, kind=Kind.FOLDER, size=0)
    if info.issym():
        return replace(made, kind=Kind.LINK, size=0, target=info.linkname)
    if info.islnk():
        return replace(made, kind=Kind.HARD, size=0, target=info.linkname)
    if not info.isfile():
        raise rules.bad(f"{info.name!r} is a device or a pipe")
    return made


def _tar_pieces(archive: tarfile.TarFile, info: tarfile.TarInfo, member: Member) -> Iterator[bytes]:
    file: IO[bytes] | None = archive.extractfile(info) if member.kind is Kind.FILE else None
    if file is not None:
        yield from iter(lambda: file.read(_PIECE), b"")
