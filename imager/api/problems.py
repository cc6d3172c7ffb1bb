"""Errors of the API as RFC 9457 problem details, wherever they come from."""

from __future__ import annotations

import json
import logging
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError, ValidationError
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder
from rest_framework.views import exception_handler

from imager.accounts.ledger import ShortOfUnits
from imager.lifecycle import IllegalMove, LostRace

log = logging.getLogger(__name__)

# psycopg's own, character_not_in_repertoire, untranslatable_character. Other data errors are our mistakes.
_OF_TEXT: Final = frozenset({None, "22021", "22P05"})


class Problem(APIException):
    """A refusal with a stable code: `raise Problem(409, "taken", "…")`. `extra` joins the body."""

    def __init__(self, status_code: int, code: str, detail: str, **extra: Any) -> None:
        super().__init__(detail, code)
        self.status_code = status_code
        self.extra = extra


def too_large() -> Problem:
    """The body is larger than DATA_UPLOAD_MAX_MEMORY_SIZE."""
    text = _("At most %(limit)d bytes are taken in one body. Send less at a time.")
    return Problem(413, "too_large", text % {"limit": settings.DATA_UPLOAD_MAX_MEMORY_SIZE})


def problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: every error leaves as `application/problem+json`."""
    if isinstance(error, ShortOfUnits):
        error = Problem(status.HTTP_409_CONFLICT, error.code, str(error))
    if isinstance(error, IllegalMove | LostRace):
        error = Problem(
            status.HTTP_409_CONFLICT, "conflict", _("That is no longer possible: %(what)s") % {"what": error}
        )
    if isinstance(error, OperationalError | InterfaceError):
        log.error("database away: %s", type(error).__name__)
        away = _("The database does not answer now. Try again in a minute.")
        error = Problem(status.HTTP_503_SERVICE_UNAVAILABLE, "away", away)
    if isinstance(error, RequestDataTooBig):
        error = too_large()
    if _is_unstorable(error):
        error = ParseError(_("Some text cannot be stored: it holds a zero byte or half a character."))
    response = exception_handler(error, context)
    if response is None:
        return None
    code = getattr(error, "default_code", "error")
    detail: Any = response.data
    body: dict[str, Any] = {"type": "about:blank", "status": response.status_code}
    if isinstance(error, ValidationError):
        body |= {"title": _("Invalid input"), "code": "invalid", "errors": detail}
        body["detail"] = _("Some fields cannot be accepted; see “errors”.")
    else:
        text = detail.get("detail", "") if isinstance(detail, dict) else detail
        code = getattr(text, "code", code)
        body |= {"title": str(code).replace("_", " "), "code": str(code), "detail": str(text)}
    body |= getattr(error, "extra", {})
    response.data = _encodable(body)
    response.content_type = "application/problem+json"
    return response


def _is_unstorable(error: Exception) -> bool:
    """Whether it is about text that JSON can hold, but neither UTF-8 nor PostgreSQL."""
    if isinstance(error, DataError):
        return getattr(error.__cause__, "sqlstate", "") in _OF_TEXT
    return isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed"


def _encodable(body: dict[str, Any]) -> dict[str, Any]:
    """With “?” for halves of characters: refusals repeat what was sent."""
    told = json.dumps(body, cls=JSONEncoder, ensure_ascii=False)
    encodable: dict[str, Any] = json.loads(told.encode(errors="replace"))
    return encodable
