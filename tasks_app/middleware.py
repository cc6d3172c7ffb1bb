"""Hosts and warehouses call thousands of times a minute: their calls go to their views by the short way."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.utils import translation

MACHINES = ("/api/v1/hosts/", "/api/v1/tasks/", "/api/v1/warehouse/")


class MachineCalls:
    """They have no session, no form and no language of their own: what is built for these is left out.

    Stands behind SecurityMiddleware, which sends plain HTTP away from them, too.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(MACHINES):
            return self.get_response(request)
        try:
            match = resolve(request.path_info)
        except Resolver404:
            return self.get_response(request)
        request.get_host()  # refuses names that are not ours
        request.resolver_match = match
        with translation.override(settings.LANGUAGE_CODE):  # a thread keeps the language of its last request
            response: HttpResponse = match.func(request, *match.args, **match.kwargs)
            render = getattr(response, "render", None)
            if render and not getattr(response, "is_rendered", True):
                response = render()
        if not response.streaming:  # an answer that was cut on its way is told by its length
            response["Content-Length"] = str(len(response.content))
        return response
