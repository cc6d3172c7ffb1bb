"""`NAME.img.zst`: independent zstd frames of 4 MiB with an index that plain zstd passes over.

`docs/formats.md` tells the layout. `pack` makes one, `Reader` seeks in one, `StreamChecker`
checks one while it arrives, `good_prefix` tells how much of a cut download can be kept.
"""

from workers.imaging.container.format import FRAME, Frame
from workers.imaging.container.pack import ContainerFacts, pack
from workers.imaging.container.reader import Reader
from workers.imaging.container.stream import StreamChecker, good_prefix, read_stream, resumed, verify

__all__ = [
    "FRAME",
    "ContainerFacts",
    "Frame",
    "Reader",
    "StreamChecker",
    "good_prefix",
    "pack",
    "read_stream",
    "resumed",
    "verify",
]
