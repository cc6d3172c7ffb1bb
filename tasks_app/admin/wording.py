"""What hosts say in codes, told in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tasks_app.models import Attempt, Card, Task, TaskMove
from tasks_app.words import OUTCOMES, STEPS

STARTED: Final = re.compile(r"attempt (\d+)")  # the note of a claim


class StepInWords:
    """Mixin: a column `step_words` of tasks."""

    @admin.display(description=_("step"))
    def step_words(self, task: Task) -> str:
        """What is being done; of newer hosts, as they call it."""
        return str({str(step): words for step, words in STEPS.items()}.get(task.step, task.step))


class NoteInWords:
    """Mixin: a column `note_words` of the moves of tasks."""

    @admin.display(description=_("note"))
    def note_words(self, move: TaskMove) -> str:
        """What the server noted, in words; what hosts and people said, as they said it."""
        if started := STARTED.fullmatch(move.note):
            return gettext("attempt %(number)s") % {"number": started[1]}
        return str({**OUTCOMES, "retry": _("retry")}.get(move.note, move.note))


class OutcomeInWords:
    """Mixin: a column `outcome_words` of attempts."""

    @admin.display(description=_("outcome"))
    def outcome_words(self, attempt: Attempt) -> str:
        """How it ended."""
        return str(OUTCOMES.get(attempt.outcome, attempt.outcome))


class TroubleInWords:
    """Mixin: a column `trouble_sentence`."""

    @admin.display(description=_("trouble"))
    def trouble_sentence(self, of: Task | Attempt | Card) -> str:
        """What went wrong, without codes."""
        return str((of.trouble or {}).get("message", ""))


def worded(field: str, title: Any, words: Mapping[str, Any]) -> tuple[Any, Any]:
    """The code that `field` holds, in words: for lists, where whoever points at them reads it; for pages."""

    @admin.display(description=title, ordering=field)
    def column(of: Any) -> str:
        code = getattr(of, field)
        return format_html('<span title="{}">{}</span>', code, words[code]) if code in words else str(code)

    @admin.display(description=title)
    def with_code(of: Any) -> str:
        code = getattr(of, field)
        return f"{words[code]} ({code})" if code in words else str(code)

    column.__name__, with_code.__name__ = f"{field}_words", f"{field}_and_code"
    return column, with_code
