"""What the two commands of this room have in common: naming an image, and saying how far it is trusted."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Final

from workers.errors import HostError, JobError
from workers.imaging.source import Papers, Source

_KEY: Final = re.compile(r"[0-9a-fA-F]{64}")
_MAX_KEY_FILE: Final = 4096


def add_image_arguments(parser: argparse.ArgumentParser, *, image: str = "NAME.img.zst or NAME.img") -> None:
    parser.add_argument("image", metavar="IMAGE", type=Path, help=image)
    parser.add_argument("--bmap", type=Path, metavar="FILE", help="the block map, if not beside the image")
    parser.add_argument(
        "--signing-key",
        metavar="HEX|FILE",
        help="the public key (64 hex digits) that must have signed the manifest, or a file that holds it",
    )


def key_of(text: str | None) -> str | None:
    """The key in hex, from the option's value or the file that it names; JobError `bad_key`."""
    if text is None or _KEY.fullmatch(text):
        return text
    try:
        with open(text, encoding="ascii") as file:
            found = file.read(_MAX_KEY_FILE).strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not plain text"
        raise JobError(
            "bad_key",
            f"{text} is neither a public key of 64 hex digits nor a file with one ({why}); give either.",
        ) from error
    if not _KEY.fullmatch(found):
        raise JobError("bad_key", f"{text} does not hold a public key of 64 hex digits and nothing else.")
    return found


def host_error(error: OSError) -> HostError:
    """What the machine itself refused: a file that may not be read, a disk that fails."""
    what = error.filename or "this machine"
    return HostError(
        "host_io", f"{what}: {error.strerror or error}; check the file, the disk and your rights."
    )


def trust(source: Source | Papers) -> str:
    """How much is known about where the image comes from, in a sentence."""
    if source.signed:
        return "The manifest is signed by the key that you trust, and the image matches it."
    if source.manifest:
        return (
            "The image is checked against its manifest, but nothing proves who made it: --signing-key would."
        )
    return "There is no manifest: only the block map, if there is one, vouches for the image."
