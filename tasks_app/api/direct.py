"""Usual beats and reports are answered before Django sees them: ten thousand hosts send nothing else all day.

What Django does around a view (signals, middleware, request and response objects, finding the view) costs
half as much again as the beat. Whatever is unusual goes on to Django as it came, which says what is wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse
from django.http.request import split_domain_port, validate_host
from django.middleware.security import SecurityMiddleware
from django.utils import translation

from imager.faults import our_mistake
from tasks_app.api.quick import Busy, Environ, Way, answer_to, later, way_of, written

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

log = logging.getLogger(__name__)


class SignsFirst:
    """The web application, with a short way for hosts' signs of life."""

    def __init__(self, django: WSGIApplication) -> None:
        self._django = django
        self._headers: dict[bool, list[tuple[str, str]]] = {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        way = way_of(environ.get("PATH_INFO", ""))
        if way and _is_plain(environ):
            try:
                body = _answered(environ, way)
            except Busy:  # Django's way would wait as long once more
                return _sent(later(), environ, start_response)
            except Exception:  # as at the bottom of Django: the log has it, the host gets an answer
                log.exception("%s broke", environ["PATH_INFO"])
                return _sent(our_mistake(), environ, start_response)
            if body is not None:
                length = ("Content-Length", str(len(body)))
                start_response("200 OK", [*self._headers_for(environ), length])
                return [body]
        return self._django(environ, start_response)

    def _headers_for(self, environ: Environ) -> list[tuple[str, str]]:
        """Those of every answer of ours: they depend on settings and on the way that it goes."""
        secure = _is_secure(environ)
        if secure not in self._headers:
            response = HttpResponse(content_type="application/json")
            self._headers[secure] = list(_secured(response, environ).items())
        return self._headers[secure]


def _answered(environ: Environ, way: Way) -> bytes | None:
    with translation.override(settings.LANGUAGE_CODE):  # a thread keeps the language of its last request
        answer = answer_to(environ, way)
    return written(answer) if answer is not None else None


def _secured(response: HttpResponse, environ: Environ) -> HttpResponse:
    security = SecurityMiddleware(lambda _request: response)
    secured: HttpResponse = security.process_response(WSGIRequest(environ), response)
    return secured


def _sent(response: HttpResponse, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    response = _secured(response, environ)
    length = ("Content-Length", str(len(response.content)))
    start_response(f"{response.status_code} {response.reason_phrase}", [*response.items(), length])
    return [response.content]


def _is_plain(environ: Environ) -> bool:
    """Whether Django would let it pass: it came by the way that it must, to a name of ours."""
    return _came_safely(environ) and _is_ours(environ.get("HTTP_HOST", ""))


def _came_safely(environ: Environ) -> bool:
    return not settings.SECURE_SSL_REDIRECT or _is_secure(environ)


def _is_secure(environ: Environ) -> bool:
    proxy = settings.SECURE_PROXY_SSL_HEADER
    if proxy is None:
        return bool(environ["wsgi.url_scheme"] == "https")
    name, value = proxy
    return bool(environ.get(name) == value)


@lru_cache(maxsize=64)
def _is_ours(host: str) -> bool:
    domain, _port = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
