"""`NAME.img.zst`: independent zstd frames of 4 MiB with an index that plain zstd passes over.

`docs/formats.md` tells the layout. `pack` makes one, `Reader` seeks in one, `StreamChecker`
checks one while it arrives, `good_prefix` tells how much of a cut download can be kept.
"""

from workers.imaging.container.format import FRAME, Frame
from workers.imaging.container.pack import ContainerFacts, Tap, pack, pack_mapped
from workers.imaging.container.reader import Reader
from workers.imaging.container.stream import StreamChecker, good_prefix, read_stream, resumed, verify

__all__ = [
    "FRAME",
    "ContainerFacts",
    "Frame",
    "Reader",
    "StreamChecker",
    "Tap",
    "good_prefix",
    "pack",
    "pack_mapped",
    "read_stream",
    "resumed",
    "verify",
]
