"""Recipes for people: as the builder is told, with passwords and keys hidden unless they are asked for."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from orders import sizes
from orders.models import UPLOADS, Configuration, Media, Order, Upload
from orders.recipe import recipe

HIDDEN: Final = "********"
KEYS: Final = re.compile(r"(?<=/u/)[\w-]{20,}(?=/)")  # in addresses of uploads; see Upload.path


def recipe_of(configuration: Configuration, *, secrets: bool) -> str:
    """The recipe for the smallest download that it fits in, or for its own size if there is none."""
    contents = tuple(configuration.contents.order_by("path"))
    needed = sizes.needed_by(configuration, contents)
    media = sizes.smallest_fitting(Media.Kind.VIRTUAL, needed)
    shown = configuration if secrets else _without_secrets(configuration)
    return recipe(shown, contents, size=media.bytes if media else needed)


def _without_secrets(configuration: Configuration) -> Configuration:
    """A copy that is never saved."""
    fields = {field.attname: getattr(configuration, field.attname) for field in configuration._meta.fields}
    copy = Configuration(**fields)
    copy.admin_password = HIDDEN
    copy.wifi_password = HIDDEN if configuration.wifi_password else ""
    for name in UPLOADS:
        setattr(copy, name, _without_key(getattr(configuration, name)))
    return copy


def _without_key(upload: Upload | None) -> Upload | None:
    if upload is None:
        return None
    fields = {field.attname: getattr(upload, field.attname) for field in upload._meta.fields}
    return Upload(**{**fields, "key": "hidden"})


def ordered(order: Order) -> str:
    """The recipe that the order was placed with; passwords and keys are hidden wherever they stand."""
    told = yaml.safe_load(order.recipe) or {}
    offspot = told.get("offspot") or {}
    secrets = [(offspot.get("admin") or {}).get("password"), (offspot.get("ap") or {}).get("passphrase")]
    shown = _masked(told, _any_of([str(secret) for secret in secrets if secret]))
    return yaml.safe_dump(shown, allow_unicode=True, sort_keys=False, width=4096)


def _any_of(secrets: list[str]) -> re.Pattern[str]:
    """The longest first: one may be a part of another, whose rest would be told. Matches nothing of none."""
    longest_first = sorted(secrets, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")


def _masked(part: Any, secrets: re.Pattern[str]) -> Any:
    if isinstance(part, dict):
        return {name: _masked(value, secrets) for name, value in part.items()}
    if isinstance(part, list):
        return [_masked(value, secrets) for value in part]
    if not isinstance(part, str):
        return part
    return KEYS.sub("hidden", secrets.sub(HIDDEN, part))
