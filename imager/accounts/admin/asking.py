"""Actions of the admin that ask before they act: a page that says what would be done, then the deed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imager.api import Problem
from imager.lifecycle import IllegalMove, LostRace

MOST: Final = 200  # at a time: each is done by itself, while the browser waits


class Asked(Protocol):
    """A form of what must be known first; it says what that means for each of the chosen."""

    def is_valid(self) -> bool: ...

    def arguments(self, subject: Any) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Question:
    """What to ask. `action` is the admin's name of it.

    `form`: what must be known first, made from what was sent (None at first) and the chosen.
    """

    action: str
    title: str
    warning: str
    verb: Callable[..., object]
    form: Callable[[Any, QuerySet[Any]], Asked] | None = None
    most: int = 0  # at a time, if not MOST


def after_asking(
    of: ModelAdmin[Any], request: HttpRequest, chosen: QuerySet[Any], question: Question
) -> HttpResponse | None:
    """Show the question; act when its page is confirmed, on each object by itself."""
    most = question.most or MOST
    if (count := chosen.count()) > most:
        words = _("At most %(limit)s at a time; you chose %(has)s. Filter the list, and go step by step.")
        of.message_user(request, words % {"limit": most, "has": count}, messages.ERROR)
        return None
    confirmed = request.POST if "confirmed" in request.POST else None
    form = question.form and question.form(confirmed, chosen)
    if confirmed is None or (form is not None and not form.is_valid()):
        return _ask(of, request, chosen, question, form)
    _act(of, request, chosen, lambda subject: question.verb(subject, **_arguments(form, subject)))
    return None


def _arguments(form: Asked | None, subject: Any) -> dict[str, Any]:
    return {} if form is None else form.arguments(subject)


def _ask(
    of: ModelAdmin[Any],
    request: HttpRequest,
    chosen: QuerySet[Any],
    question: Question,
    form: Asked | None,
) -> HttpResponse:
    context = {
        **of.admin_site.each_context(request),
        "title": question.title,
        "question": question,
        "form": form,
        "chosen": chosen,
        "checkbox": ACTION_CHECKBOX_NAME,
        "opts": of.opts,
        "back": reverse(f"admin:{of.opts.app_label}_{of.opts.model_name}_changelist"),
    }
    return TemplateResponse(request, "admin/confirm.html", context)


def _act(
    of: ModelAdmin[Any], request: HttpRequest, chosen: QuerySet[Any], verb: Callable[[Model], object]
) -> None:
    done = 0
    for subject in chosen:
        try:
            verb(subject)
            done += 1
        except Problem as problem:
            of.message_user(request, str(problem.detail), messages.ERROR)
        except ValidationError as error:
            of.message_user(request, f"{subject}: {' '.join(error.messages)}", messages.ERROR)
        except (IllegalMove, LostRace) as error:
            of.message_user(
                request, _("That is no longer possible: %(what)s") % {"what": error}, messages.ERROR
            )
    if done:
        words = ngettext("Done for %(done)d.", "Done for %(done)d of them.", done) % {"done": done}
        of.message_user(request, words, messages.SUCCESS)
