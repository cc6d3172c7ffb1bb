"""The language switch of the pages."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_POST
from django.views.i18n import set_language

from imager.accounts.models import Language, User


@require_POST
def choose(request: HttpRequest) -> HttpResponseBase:
    """Switch by a cookie and, for those who are logged in, at the account: it decides about mails, too."""
    language = request.POST.get("language", "")
    if isinstance(request.user, User) and language in Language.values:
        request.user.language = language
        request.user.save(update_fields=["language"])
    return set_language(request)
