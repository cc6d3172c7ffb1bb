"""The picker of contents in the form of a configuration: search, add, remove, replace; nothing is saved.

Each step sends the whole form, so that it works without JavaScript and loses nothing that was typed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.core.paginator import Page, Paginator
from django.http import QueryDict
from django.utils.functional import cached_property

from orders.catalogue import finding, tongues
from orders.catalogue.finding import Wanted
from orders.catalogue.replacing import replacements
from orders.models import Content

PER_PAGE: Final = 25
STEP: Final = (
    "pick"  # the buttons' name; their values: `search`, `page:3`, `add:PK`, `remove:PK`, `replace:PK`
)
ORDERS: Final = {"": ("title", "pk"), "small": ("size", "pk"), "large": ("-size", "pk")}


@dataclass(frozen=True)
class Chosen:
    """A content that is chosen; if it is no longer available, with what could stand in for it."""

    content: Content
    replacement: Content | None = None


@dataclass
class Picker:
    """Everything that the picker shows."""

    chosen: list[Chosen]
    wanted: Wanted
    order: str
    page: Page[Content]
    known: list[tuple[str, str]] | None = None  # languages, where they were asked for already
    kinds: Any = tuple(Content.Kind.choices)

    @cached_property
    def languages(self) -> list[tuple[str, str]]:
        """Of the whole catalogue: asked for only where they are shown."""
        return finding.languages() if self.known is None else self.known

    @cached_property
    def categories(self) -> list[tuple[str, int]]:
        """The same."""
        return finding.categories()

    @property
    def keys(self) -> set[int]:
        """Of what is chosen."""
        return {one.content.pk for one in self.chosen}

    def sent(self, sent: QueryDict) -> QueryDict:
        """The form as it is after the step."""
        changed = sent.copy()
        changed.setlist("contents", [str(key) for key in self.keys])
        return changed

    @property
    def missing(self) -> list[Chosen]:
        """What is chosen and no longer available."""
        return [one for one in self.chosen if not one.content.available]


def picker(sent: QueryDict, chosen: Iterable[str], *, language: str = "") -> Picker:
    """The picker after the step in `sent`. `chosen`: keys; `language`: the hotspot's, for the first look."""
    step, _, argument = sent.get(STEP, "").partition(":")
    contents = _chosen(chosen, step, argument)
    gone = replacements(one for one in contents if not one.available)
    if step == "replace" and _key(argument) in gone:
        contents = [gone[one.pk] if one.pk == _key(argument) else one for one in contents]
    languages = None if "pick_language" in sent else finding.languages()
    wanted = _wanted(sent, languages or [], language)
    order = sent.get("pick_order", "")
    order = order if order in ORDERS else ""
    found = finding.found(wanted).order_by(*ORDERS[order])
    page = Paginator(found, PER_PAGE).get_page(_number(sent, step, argument))
    return Picker(
        chosen=[Chosen(one, gone.get(one.pk)) for one in sorted(_once(contents), key=_by_title)],
        wanted=wanted,
        order=order,
        page=page,
        known=languages,
    )


def keys(chosen: Iterable[str]) -> list[int]:
    """The keys among them; junk is left out."""
    return [key for one in chosen if (key := _key(str(one)))]


def _number(sent: QueryDict, step: str, argument: str) -> str:
    """The page to show: another search begins at the first one."""
    if step == "page":
        return argument
    return sent.get("pick_page", "1") if step in {"add", "remove", "replace"} else "1"


def _key(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _chosen(chosen: Iterable[str], step: str, argument: str) -> list[Content]:
    wanted = set(keys(chosen))
    if step == "add":
        wanted.add(_key(argument))
    elif step == "remove":
        wanted.discard(_key(argument))
    return list(Content.objects.filter(pk__in=wanted).defer("package", "search"))


def _once(contents: list[Content]) -> list[Content]:
    return list({one.pk: one for one in contents}.values())


def _by_title(content: Content) -> tuple[bool, str, int]:
    return content.available, content.title.casefold(), content.pk


def _wanted(sent: QueryDict, languages: list[tuple[str, str]], language: str) -> Wanted:
    """As it was sent; on the first look, what there is in the hotspot's language."""
    if "pick_language" in sent:
        return finding.wanted(sent, "pick_")
    there = (code for code, _ in languages if tongues.short(code) == language)
    return Wanted(language=next(there, ""))
