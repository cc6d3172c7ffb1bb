"""A JSON file that somebody sends: bounded, one object, and what is wrong with it in sentences."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from imager.sizes import apart


def read(file: UploadedFile[Any]) -> dict[str, Any]:
    """The JSON object of a file; one that is too large is not read at all. ValidationError."""
    if (file.size or 0) > limit():
        raise too_large(file.size or 0)
    return load(file.read())


def load(text: bytes) -> dict[str, Any]:
    """The JSON object, or ValidationError with a sentence."""
    if len(text) > limit():
        raise too_large(len(text))
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        told = _("This is no JSON (line %(line)s). Choose a file that was exported as JSON.")
        raise ValidationError(told % {"line": error.lineno}) from error
    except (ValueError, RecursionError) as error:
        raise ValidationError(_("This is no JSON text. Choose a file that was exported as JSON.")) from error
    if not isinstance(data, dict):
        raise ValidationError(_("The JSON must be one object { … }, as an export is."))
    return data


def limit() -> int:
    """Bytes of a file, at most."""
    most: int = settings.IMPORT_BYTES
    return most


def sentences(error: ValidationError) -> list[str]:
    """What is wrong, each with the field's name in front: the file's fields stand in no form."""
    if not hasattr(error, "error_dict"):
        return list(error.messages)
    return [f"{name}: {sentence}" for name, all_ in error.message_dict.items() for sentence in all_]


def too_large(size: int) -> ValidationError:
    """The file has more bytes than are read."""
    has, most = apart(size, limit())
    words = {"has": has, "limit": most}
    return ValidationError(
        _("The file has %(has)s; at most %(limit)s are read. Export it again, with smaller logos.") % words,
        "too_large",
    )
