"""Is an image what its creator made? Asked of a program of its own: the web knows nothing of containers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from django.utils.translation import gettext as _

from orders.models import Order
from tasks_app.models import Host
from warehouse import services as warehouse
from warehouse.models import StoredFile
from workers.contract import IMAGE_SUFFIX, Kind

_COPY = 1024 * 1024
_ROOT = Path(__file__).resolve().parent.parent  # where `workers` lies beside us


class NotVerifiable(Exception):
    """There is nothing to check, or nothing to check it with. The message is for people."""


def order_of(name: str) -> Order:
    """By its number (`12` or `#12`), or by the name of its published image or of a file of it."""
    number = name.removeprefix("#")
    if number.isdecimal():
        found = list(Order.objects.filter(number=min(int(number), 2**62)))
    else:
        owners = StoredFile.objects.filter(status=StoredFile.Status.PUBLISHED, name__in=_names(name))
        found = list(Order.objects.filter(pk__in=owners.values("owner")).order_by("number"))
    if not found:
        text = _("“%(name)s” is no order, no published image and no file here. Check the spelling.")
        raise NotVerifiable(text % {"name": name})
    if len(found) > 1:
        numbers = ", ".join(str(order) for order in found)
        text = _("Several orders have an image “%(name)s”: %(numbers)s. Give one of these numbers.")
        raise NotVerifiable(text % {"name": name, "numbers": numbers})
    return found[0]


def key_of(order: Order) -> str:
    """The public key (hex) of the creator that built the image, as the server knows it. NotVerifiable."""
    create = order.tasks.filter(kind=Kind.CREATE).order_by("-attempt").first()
    key = (create and create.spec.get("signing_key")) or ""
    if not key:
        text = _("The server knows no signing key for the image of order %(order)s: give --public-key.")
        raise NotVerifiable(text % {"order": order})
    return str(key)


def known_keys() -> list[str]:
    """The public keys of all creators."""
    known = Host.objects.filter(kind=Host.Kind.CREATOR).exclude(signing_key="")
    return sorted(set(known.values_list("signing_key", flat=True)))


@contextmanager
def local_files(order: Order, place: Path | None = None) -> Iterator[Path]:
    """A folder with the published files of an order, as links where this server sees the warehouse's folder.

    Others are fetched to a folder in `place`, and gone afterwards. NotVerifiable, Unavailable, OSError.
    """
    files = warehouse.published_files(owner=order.pk)
    if not files:
        text = _("Order %(order)s has no image in the warehouse: it is not built yet, or was removed.")
        raise NotVerifiable(text % {"order": order})
    with TemporaryDirectory(prefix="verify-image.", dir=place) as name:
        folder = Path(name)
        _check_room(folder, [file for file in files if not file.warehouse.local_root])
        for file in files:
            _bring(file, folder / file.name)
        yield folder / next(file.name for file in files if file.name.endswith(IMAGE_SUFFIX))


def verify(paths: Sequence[Path], key: str, *, as_json: bool) -> subprocess.CompletedProcess[str]:
    """What `python -m workers.creator.verify` answers, and its exit code; its progress goes to our stderr.

    NotVerifiable when it was killed, or ended without a word.
    """
    argv = [sys.executable, "-m", "workers.creator.verify", *map(str, paths), "--public-key", key]
    done = subprocess.run(
        [*argv, *(["--json"] if as_json else [])],
        cwd=_ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode < 0 or not (done.returncode or done.stdout.strip()):
        text = _("The check did not come to its end (exit code %(code)d): free memory, and try again.")
        raise NotVerifiable(text % {"code": done.returncode})
    return done


def _names(name: str) -> list[str]:
    return [name, f"{name}{IMAGE_SUFFIX}"]


def _check_room(folder: Path, files: Sequence[StoredFile]) -> None:
    needed, free = sum(file.size for file in files), shutil.disk_usage(folder).free
    if needed > free:
        text = _(
            "To fetch the image takes %(needed)d bytes, %(free)d are free in %(folder)s: "
            "free some, or name another folder with --place."
        )
        raise NotVerifiable(text % {"needed": needed, "free": free, "folder": folder.parent})


def _bring(file: StoredFile, target: Path) -> None:
    with warehouse.open_file(file) as source:
        if file.warehouse.local_root:
            target.symlink_to(Path(file.warehouse.local_root) / file.path)
            return
        with target.open("xb") as copy:
            shutil.copyfileobj(source, copy, _COPY)
