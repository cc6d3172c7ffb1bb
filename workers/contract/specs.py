"""What a host is told about its task."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from workers.contract.files import FileFacts


class CreateSpec(TypedDict):
    """What a creator needs: the file stem, the recipe as YAML text, and whether to make a torrent."""

    name: str
    recipe: str
    torrent: NotRequired[bool]


class DownloadSpec(TypedDict):
    """What a downloader needs: the files and the public key (hex) that signed the manifest."""

    name: str
    files: list[FileFacts]
    signing_key: str


class SlotFacts(TypedDict):
    """The slot whose card an operator confirmed, as the host last reported it."""

    name: str
    diskseq: int | None
    size: int


class WriteSpec(TypedDict):
    """What a writer needs: image (downloaded before), slot, unit and the card's serial number.

    A card that is slower than the least rates (bytes per second) is refused.
    """

    name: str
    files: list[FileFacts]
    signing_key: str
    unit: int
    serial: str
    slot: SlotFacts
    min_write_rate: NotRequired[float]
    min_read_rate: NotRequired[float]
