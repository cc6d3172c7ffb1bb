"""What bodies the API takes: JSON with a bound to its depth."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from imager.api.problems import too_large

DEEPEST: Final = 50  # levels of objects and lists; the deepest body of ours has five


class BoundedJSON(JSONParser):
    """JSON of at most DEEPEST levels: deeper is no body of ours, and breaks whoever walks through it."""

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The body, or ParseError; 413 before it is read if it says itself that it is too large."""
        _refuse_large(parser_context)
        try:
            body = super().parse(stream, media_type, parser_context)
        except ParseError as error:
            raise _no_json(error.__context__) from error
        except RecursionError:
            raise _too_deep() from None
        level = list(_nests([body]))
        for _level in range(DEEPEST):
            level = [inner for outer in level for inner in _nests(outer)]
        if level:
            raise _too_deep()
        return body


def _refuse_large(context: Mapping[str, Any] | None) -> None:
    request = (context or {}).get("request")
    length = request.META.get("CONTENT_LENGTH") if request is not None else ""
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if length and most and int(length) > most:
        raise too_large()


def _nests(outer: Any) -> Iterator[Any]:
    """The objects and lists in an object or a list."""
    inner = outer.values() if isinstance(outer, dict) else outer
    return (each for each in inner if isinstance(each, dict | list))


def _no_json(reason: BaseException | None) -> ParseError:
    text = _("The body is no JSON text. Send one object { … }.")
    if isinstance(reason, json.JSONDecodeError):
        text = _(
            "The body is no JSON (line %(line)d, column %(column)d). Correct it there, and send it again."
        )
        text %= {"line": reason.lineno, "column": reason.colno}
    return ParseError(text)


def _too_deep() -> ParseError:
    text = _("The JSON is nested too deeply: at most %(limit)d levels. Send a flatter body.")
    return ParseError(text % {"limit": DEEPEST})
