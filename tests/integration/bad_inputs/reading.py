"""What people read of a refusal: of an answer of the API, and of a page."""

from __future__ import annotations

import html
from typing import Any

from tests.integration.pages.conftest import Page


def of_api(answer: Any) -> str:
    """“field: sentence” of each field, or “code: sentence”. The answer is a problem, as RFC 9457 has it."""
    assert 400 <= answer.status_code < 500, answer.data
    assert answer["Content-Type"] == "application/problem+json"
    if answer.data["code"] != "invalid":
        return f"{answer.data['code']}: {answer.data['detail']}"
    return " | ".join(_flat(answer.data["errors"], ""))


def _flat(told: Any, name: str) -> list[str]:
    if isinstance(told, dict):
        return [line for key, inner in told.items() for line in _flat(inner, f"{name}.{key}".lstrip("."))]
    if isinstance(told, list):
        return [line for inner in told for line in _flat(inner, name)]
    return [f"{name}: {told}"]


def of_page(answer: Any) -> str:
    """“label: sentence” of each field, as it stands on the page that comes back."""
    assert answer.status_code == 200, answer
    form = answer.context["form"]
    words = Page(answer.text).words
    lines = []
    for name in form.errors:
        label = str(form[name].label) if name in form.fields else "whole"
        sentences = form[name].errors if name in form.fields else form.errors[name]
        assert label == "whole" or label.casefold() in words.casefold(), label
        for sentence in sentences:
            assert " ".join(html.unescape(sentence).split()) in words, sentence
            lines.append(f"{label}: {sentence}")
    return " | ".join(lines)


def short(value: Any) -> str:
    """A test's name for a value, however long that is."""
    return f"{len(value)} bytes" if isinstance(value, bytes) else str(value)[:40]
