"""The school and its line, as the orders room has them, seen through a browser without JavaScript."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from django.test import Client
from django.utils import translation

from imager.accounts.models import User
from tests.doubles.no_broker import no_broker
from tests.integration.orders.conftest import line, school, stranger

__all__ = ["line", "no_broker", "school", "stranger"]

VOID = {"meta", "link", "input", "img", "br", "hr", "use", "path"}


class Page(HTMLParser):
    """A page's tags with their attributes, and its words. Raises when tags are not nested well."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        assert self._open, f"</{tag}> without a beginning"
        assert self._open.pop() == tag, f"</{tag}> ends something else in {self.getpos()}"

    def handle_data(self, data):
        if "script" not in self._open:
            self.texts.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        return [
            attrs
            for name, attrs in self.tags
            if name == tag and all(attrs.get(key.strip("_")) == value for key, value in attributes.items())
        ]

    def by_id(self, ident: str) -> dict[str, str | None]:
        found = [attrs for _, attrs in self.tags if attrs.get("id") == ident]
        assert len(found) == 1, f"{len(found)} elements have the id {ident}"
        return found[0]


@pytest.fixture(autouse=True)
def _english():
    """A request leaves its language behind in the thread: no test shall inherit it."""
    with translation.override("en"):
        yield


@pytest.fixture
def browse():
    """`browse(user)`: a client that is logged in as that user; None: nobody."""

    def client(user: User | None) -> Client:
        made = Client()
        if user:
            made.force_login(user)
        return made

    return client


@pytest.fixture
def member(browse, school) -> Client:
    return browse(school.member)


@pytest.fixture
def staff(browse, school) -> Client:
    return browse(school.staff)


HTMX = {"HX-Request": "true"}
