"""`manage.py verify_image NAME|FILE…`: are images what their creators made?"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from orders import verification
from orders.verification import NotVerifiable
from warehouse.services import Unavailable

USAGE, HOST = 2, 4  # exit codes of `workers.creator.verify` for what is not the image's fault


class Command(BaseCommand):
    """The exit code is that of the worst image: docs/images.md."""

    help = (
        "Check images offline against the key of the creator that built them. Published images are named "
        "by the order's number or the image's name; files of an image lie on this machine."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("artifacts", nargs="+", metavar="NAME|FILE")
        parser.add_argument("--public-key", metavar="KEY", help="64 hex digits, or a file (hex or PEM)")
        parser.add_argument("--json", action=argparse.BooleanOptionalAction, default=False)
        parser.add_argument("--place", type=Path, help="folder to fetch images to that lie elsewhere")

    def handle(self, *args: Any, **options: Any) -> None:
        answers = []
        worst = 0
        for name in options["artifacts"]:
            try:
                code, answer = _verify(name, options)
            except (NotVerifiable, Unavailable) as error:
                raise CommandError(str(error), returncode=HOST) from error
            except OSError as error:
                text = _("“%(name)s” cannot be checked: %(why)s") % {"name": name, "why": error}
                raise CommandError(text, returncode=HOST) from error
            worst = max(worst, code)
            answers.append(answer)
        self.stdout.write(_joined(answers) if options["json"] else "".join(answers))
        if worst:
            sys.exit(worst)


def _verify(name: str, options: dict[str, Any]) -> tuple[int, str]:
    """Exit code and answer. What lies on this machine goes before what is published."""
    if Path(name).is_file() or "/" in name:
        key = options["public_key"] or _only_key()
        done = verification.verify([Path(name).absolute()], key, as_json=options["json"])
        return done.returncode, done.stdout
    order = verification.order_of(name)
    key = options["public_key"] or verification.key_of(order)
    with verification.local_files(order, options["place"]) as path:
        done = verification.verify([path], key, as_json=options["json"])
    return done.returncode, done.stdout.replace(str(path), f"{order} {path.name}")


def _only_key() -> str:
    keys = verification.known_keys()
    if len(keys) == 1:
        return keys[0]
    text = _("The server knows %(count)d creators' keys; say with --public-key which one should have signed.")
    raise CommandError(text % {"count": len(keys)}, returncode=USAGE)


def _joined(answers: list[str]) -> str:
    """One list of all images; a trouble stands in it as it is."""
    pages: list[Any] = []
    for answer in answers:
        page = json.loads(answer or "[]")
        pages += page if isinstance(page, list) else [page]
    return json.dumps(pages)
