"""What two versions of a configuration have not in common, in words. Passwords are never told."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext as _

from orders import keeping
from orders.keeping import PLAIN
from orders.models import UPLOADS, Configuration

SECRET: Final = frozenset({"wifi_password", "admin_password"})
SILENT: Final = frozenset({"preload_bytes"})


@dataclass(frozen=True)
class Difference:
    """One field. Lists (contents) tell what came and what went; the others what was and what is."""

    field: str
    label: str
    before: str = ""
    after: str = ""
    added: list[str] = dataclasses.field(default_factory=list)
    removed: list[str] = dataclasses.field(default_factory=list)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """In the order of the form."""
    old, new = keeping.completed(old), keeping.completed(new)
    names = [name for name in (*PLAIN, *UPLOADS) if name not in SILENT]
    found = [_plain(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]
    before, after = old.get("contents", {}), new.get("contents", {})
    added = sorted(title for ident, title in after.items() if ident not in before)
    removed = sorted(title for ident, title in before.items() if ident not in after)
    if added or removed:
        found.append(Difference("contents", label("contents"), added=added, removed=removed))
    return found


def label(name: str) -> str:
    """What people call the field."""
    words = str(getattr(Configuration._meta.get_field(name), "verbose_name", name))
    return words[:1].upper() + words[1:]


def _plain(name: str, before: Any, after: Any) -> Difference:
    show = _secret if name in SECRET else _upload if name in UPLOADS else SHOWN.get(name, _shown)
    return Difference(name, label(name), show(before), show(after))


def _secret(value: Any) -> str:
    return _("hidden") if value else "—"


def _upload(value: Any) -> str:
    return _("a file (%(part)s)") % {"part": value[:8]} if value else "—"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "—"
    return str(value or "—")


def _card_files(value: Any) -> str:
    """`serial.txt: {serial}`, file by file."""
    return "; ".join(f"{each['to']}: {' ⏎ '.join(each['content'].splitlines())}" for each in value) or "—"


SHOWN: Final = {"per_card": _card_files}
