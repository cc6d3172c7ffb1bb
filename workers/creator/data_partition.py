"""Makes the data partition anew, larger and empty: for what the base had there and the recipe brings."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from workers.creator.base import BaseImage
from workers.creator.epoch import EPOCH
from workers.creator.plan import Sizes
from workers.imaging.ext4 import Superblock
from workers.imaging.ext4_tools import Ext4Identity, make_ext4
from workers.report import Report

_PASSING: Final = frozenset(("needs_recovery", "orphan_present"))  # states rather than features


def format_data(image: Path, base: BaseImage, sizes: Sizes, report: Report) -> None:
    """A new file system over the partition's place, which must be a hole.

    Label and UUID stay the base's, and of its features those that decide who can mount it.
    """
    known = Superblock.read(base.path, base.data.start)
    identity = Ext4Identity(known.label, known.uuid, known.hash_seed)
    make_ext4(
        image,
        base.data.start,
        sizes.data,
        identity,
        now=EPOCH,
        inodes=sizes.inodes,
        features=known.features,
        check=report.check,
    )
    lost = known.features - Superblock.read(image, base.data.start).features - _PASSING
    if lost:
        report.log(f"the new data partition is made without the base image's {', '.join(sorted(lost))}")
