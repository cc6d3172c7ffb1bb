"""What the demo needs in the database: an organization, its people, contents, a configuration."""

from __future__ import annotations

import hashlib
import json
import random
import secrets
from dataclasses import dataclass
from pathlib import PurePosixPath

from imager.stack.content import Served
from imager.stack.line import Line

MEMBER, STAFF = "amina@example.org", "operator@example.org"
MIB = 1 << 20

# name on the content server → (title, place on the card, size in bytes); the last two are there to be awkward
CONTENTS = {
    "wikipedia_en_medicine_mini.zim": (
        "Medicine (mini)",
        "/data/content/zims/wikipedia_en_medicine_mini.zim",
        24 * MIB + 17,
    ),
    "gutenberg_fr_contes.zim": ("Contes", "/data/content/zims/gutenberg_fr_contes.zim", 9 * MIB),
    "leçons.zip": (
        "Leçons de géographie",
        "/data/content/files/cours/année 1/leçons de géographie.zip",
        3 * MIB + 1,
    ),
    "empty.txt": ("An empty file", "/data/content/files/empty.txt", 0),
}


@dataclass(frozen=True)
class Seeds:
    """What was put in place: logins, the configuration's id, and what must be found on each card."""

    passwords: dict[str, str]
    configuration: int
    files: dict[str, Served]  # by their place on the card


def sow(line: Line) -> Seeds:
    """Put it all in place; a second time the same rows are used again."""
    files = {place: line.content.add(name, _bytes(name, size)) for name, (_, place, size) in CONTENTS.items()}
    rows = [_row(name, files[place]) for name, (_, place, _) in CONTENTS.items()]
    passwords = {email: secrets.token_urlsafe(12) for email in (MEMBER, STAFF)}
    answer = line.manage(
        "seed_demo",
        stdin=json.dumps({"contents": rows, "passwords": passwords, "member": MEMBER, "staff": STAFF}),
    )
    return Seeds(passwords, int(json.loads(answer)["configuration"]), files)


def _row(name: str, served: Served) -> dict[str, object]:
    title, place, size = CONTENTS[name]
    return {
        "ident": f"demo:{PurePosixPath(place).name}",
        "title": title,
        "path": place,
        "url": served.url,
        "size": size,
        "sha256": served.sha256,
    }


def _bytes(name: str, size: int) -> bytes:
    """Bytes that do not compress, the same in each run."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest())
    return random.Random(seed).randbytes(size)  # noqa: S311  # test data, not a secret
