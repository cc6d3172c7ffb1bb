"""The log of an attempt: a page that follows while the work goes on, and a file."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from imager.accounts.visitor import staff_only
from tasks_app import ansi, logbook
from tasks_app.models import Attempt

OFFSET: Final = re.compile(r"[0-9]{1,15}")


@vary_on_headers("HX-Request")
@login_required
@require_safe
def attempt_log(request: HttpRequest, task: UUID, attempt: int) -> HttpResponse:
    """The end of the log; for htmx, what came after `since`; `still`: does not follow; `raw`: a file."""
    staff_only(request, "tasks_app.view_attempt")
    if "raw" in request.GET:
        return as_file(task, attempt)
    since = request.GET.get("since", "")
    piece = logbook.read(task, attempt, since=int(since) if OFFSET.fullmatch(since) else None)
    if piece is None:
        raise Http404
    rendered = ansi.render(piece.text, request.GET.get("style", ""))
    context = {
        "attempt": piece.attempt,
        "html": rendered.html,
        "style": rendered.style,
        "since": piece.end - rendered.left_over,
        "live": piece.live,
        "following": piece.live and "still" not in request.GET,
    }
    if getattr(request, "htmx", False):
        return render(request, "tasks_app/_log.html", context)
    others = Attempt.objects.filter(task=task).order_by("attempt").values_list("attempt", flat=True)
    context |= {"others": list(others), "cut": piece.end > logbook.SHOWN}
    return render(request, "tasks_app/log.html", context)


def as_file(task: UUID, attempt: int) -> HttpResponse:
    """All that was kept of the log, as it came, to be saved and never to be shown by a browser."""
    text = logbook.whole(task, attempt)
    if text is None:
        raise Http404
    name = f"{task}-{attempt}.log.txt"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers=headers)
