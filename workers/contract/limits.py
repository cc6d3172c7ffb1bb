"""Times, sizes and counts that both sides keep to."""

from __future__ import annotations

from typing import Final

from workers.contract.words import Kind

# Times, in seconds. The host gets durations and counts on its own monotonic clock.
LEASE: Final = 90
REPORT_EVERY: Final = 15  # at least; jittered by 20 %
REPORT_AT_MOST_EVERY: Final = 1
RECLAIM: Final = 15 * 60  # of builds; downloads and cards are pinned, only a cancel ends them
BEAT_EVERY: Final = 5
BUILD_LIMIT: Final = 36 * 3600
WIPE_LIMIT: Final = 30 * 60
SLOWEST_TRANSFER: Final = 524_288  # bytes per second
TRANSFER_FLOOR: Final = 600
STALL_LIMIT: Final = 15 * 60
BUILD_STALL_LIMIT: Final = 4 * 3600
TICKET_LIFE: Final = 10 * 60
MAX_ATTEMPTS: Final[dict[Kind, int]] = {Kind.CREATE: 3, Kind.DOWNLOAD: 5, Kind.WRITE: 3}

# Sizes, in bytes.
MAX_LOG_CHUNK: Final = 64 * 1024
MAX_LOG_KEPT: Final = 4 * 1024 * 1024

# Texts, in characters.
MAX_SLOT_NAME: Final = 20  # what fits a tile
MAX_TROUBLE: Final = 4000  # the message of a trouble


def upload_limit(size: int) -> int:
    """The same for an upload. Longer by a stall, so that what it waits for in vain is named before."""
    return transfer_limit(size) + STALL_LIMIT


def transfer_limit(size: int) -> int:
    """Seconds that a transfer or a card write of `size` bytes may take (hard limit)."""
    return max(TRANSFER_FLOOR, size // SLOWEST_TRANSFER)
