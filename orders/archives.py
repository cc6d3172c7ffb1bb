"""ZIP archives that people bring along: their index is read, their content is not unpacked here."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import PurePosixPath
from typing import BinaryIO, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from imager.sizes import apart
from imager.sizes import words as size_in_words

FIRST: Final = (b"PK\x03\x04", b"PK\x05\x06")  # of a file; of an archive without any
_END: Final = b"PK\x05\x06"
_END_BYTES: Final = 22
_COMMENT_BYTES: Final = 65_535
TAIL: Final = 1 << 20  # of an archive elsewhere: what is fetched to read its index
MAX_FILES: Final = 65_534
MAX_INDEX: Final = 16 << 20
_END64: Final = b"PK\x06\x06"  # right before its locator, right before the plain end: counts instead of it
_END64_BYTES: Final = 56
_LOCATOR: Final = b"PK\x06\x07"
_LOCATOR_BYTES: Final = 20
BLOCK: Final = 4096
DENSEST: Final = 1_100  # what deflate can make of a byte, at most; more is a lie


def unpacked_bytes(file: BinaryIO, size: int) -> int:
    """Bytes that the archive's files take on a card. `file` may lack the beginning: the index counts.

    ValidationError with a sentence unless it is a ZIP archive that can be put on a card.
    """
    held = file.seek(0, io.SEEK_END)
    _check_end(file, held)
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise _refused(_("The ZIP archive is damaged: its index cannot be read. Make it again.")) from error
    _check_members(members)
    total = sum(member.file_size for member in members)
    limit: int = settings.ZIP_UNPACKED_BYTES
    if total > limit:
        has, most = apart(total, limit)
        words = {"has": has, "limit": most}
        raise _refused(
            _("Unpacked, the archive has %(has)s; at most %(limit)s are taken. Take files out of it.") % words
        )
    if total > max(size, 1) * DENSEST:
        raise _refused(
            _("The archive claims to unfold to %(has)s, which it cannot. Make it again.")
            % {"has": size_in_words(total)}
        )
    return sum(-(-member.file_size // BLOCK) * BLOCK or BLOCK for member in members)


def _check_end(file: BinaryIO, held: int) -> None:
    """Before the index is read: how long it is."""
    file.seek(max(0, held - _END_BYTES - _COMMENT_BYTES - _LOCATOR_BYTES - _END64_BYTES))
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_BYTES:
        raise _refused(_("This is no ZIP archive, or not all of it arrived. Make it again as .zip."))
    files, length = struct.unpack("<HI", tail[at + 10 : at + 16])
    before = tail[max(0, at - _LOCATOR_BYTES - _END64_BYTES) : at]
    if before[_END64_BYTES:].startswith(_LOCATOR) and before.startswith(_END64):
        files, length = struct.unpack("<QQ", before[32:48])
    if files > MAX_FILES or length > MAX_INDEX:
        raise _too_many()


def _too_many() -> ValidationError:
    return _refused(
        _("The archive has too many files: at most %(limit)s are taken. Make several, or fewer files.")
        % {"limit": MAX_FILES}
    )


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_FILES:  # the end of the archive says fewer
        raise _too_many()
    if not any(not member.is_dir() for member in members):
        raise _refused(_("The ZIP archive holds no file. Put some in."))
    for member in members:
        name = member.filename
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or not name.isprintable():
            raise _refused(
                _("The archive holds “%(name)s”, which would lie outside of its folder. Take it out.")
                % {"name": name[:80]}
            )
        if member.flag_bits & 1:
            raise _refused(_("The archive is encrypted. Make it again without a password."))


def _refused(sentence: str) -> ValidationError:
    return ValidationError(sentence, "archive")
