"""Pages: in the person's language, and for people only."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.utils import translation

from imager.accounts.models import User


class PersonMiddleware:
    """After AuthenticationMiddleware. Ends sessions of hosts and of disabled people; sets the language."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if isinstance(user, User):
            if user.is_host or not user.is_active:
                logout(request)
            elif language := user.preferred_language:
                translation.activate(language)
                request.LANGUAGE_CODE = translation.get_language()
        return self.get_response(request)
