"""The usual beat is answered before Django sees it: ten thousand hosts send nothing else all day.

What Django does around a view (signals, middleware, request and response objects, finding the view) costs
half as much again as the beat. Whatever is unusual goes on to Django as it came, which says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse
from django.http.request import split_domain_port, validate_host
from django.middleware.security import SecurityMiddleware
from django.utils import translation

from tasks_app.api.quick import Asked, Busy, answer_to, later, written

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

PATH: Final = "/api/v1/hosts/me/beat"

Environ = dict[str, Any]


class BeatsFirst:
    """The web application, with a short way for beats."""

    def __init__(self, django: WSGIApplication) -> None:
        self._django = django
        self._headers: list[tuple[str, str]] = []

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == PATH and _is_plain(environ):
            try:
                body = _answered(environ)
            except Busy:  # Django's way would wait as long once more
                return _sent(later(), start_response)
            if body is not None:
                length = ("Content-Length", str(len(body)))
                start_response("200 OK", [*self._headers_for(environ), length])
                return [body]
        return self._django(environ, start_response)

    def _headers_for(self, environ: Environ) -> list[tuple[str, str]]:
        """Those of every answer of ours; they depend on settings alone, for all come the same way."""
        if not self._headers:
            response = HttpResponse(content_type="application/json")
            security = SecurityMiddleware(lambda _request: response)
            self._headers = list(security.process_response(WSGIRequest(environ), response).items())
        return self._headers


def _answered(environ: Environ) -> bytes | None:
    told = environ.get
    asked = Asked(
        told("REQUEST_METHOD", ""),
        told("CONTENT_TYPE", ""),
        told("CONTENT_LENGTH", ""),
        told("HTTP_AUTHORIZATION", ""),
        _reader(environ),
    )
    with translation.override(settings.LANGUAGE_CODE):  # a thread keeps the language of its last request
        answer = answer_to(asked)
    return written(answer) if answer is not None else None


def _sent(response: HttpResponse, start_response: StartResponse) -> Iterable[bytes]:
    length = ("Content-Length", str(len(response.content)))
    start_response(f"{response.status_code} {response.reason_phrase}", [*response.items(), length])
    return [response.content]


def _reader(environ: Environ) -> Callable[[], bytes]:
    """Reads the body, and leaves it for whoever comes after."""

    def read() -> bytes:
        body: bytes = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ["wsgi.input"] = BytesIO(body)
        return body

    return read


def _is_plain(environ: Environ) -> bool:
    """Whether Django would let it pass: it came by the way that it must, to a name of ours."""
    return _came_safely(environ) and _is_ours(environ.get("HTTP_HOST", ""))


def _came_safely(environ: Environ) -> bool:
    if not settings.SECURE_SSL_REDIRECT:
        return True
    proxy = settings.SECURE_PROXY_SSL_HEADER
    if proxy is None:
        return bool(environ["wsgi.url_scheme"] == "https")
    name, value = proxy
    return bool(environ.get(name) == value)


@lru_cache(maxsize=64)
def _is_ours(host: str) -> bool:
    domain, _port = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
