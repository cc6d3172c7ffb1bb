"""The two pages about the API. Their parts are ours; the policy stays strict."""

from __future__ import annotations

from csp.constants import NONCE, SELF
from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
def swagger(request: HttpRequest) -> HttpResponse:
    """To try the operations."""
    return render(request, "api/swagger.html")


@require_safe
@csp_update({"style-src": [SELF, NONCE]})
def redoc(request: HttpRequest) -> HttpResponse:
    """To read. It writes its styles while it runs, under this answer's own number."""
    return render(request, "api/redoc.html", {"nonce": getattr(request, "csp_nonce", "")})
