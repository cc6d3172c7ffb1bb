"""The proof: read the cards back with means of their own, and compare with what was ordered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import requests
from rich.console import Console

from imager.demo.seeds import Seeds
from imager.stack.content import Served
from imager.stack.processes import StackError
from workers.contract import BMAP_SUFFIX, MANIFEST_SUFFIX
from workers.imaging import bmap, ext4, ext4_tools, fat, manifest, mbr

NAME_WIDTH = 40  # of a content file's name in its line: with the rest it stays below 80 columns


class Proof:
    """Checks one after the other; the first that does not hold ends it."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.held = 0
        self.subject = ""

    def about(self, subject: str) -> None:
        """What the next checks are about."""
        self.subject = subject
        self.console.print(subject, style="bold", highlight=False, markup=False, soft_wrap=True)

    def holds(self, what: str, *, when: bool, why_not: str = "") -> None:
        """Note that `what` holds, or raise."""
        if not when:
            raise StackError(f"NOT PROVED of {self.subject}: {what}. {why_not}".rstrip())
        self.held += 1
        self.console.print("  [green]✔[/green]", end=" ")
        self.console.print(what, highlight=False, markup=False, soft_wrap=True)


def prove_card(
    proof: Proof, slot: str, serial: str, card: Path, folder: Path, seeds: Seeds, trusted_key: str
) -> None:
    """One card: its blocks against the signed manifest, its file systems, each file against its source."""
    proof.about(f"card {serial} in slot {slot}")
    signed = manifest.verify_file(_only(folder, MANIFEST_SUFFIX), trusted_key)
    proof.holds("the manifest is signed by the creator host", when=signed.signing_key == trusted_key)
    map_file = _only(folder, BMAP_SUFFIX)
    proof.holds(
        "the block map is the one that the manifest names", when=_digest(map_file) == signed.bmap.sha256
    )
    _prove_blocks(proof, card, bmap.load(map_file))
    boot, root, data = (mbr.find(card, number) for number in (1, 2, 3))
    for name, partition in (("root", root), ("data", data)):
        ext4_tools.check_ext4(card, partition.start)  # raises with e2fsck's words
        proof.holds(f"the {name} file system is clean (e2fsck -fn)", when=True)
    with fat.Fat(card, boot.start) as volume:
        settings = volume.read("/offspot.yaml")
        files = [path for path in _paths(volume) if len(volume.read(path))]  # raises where a chain is broken
    proof.holds(
        f"the boot file system is whole: {len(files)} files, offspot.yaml among them",
        when=b"hostname" in settings,
    )
    with ext4.Ext4(card, data.start) as content:
        for place, served in seeds.files.items():
            _prove_file(proof, content, PurePosixPath(place), served)


def _only(folder: Path, suffix: str) -> Path:
    """The one file of an image with this suffix."""
    found = list(folder.glob(f"*{suffix}"))
    if len(found) != 1:
        raise StackError(f"{folder} should hold one *{suffix}, but holds {len(found)}.")
    return found[0]


def _prove_blocks(proof: Proof, card: Path, blocks: bmap.Bmap) -> None:
    wrong, total = 0, 0
    with card.open("rb") as file:
        for each in blocks.ranges:
            file.seek(each.offset)
            wrong += hashlib.sha256(file.read(each.length)).hexdigest() != each.sha256
            total += each.length
    proof.holds(
        f"{len(blocks.ranges)} mapped ranges, {total:,} bytes: as the signed map says",
        when=not wrong,
        why_not=f"{wrong} differ",
    )


def _prove_file(proof: Proof, content: ext4.Ext4, place: PurePosixPath, served: Served) -> None:
    found = content.read(str(place).removeprefix("/data"))
    same = len(found) == served.size and hashlib.sha256(found).hexdigest() == served.sha256
    proof.holds(
        f"{place.name:<{NAME_WIDTH}} {served.size:>12,} bytes, as its source",
        when=same,
        why_not=f"{place} has {len(found):,} bytes, or other ones than {served.url}",
    )


def _paths(volume: fat.Fat, folder: str = "") -> Iterator[str]:
    """Each file of a FAT volume."""
    for entry in volume.entries(folder or "/"):
        path = f"{folder}/{entry.name}"
        if entry.folder:
            yield from _paths(volume, path)
        else:
            yield path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def prove_download(proof: Proof, number: int, url: str) -> None:
    """The download link: parts of it, by Range, without any login; and they are parts of a container."""
    proof.about(f"download #{number}")
    answer = requests.get(url, headers={"Range": "bytes=0-1023"}, timeout=60)
    total = answer.headers.get("Content-Range", "").rpartition("/")[2]
    right = answer.status_code == 206 and len(answer.content) == 1024 and total.isdigit()
    proof.holds(
        "the link answers 206 to a Range request" + (f", of {int(total):,} bytes" if right else ""),
        when=right,
        why_not=f"{url} answered {answer.status_code}",
    )
    last = requests.get(url, headers={"Range": f"bytes={int(total) - 16}-"}, timeout=60)
    proof.holds(
        "its last 16 bytes are the footer of an image's index", when=last.content.endswith(b"IMGRIDX1")
    )
    header = json.loads(answer.content[8 : 8 + int.from_bytes(answer.content[4:8], "little")])
    proof.holds(f"it holds an image of {header['size']:,} bytes", when=header["format"] == "imager-zst")
