"""Facts that are kept as JSON, in words; what was told letter by letter is folded away below them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from tasks_app.fact_names import name_of, value_of

MOST: Final = 50  # of one list: files, ranges
FILES: Final = "files"


def in_words(facts: Any) -> str:
    """Names and values; nothing of nothing."""
    if not facts:
        return "–"
    letters = "<details><summary>{}</summary><pre>{}</pre></details>"
    raw = format_html(letters, _("As it was told"), _letter_by_letter(facts))
    try:
        words = _told("", facts)
    except (ArithmeticError, TypeError, ValueError, RecursionError):  # no host of ours tells such facts
        words = ""
    return format_html('<div class="facts">{}{}</div>', words, raw)


def _letter_by_letter(facts: Any) -> str:
    """As JSON; what is deeper, or longer, than Python writes is left out."""
    try:
        return json.dumps(facts, ensure_ascii=False, indent=2, sort_keys=True)
    except (RecursionError, ValueError):
        return "…"


def _told(name: str, facts: Any) -> str:
    if isinstance(facts, Mapping) and facts:
        rows = (_row(name, str(key), value) for key, value in facts.items())
        return format_html("<dl>{}</dl>", format_html_join("", "<dt>{}</dt><dd>{}</dd>", rows))
    if isinstance(facts, list | tuple) and facts:
        return _listed(name, facts)
    return value_of(name, None if facts in ({}, [], ()) else facts)


def _row(name: str, key: str, value: Any) -> tuple[str, str]:
    """What something is called, and its value. Files have names of their own."""
    return (key, _told("", value)) if name == FILES else (name_of(key), _told(key, value))


def _listed(name: str, facts: list[Any] | tuple[Any, ...]) -> str:
    """Files with their sizes, each on its line; plain values one behind another."""
    if not any(isinstance(one, Mapping | list) for one in facts):
        return ", ".join(value_of(name, one) for one in facts)
    lines: list[tuple[str | SafeString]] = [(_line(name, one),) for one in facts[:MOST]]
    if len(facts) > MOST:
        lines.append((_("… and %(count)s more") % {"count": len(facts) - MOST},))
    return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", lines))


def _line(name: str, one: Any) -> str:
    if isinstance(one, Mapping) and {"name", "size"} <= one.keys():
        return format_html("{} · {}", value_of("name", one["name"]), value_of("size", one["size"]))
    return _told(name, one)


class FactsInWords:
    """Mixin: a field for each column of facts that models have."""

    @admin.display(description=gettext_lazy("specification"))
    def spec_facts(self, of: Any) -> str:
        """What the host is told."""
        return in_words(of.spec)

    @admin.display(description=gettext_lazy("result"))
    def result_facts(self, of: Any) -> str:
        """What came of it."""
        return in_words(of.result)

    @admin.display(description=gettext_lazy("trouble"))
    def trouble_facts(self, of: Any) -> str:
        """What went wrong."""
        return in_words(of.trouble)

    @admin.display(description=gettext_lazy("facts"))
    def card_facts(self, of: Any) -> str:
        """What is known of a card."""
        return in_words(of.facts)

    @admin.display(description=gettext_lazy("what it said"))
    def body_facts(self, of: Any) -> str:
        """A report."""
        return in_words(of.body)

    @admin.display(description=pgettext_lazy("outbox", "what for"))
    def payload_facts(self, of: Any) -> str:
        """What is to be done."""
        return in_words(of.payload)
