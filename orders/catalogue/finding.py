"""Searching the catalogue: by words, language, category and kind, in pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.db import connection
from django.db.models import Count, QuerySet

from orders.catalogue.tongues import tongue
from orders.models import Content
from orders.models.contents import plain

MOST_WORDS: Final = 8
MOST_LETTERS: Final = 100


@dataclass(frozen=True)
class Wanted:
    """What somebody looks for. Empty: anything."""

    text: str = ""
    language: str = ""
    category: str = ""
    kind: str = ""

    def filtered(self, contents: QuerySet[Content]) -> QuerySet[Content]:
        """Those that match in everything; all words must be there, in any order, accents aside."""
        if self.kind:
            contents = contents.filter(kind=self.kind)
        if self.language:
            contents = contents.filter(languages__contains=[self.language])
        if self.category:
            contents = contents.filter(category=self.category)
        for word in plain(self.text[:MOST_LETTERS]).split()[:MOST_WORDS]:
            contents = contents.filter(search__contains=word)
        return contents


def wanted(asked: Mapping[str, str], prefix: str = "") -> Wanted:
    """What a query or a form asks for; what is too long is cut."""
    limits = {"text": MOST_LETTERS, "language": 10, "category": 60, "kind": 10}
    return Wanted(
        **{name: asked.get(prefix + name, "").replace("\x00", "")[:limit] for name, limit in limits.items()}
    )


def found(wanted: Wanted) -> QuerySet[Content]:
    """What can be ordered and matches, by title."""
    return wanted.filtered(Content.objects.available()).defer("package", "search").order_by("title", "pk")


def languages(kind: str = "") -> list[tuple[str, str]]:
    """Codes and names of the languages that there is something in, by name."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT unnest(languages) FROM orders_content"
            " WHERE active AND missing_since IS NULL AND (%s = '' OR kind = %s)",
            [kind, kind],
        )
        codes = [row[0] for row in cursor.fetchall()]
    return sorted(((code, tongue(code)) for code in codes), key=lambda pair: plain(pair[1]))


def categories(kind: str = "") -> list[tuple[str, int]]:
    """Categories, with how many contents they have."""
    contents = Content.objects.available().exclude(category="")
    if kind:
        contents = contents.filter(kind=kind)
    return list(contents.values_list("category").annotate(Count("pk")).order_by("category"))
