"""A client of the whole web application: those of Django ask Django alone, and miss what stands before it."""

from __future__ import annotations

from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse, HttpResponseBase
from rest_framework.test import APIClient

from tasks_app.api.direct import SignsFirst


class FrontClient(APIClient):  # type: ignore[misc]  # no types
    """Its requests come in by `SignsFirst`, as in `imager.wsgi`."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        behind = self.handler
        self.handler = lambda environ: _asked(environ, behind)


def _asked(environ: dict[str, Any], behind: Any) -> HttpResponseBase:
    answers: list[HttpResponseBase] = []

    def django(environ: dict[str, Any], _start: Any) -> list[bytes]:
        answers.append(behind(environ))
        return []

    def start(status: str, headers: list[tuple[str, str]]) -> None:
        answer = HttpResponse(status=int(status[:3]), headers=dict(headers))
        answer.wsgi_request = WSGIRequest(environ)  # type: ignore[attr-defined]  # the client looks for it
        answers.append(answer)

    environ.setdefault("HTTP_HOST", environ["SERVER_NAME"])  # which every real client sends
    body = b"".join(SignsFirst(django)(environ, start))
    (answer,) = answers
    if body:
        answer.content = body
    return answer
