"""From one object to the lists of what belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html_join


def links(*places: tuple[object, str, Mapping[str, object]]) -> str:
    """Links side by side: (words, list “app_model” of the admin, what it is narrowed by)."""
    told = [
        (
            f"{reverse(f'admin:{model}_changelist')}?{urlencode({k: str(v) for k, v in narrowed.items()})}",
            words,
        )
        for words, model, narrowed in places
    ]
    return format_html_join(" · ", '<a href="{}">{}</a>', told)
