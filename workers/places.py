"""Where things lie below a host's data folder, and how they are cleared away."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from workers import mounts
from workers.contract import ARTIFACT_SUFFIXES
from workers.errors import HostError, JobError

PART_SUFFIX = ".part"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")

_log = structlog.get_logger()


def work_folder(data: Path, task: str, attempt: int) -> Path:
    """The private folder of one attempt; nothing in it outlives the attempt."""
    return data / "work" / f"{_uuid(task)}.{int(attempt)}"


def work_folders(data: Path) -> list[tuple[str, int]]:
    """Tasks and attempts that have a private folder; whatever else lies there is left alone."""
    work = data / "work"
    names = (folder.name.partition(".") for folder in work.iterdir()) if work.is_dir() else ()
    return [(task, int(attempt)) for task, _, attempt in names if attempt.isdecimal() and _is_uuid(task)]


def built_folder(data: Path, task: str) -> Path:
    """The finished image of a task that has not come to the warehouse yet; it outlives the attempt."""
    return data / "built" / _uuid(task)


def built_tasks(data: Path) -> list[tuple[str, float]]:
    """Tasks of which a finished image lies here, and since when (seconds since 1970)."""
    built = data / "built"
    found = []
    for folder in built.iterdir() if built.is_dir() else ():
        with suppress(FileNotFoundError):  # removed in this moment, by the process of an attempt
            if _is_uuid(folder.name):
                found.append((folder.name, folder.stat().st_mtime))
    return found


def images_folder(data: Path, order: str) -> Path:
    """The downloaded files of one order, shared by all its cards."""
    return data / "images" / _uuid(order)


def locks_folder(data: Path) -> Path:
    """Locks of workers and slots."""
    return data / "locks"


def artifact(folder: Path, name: str) -> Path:
    """The place of the file `name` in `folder`; names that lead elsewhere are refused."""
    if not _NAME.fullmatch(name) or not name.endswith(ARTIFACT_SUFFIXES):
        raise JobError(
            "bad_name",
            f"{name!r} names no file of an image: expected NAME{', NAME'.join(ARTIFACT_SUFFIXES)}.",
        )
    return folder / name


def clear_work(data: Path, task: str, attempt: int) -> None:
    """Remove the private folder of an attempt, if there is one.

    What a killed builder has mounted there is let go before: removing the folder would empty that, too.
    """
    folder = work_folder(data, task, attempt)
    mounts.let_go(folder)
    mounts.check_free(folder)
    _remove(folder)


def clear_built(data: Path, task: str) -> None:
    """Remove the finished image of a task, if there is one."""
    _remove(built_folder(data, task))


@contextmanager
def left_in_place() -> Iterator[None]:
    """What cannot be removed stays and is logged: a folder that is left holds up no other work."""
    try:
        yield
    except HostError as error:
        _log.error("a folder stays", code=error.code, detail=error.message)
    except OSError as error:
        _log.error("a folder stays; remove it by hand", code="not_removed", detail=str(error))


def clear_images(data: Path, order: str) -> None:
    """Remove what was downloaded of an order that nobody wants any more, whole files and parts."""
    _remove(images_folder(data, order))


def prune(data: Path, keep: Collection[str]) -> list[str]:
    """Remove the images of every order that is not in `keep`; the orders removed.

    What cannot be removed keeps none of the others: HostError `not_removed` names it afterwards.
    """
    images = data / "images"
    gone, stuck = [], []
    for folder in sorted(images.iterdir()) if images.is_dir() else []:
        if folder.name in keep or not _is_uuid(folder.name):
            continue
        try:
            _remove(folder)
            gone.append(folder.name)
        except OSError as error:
            stuck.append(f"{error.filename or folder} ({error.strerror})")
    if stuck:
        raise HostError(
            "not_removed",
            f"Images that nobody needs any more cannot be removed: {', '.join(stuck)}. Remove them by hand.",
        )
    return gone


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, onerror=_not_gone)


def _not_gone(_function: object, _path: str, error: tuple[Any, BaseException, Any]) -> None:
    """What somebody else removes meanwhile is gone, too; the rest must go yet."""
    if not isinstance(error[1], FileNotFoundError):
        raise error[1]


def _is_uuid(name: str) -> bool:
    """Whether a folder of this name is ours; whatever else lies there is left alone."""
    try:
        return _uuid(name) == name
    except JobError:
        return False


def _uuid(text: str) -> str:
    """Ids become folder names: anything but a UUID is refused."""
    try:
        return str(UUID(text))
    except (ValueError, AttributeError, TypeError):
        raise JobError(
            "bad_id", f"{text!r} is not a task or order id: the server's answer cannot be used."
        ) from None
