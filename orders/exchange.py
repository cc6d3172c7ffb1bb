"""Configurations as JSON: the format that the predecessor exports, stores and imports.

An import takes what it can and says by name what it left out; what is wrong is refused as in the form.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Field
from django.utils.translation import gettext as _

from imager.accounts.models import Organization, User
from imager.sentences import sentences
from imager.sizes import words as size_in_words
from orders import branding, describing, keeping, sizes, uploads
from orders.models import Configuration, Content, Media, Upload

SHOWN: Final = 20  # names in a sentence
KNOWN: Final[dict[str, frozenset[str]]] = {
    "": frozenset(
        [
            "id",
            "name",
            "ssid",
            "project_name",
            "variant",
            "language",
            "timezone",
            "wifi_password",
            "wifi",
            "admin_account",
            "human_size",
            "size",
            "content",
            "options",
            "branding",
            "beta_features",
            "per_card",
        ]
    ),
    "content": frozenset({"zims", "packages", "edupi_resources", "metrics"}),
    "options": frozenset({"kiwix_readers"}),
    "branding": frozenset({"logo", "favicon"}),
    "admin_account": frozenset({"login", "password"}),
    "wifi": frozenset({"password", "protected"}),
}
PICTURE_BYTES: Final = 3 << 20  # the predecessor kept them that large
PICTURES: Final = {
    "logo": ("branding_logo", Upload.Kind.LOGO),
    "favicon": ("branding_favicon", Upload.Kind.FAVICON),
}


def exported(configuration: Configuration, *, secrets: bool) -> dict[str, Any]:
    """As the predecessor writes it. Without `secrets` the passwords are null: an import asks for others."""
    needed = sizes.needed_by(configuration)
    media = sizes.smallest_fitting(Media.Kind.VIRTUAL, needed)
    zims = [c.ident for c in configuration.contents.all() if c.kind == Content.Kind.ZIM]
    others = [c.ident for c in configuration.contents.all() if c.kind != Content.Kind.ZIM]
    return {
        "id": configuration.pk,
        "name": configuration.name,
        "ssid": configuration.ssid,
        "project_name": configuration.domain,
        "variant": configuration.variant,
        "language": str(configuration.language),
        "timezone": configuration.timezone,
        "wifi_password": (configuration.wifi_password or None) if secrets else None,
        "admin_account": {
            "login": configuration.admin_account,
            "password": configuration.admin_password if secrets else None,
        },
        "human_size": size_in_words(needed),
        "size": media.gigabytes if media else None,
        "content": {
            "zims": sorted(zims),
            "packages": sorted(others),
            "edupi_resources": configuration.preload_url or None,
            "metrics": configuration.content_metrics,
        },
        "options": {"kiwix_readers": configuration.option_kiwix_readers},
        "branding": {
            "logo": _picture(configuration.branding_logo),
            "favicon": _picture(configuration.branding_favicon),
        },
        "beta_features": list(configuration.beta_features),
        **({"per_card": configuration.per_card} if configuration.per_card else {}),  # the former knows none
    }


def _picture(upload: Upload | None) -> dict[str, Any] | None:
    if upload is None:
        return None
    with upload.file.open("rb") as file:
        data = base64.b64encode(file.read()).decode()
    return {"fname": upload.name, "data": data, "size": upload.size}


@dataclass
class Taken:
    """What an import made: a configuration that is saved, and what was left out, in sentences."""

    configuration: Configuration
    left_out: list[str] = field(default_factory=list)


def take_in(data: Mapping[str, Any], *, of: Organization, by: User) -> Taken:
    """A new configuration of the organization. ValidationError with sentences by the JSON's own names."""
    _check_characters(data)
    taken = Taken(Configuration(organization=of, created_by=by))
    taken.left_out += _unknown_keys(data)
    _plain(data, taken)
    _passwords(data, taken)
    contents = _contents(data, taken)
    _uploads(data, taken, by)
    _betas(data, taken)
    taken.left_out += [_left_brand(name) for name in branding.unbrand(taken.configuration)]
    _check(taken.configuration, contents)
    keeping.keep(taken.configuration, by=by, contents=contents, note=_("imported"))
    return taken


def _check_characters(data: Mapping[str, Any]) -> None:
    """What JSON can say, and no text of the database can hold."""
    try:
        text = json.dumps(data, ensure_ascii=False)
        text.encode()
    except (UnicodeEncodeError, RecursionError):
        text = "\\u0000"
    if "\\u0000" in text:
        raise ValidationError(
            _("The file holds characters that cannot be stored: NUL, or half a character. Remove them.")
        )


def _unknown_keys(data: Mapping[str, Any]) -> list[str]:
    found = []
    for where, known in KNOWN.items():
        inner = data.get(where) if where else data
        if isinstance(inner, Mapping):
            found += [f"{where}.{key}".lstrip(".")[:60] for key in inner if key not in known]
    if not found:
        return []
    more = ", …" if len(found) > SHOWN else ""
    return [_("Unknown keys: %(keys)s.") % {"keys": ", ".join(found[:SHOWN]) + more}]


