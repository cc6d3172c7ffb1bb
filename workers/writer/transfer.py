"""Whole buffers to and from a card, and what the kernel's refusals mean for people."""

from __future__ import annotations

import errno
from typing import Final

from workers.errors import CardError, HostError, SlotError, WorkError
from workers.writer.card import Card

_GONE: Final = (errno.ENODEV, errno.ENXIO, errno.ENOMEDIUM, errno.ESHUTDOWN)
_PROTECTED: Final = (errno.EPERM, errno.EROFS, errno.EACCES)
_BROKEN: Final = (
    errno.EIO,
    errno.EREMOTEIO,
    errno.ENODATA,
    errno.EILSEQ,
    errno.ETIMEDOUT,
    errno.EBADMSG,
    errno.ENOSPC,
)


class BadSpot(CardError):
    """The card is there, but refused these bytes; another try at the same place may succeed."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__("io_error", message)
        self.offset = offset


class Gone(CardError):
    """The card is not there any more. It may come back."""


def write_fully(card: Card, data: memoryview, offset: int) -> None:
    """Write all of `data`; a short write is continued, one that moves nothing is an error."""
    done = 0
    while done < len(data):
        try:
            count = card.write(data[done:], offset + done)
        except OSError as error:
            raise named(card, error, "write", offset + done) from error
        done += _whole_blocks(card, count, "write", offset + done)


def read_fully(card: Card, buffer: memoryview, offset: int) -> None:
    """Fill `buffer`; a pulled card reads as nothing, without an error."""
    done = 0
    while done < len(buffer):
        try:
            count = card.read_into(buffer[done:], offset + done)
        except OSError as error:
            raise named(card, error, "read", offset + done) from error
        done += _whole_blocks(card, count, "read", offset + done)


def settle(card: Card) -> None:
    """Flush, then drop what memory still holds of the card."""
    try:
        card.flush()
        card.drop_caches()
    except OSError as error:
        raise _unsettled(card, error) from error


def named(card: Card, error: OSError, verb: str, offset: int) -> WorkError:
    """The failure in words. An errno that no card can cause is our bug, and comes back as such."""
    if error.errno in _GONE or not card.present():
        return gone(card)
    if error.errno in _PROTECTED:
        return CardError(
            "write_protected",
            f"{card.name} refuses writing ({error.strerror}); unlock the card's slider or take another card.",
        )
    if error.errno == errno.ENOSPC and card.identity().model == "file":
        return HostError(
            "disk_full",
            f"No space left on the disk that holds {card.name}; free some or move the file.",
        )
    if error.errno in _BROKEN:
        why = f"{card.name} could not {verb} at byte {offset} ({error.strerror})"
        return BadSpot(f"{why}; if it stays so, take another card.", offset)
    return WorkError("unexpected_errno", f"{card.name}: {verb} at byte {offset}: {error}")


def gone(card: Card) -> Gone:
    return Gone(
        "card_gone",
        f"The card in {card.name} was removed or its reader was reset; insert it and start again.",
    )


def not_opened(path: str, error: OSError) -> WorkError:
    """Why a device could not be opened."""
    if error.errno == errno.EBUSY:
        return SlotError("in_use", f"{path} is in use by another program or mounted; unmount it or wait.")
    if error.errno in (errno.ENOMEDIUM, errno.ENXIO, errno.ENODEV):
        return SlotError("no_card", f"There is no card in {path}; insert one.")
    if error.errno == errno.EROFS:
        return CardError(
            "write_protected", f"{path} is write-protected; unlock the card's slider or take another card."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return SlotError(
            "no_permission",
            f"{path} may not be opened by this user; run as root or join the group that owns it.",
        )
    if error.errno == errno.ELOOP:
        return SlotError("symlink", f"{path} became a symbolic link while it was checked; look who did that.")
    return SlotError(
        "no_device", f"{path} cannot be opened ({error.strerror}); check the name and the reader."
    )


def _whole_blocks(card: Card, count: int, verb: str, offset: int) -> int:
    whole = count // card.block * card.block
    if whole > 0:
        return whole
    if not card.present():
        raise gone(card)
    raise BadSpot(f"{card.name} stopped at byte {offset}: it would not {verb} any further.", offset)


def _unsettled(card: Card, error: OSError) -> WorkError:
    if error.errno in _GONE or not card.present():
        return gone(card)
    return CardError(
        "flush_failed",
        f"{card.name} reported an error after the last write ({error.strerror}); take another card.",
    )
