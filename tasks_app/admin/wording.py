"""What hosts say in codes, told in words."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from tasks_app.models import Attempt, Card, Task
from tasks_app.words import OUTCOMES, STEPS


class StepInWords:
    """Mixin: a column `step_words` of tasks."""

    @admin.display(description=_("step"))
    def step_words(self, task: Task) -> str:
        """What is being done; of newer hosts, as they call it."""
        return str({str(step): words for step, words in STEPS.items()}.get(task.step, task.step))


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