def _plain(data: Mapping[str, Any], taken: Taken) -> None:
    one = taken.configuration
    one.name = _text(data, "name", _("Imported"))
    one.ssid = _text(data, "ssid", one.ssid)
    one.domain = _text(data, "project_name", one.domain)
    one.variant = _text(data, "variant", "")
    one.admin_account = _text(_inner(data, "admin_account"), "login", one.admin_account)
    for name in ("language", "timezone"):
        value = _text(data, name, "")
        try:
            cast("Field[Any, Any]", one._meta.get_field(name)).clean(value, one)
            setattr(one, name, value)
        except ValidationError:
            if value:
                words = {"name": name, "value": value[:60], "default": getattr(one, name)}
                taken.left_out.append(_("%(name)s “%(value)s” is unknown: %(default)s is used.") % words)
    one.content_metrics = _inner(data, "content").get("metrics") is True
    one.option_kiwix_readers = _inner(data, "options").get("kiwix_readers") is True
    one.preload_url = _text(_inner(data, "content"), "edupi_resources", "")
    one.per_card = data.get("per_card") or []


def _passwords(data: Mapping[str, Any], taken: Taken) -> None:
    """The new place of the Wi-Fi password wins over the legacy one. A missing admin password is an error."""
    one, legacy = taken.configuration, _inner(data, "wifi")
    if legacy.get("protected", True):
        one.wifi_password = _text(legacy, "password", "")
    one.wifi_password = _text(data, "wifi_password", one.wifi_password)
    one.admin_password = _text(_inner(data, "admin_account"), "password", "")


def _contents(data: Mapping[str, Any], taken: Taken) -> list[Content]:
    content = _inner(data, "content")
    wanted = [*_texts(content, "zims"), *_texts(content, "packages")]
    found = {each.ident: each for each in Content.objects.available().filter(ident__in=wanted)}
    lost = [ident for ident in wanted if ident not in found]
    if lost:
        more = ", …" if len(lost) > SHOWN else ""
        words = {"idents": ", ".join(ident[:80] for ident in lost[:SHOWN]) + more}
        taken.left_out.append(_("Not in the catalogue: %(idents)s.") % words)
    return list(found.values())


def _uploads(data: Mapping[str, Any], taken: Taken, by: User) -> None:
    of = taken.configuration.organization
    if not of.can_brand:
        return
    for key, (name, kind) in PICTURES.items():
        value = _inner(data, "branding").get(key)
        if not isinstance(value, Mapping) or not value.get("data"):
            continue
        try:
            raw = base64.b64decode(str(value["data"]), validate=True)
            fname = str(value.get("fname") or key)
            made = uploads.keep_picture(raw, kind=kind, name=fname, of=of, by=by, limit=PICTURE_BYTES)
            setattr(taken.configuration, name, made)
        except (ValidationError, ValueError) as error:  # b64decode has two kinds of it
            reason = (
                " ".join(error.messages) if isinstance(error, ValidationError) else _("It is not base64.")
            )
            taken.left_out.append(f"branding.{key}: {reason}")


def _betas(data: Mapping[str, Any], taken: Taken) -> None:
    wanted = _texts(data, "beta_features")
    taken.configuration.beta_features = wanted
    branding.leave_betas(taken.configuration, settings.BETA_FEATURES)
    lost = [name for name in wanted if name not in taken.configuration.beta_features]
    if lost:
        taken.left_out.append(_("Beta features left out: %(names)s.") % {"names": ", ".join(lost[:SHOWN])})


def _left_brand(name: str) -> str:
    words = {"field": name, "default": branding.DEFAULTS[name] or "—"}
    return _("%(field)s is “%(default)s”: your organization may not brand its hotspots.") % words


def _check(one: Configuration, contents: Iterable[Content]) -> None:
    """As the form does."""
    errors: dict[str, list[str]] = {}
    try:
        one.clean_fields(exclude=["organization", "created_by", "updated_by"])
    except ValidationError as error:
        told = sentences(error)
        errors = {name: [_first(name, one, each, told[name])] for name, each in error.error_dict.items()}
    if not one.admin_password:
        errors["admin_password"] = [
            _("The file holds no admin password (admin_account.password). Export it with passwords.")
        ]
    if not errors:
        values = {name: getattr(one, name) for name in describing.NAMES}
        draft = describing.Draft(one.organization, values, tuple(contents))
        errors = {name: [sentence] for name, sentence in describing.refusals(draft).items()}
        one.preload_bytes = draft.preload_bytes
    if errors:
        raise ValidationError(errors)


def _first(name: str, one: Configuration, errors: list[ValidationError], told: list[str]) -> str:
    """The first is our validator's, where there is one: what follows says the same in other words."""
    if errors[0].code != "invalid_choice":
        return told[0]
    choices = cast("Field[Any, Any]", one._meta.get_field(name)).choices or []
    words = {"value": str(getattr(one, name))[:60], "choices": ", ".join(str(key) for key, _label in choices)}
    return _("“%(value)s” is none of %(choices)s. Choose one of them, or leave it out.") % words


def _inner(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    return value if isinstance(value, Mapping) else {}


def _text(data: Mapping[str, Any], name: str, default: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) and value else default


def _texts(data: Mapping[str, Any], name: str) -> list[str]:
    value = data.get(name)
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
