"""The proof: read the cards back with means of their own, and compare with what was ordered."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import requests
from rich.console import Console

from imager.demo.seeds import Seeds
from imager.stack.processes import StackError
from workers.imaging import bmap, ext4, ext4_tools, fat, manifest, mbr

SECTOR = 512


class Proof:
    """Checks one after the other; the first that does not hold ends it."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.held = 0

    def holds(self, what: str, *, when: bool, why_not: str = "") -> None:
        """Note that `what` holds, or raise."""
        if not when:
            raise StackError(f"NOT PROVED: {what}. {why_not}")
        self.held += 1
        self.console.print(f"  [green]✔[/green] {what}", highlight=False)


def prove_card(proof: Proof, slot: str, card: Path, folder: Path, seeds: Seeds, trusted_key: str) -> None:
    """One card: its blocks against the signed manifest, its file systems, each file against its source."""
    signed = manifest.verify_file(next(folder.glob("*.manifest.json")), trusted_key)
    proof.holds(
        f"card {slot}: the manifest is signed by the creator host's key",
        when=signed.signing_key == trusted_key,
    )
    map_file = next(folder.glob("*.img.bmap"))
    proof.holds(f"card {slot}: the block map is the manifest's", when=_digest(map_file) == signed.bmap.sha256)
    _prove_blocks(proof, slot, card, bmap.load(map_file))
    boot, root, data = (mbr.find(card, number) for number in (1, 2, 3))
    for name, partition in (("root", root), ("data", data)):
        ext4_tools.check_ext4(card, partition.start)  # raises with e2fsck's words
        proof.holds(f"card {slot}: the {name} file system is clean (e2fsck -fn)", when=True)
    with fat.Fat(card, boot.start) as volume:
        proof.holds(
            f"card {slot}: offspot.yaml is on the boot partition",
            when=b"hostname" in volume.read("/offspot.yaml"),
        )
    with ext4.Ext4(card, data.start) as volume:
        for place, served in seeds.files.items():
            content = volume.read(place.removeprefix("/data"))
            same = len(content) == served.size and hashlib.sha256(content).hexdigest() == served.sha256
            proof.holds(f"card {slot}: {place} equals its source ({served.size:,} bytes)", when=same)


def _prove_blocks(proof: Proof, slot: str, card: Path, blocks: bmap.Bmap) -> None:
    wrong, total = 0, 0
    with card.open("rb") as file:
        for each in blocks.ranges:
            file.seek(each.offset)
            wrong += hashlib.sha256(file.read(each.length)).digest() != _raw(each.sha256)
            total += each.length
    proof.holds(
        f"card {slot}: {len(blocks.ranges)} mapped ranges ({total:,} bytes) have the manifest's digests",
        when=not wrong,
        why_not=f"{wrong} differ",
    )


def _raw(digest: str | bytes | None) -> bytes:
    return bytes.fromhex(digest) if isinstance(digest, str) else digest or b""


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def prove_download(proof: Proof, url: str) -> None:
    """The download link: parts of it, by Range, without any login; and they are parts of a container."""
    answer = requests.get(url, headers={"Range": "bytes=0-1023"}, timeout=60)
    total = answer.headers.get("Content-Range", "").rpartition("/")[2]
    right = answer.status_code == 206 and len(answer.content) == 1024 and total.isdigit()
    proof.holds(
        f"the download link answers 206 to a Range request (of {total} bytes)",
        when=right,
        why_not=f"it answered {answer.status_code}",
    )
    middle = requests.get(url, headers={"Range": f"bytes={int(total) - 16}-"}, timeout=60)
    proof.holds(
        "its last 16 bytes are the index footer of a container", when=middle.content.endswith(b"IMGRIDX1")
    )
    header = json.loads(answer.content[8 : 8 + int.from_bytes(answer.content[4:8], "little")])
    proof.holds(f"it holds an image of {header['size']:,} bytes", when=header["format"] == "imager-zst")
