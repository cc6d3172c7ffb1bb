"""What one attempt publishes: the list that a client sends, and the record kept beside the files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from warehouse.ftp import statefile
from warehouse.ftp.names import is_sha256, is_uuid, stem_of
from warehouse.ftp.refusal import NOT_ALLOWED, Refused
from workers.contract import ARTIFACT_SUFFIXES, FileFacts, is_whole

RECORD: Final = ".publication.json"


@dataclass(frozen=True)
class Publication:
    """Whose files these are. The record lies in the folder, so that both move in one rename."""

    task: str
    attempt: int
    files: list[FileFacts]

    def write(self, folder: Path) -> None:
        """Keep the record in `folder`, durably."""
        statefile.write(folder / RECORD, asdict(self))


def read(folder: Path) -> Publication | None:
    """The record in `folder`; None when there is none that can be understood."""
    record = statefile.read(folder / RECORD)
    task, attempt, files = record.get("task"), record.get("attempt"), record.get("files")
    if not is_uuid(task) or type(attempt) is not int or not isinstance(files, list):
        return None
    return Publication(task=str(task), attempt=attempt, files=files)


def parse(argument: str) -> list[FileFacts]:
    """The files of one image out of `SITE PUBLISH`'s hex of JSON. Raises `Refused`."""
    try:
        rows = json.loads(bytes.fromhex(argument))
    except (ValueError, RecursionError) as error:
        raise _no("is not the hex of JSON") from error
    if not isinstance(rows, list) or not all(_is_facts(row) for row in rows):
        raise _no("must be a list of {name, size, sha256}")
    stems = {stem_of(row["name"]) for row in rows}
    endings = [row["name"].removeprefix(f"{stem}") for row in rows for stem in stems]
    if len(stems) != 1 or not is_whole(endings):
        raise _no(f"must name exactly the files {', '.join(ARTIFACT_SUFFIXES)} of one image, and its torrent")
    return [FileFacts(name=row["name"], size=row["size"], sha256=row["sha256"]) for row in rows]


def _is_facts(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and set(row) == {"name", "size", "sha256"}
        and stem_of(row["name"]) is not None
        and type(row["size"]) is int
        and row["size"] >= 0
        and is_sha256(row["sha256"])
    )


def _no(reason: str) -> Refused:
    return Refused(NOT_ALLOWED, f"The list of files {reason}.")
