"""A Kiwix library's feed (OPDS 1.2, `/catalog/v2/entries`), read piece by piece and without entities.

The format: https://github.com/kiwix/libkiwix, `static/templates/catalog_v2_entries.xml`. Its lengths are
in whole KiB, since libraries keep no others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import IO, Final
from urllib.parse import urljoin
from xml.etree.ElementTree import Element, ParseError  # only the names: reading is defusedxml's

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from orders.catalogue.entries import (
    CONTENTS,
    Bad,
    BadEntry,
    Entry,
    checked,
    day,
    file_name,
    plain_name,
    whole,
)
from orders.catalogue.faults import FeedFault
from orders.models import Content

ATOM: Final = "{http://www.w3.org/2005/Atom}"
ISSUED: Final = "{http://purl.org/dc/terms/}issued"
ACQUISITION: Final = "http://opds-spec.org/acquisition/open-access"
THUMBNAIL: Final = "http://opds-spec.org/image/thumbnail"
ZIM: Final = "application/x-zim"
MOST_ENTRIES: Final = 100_000
DEFAULT_PUBLISHER: Final = "openZIM"
_PERIOD: Final = re.compile(r"_(\d{4}-\d{2}[a-z]?)\.zim(\.meta4)?$")


def read(feed: IO[bytes], base: str) -> Iterator[Entry | Bad]:
    """What the feed holds, bad entries by name. FeedFault if it is none, cut, or a page of several.

    `base`: its address, which its links may be relative to.
    """
    count, told = 0, {}
    try:
        depth, root = 0, None
        for event, element in iterparse(feed, events=("start", "end"), forbid_dtd=True):
            depth += 1 if event == "start" else -1
            root = element if root is None else root
            if event == "start" or depth != 1:
                continue
            if element.tag == f"{ATOM}entry":
                count += 1
                _bound(count)
                yield _entry(element, base)
            else:
                told[element.tag.removeprefix(ATOM)] = (element.text or "").strip()
            root.clear()
    except ParseError as error:
        raise FeedFault(
            f"it is no whole XML ({error}): cut off, or something else; the next look fetches it again"
        ) from error
    except DefusedXmlException as error:
        raise FeedFault(
            "it declares a document type or entities, which no feed of a library does; name another address"
        ) from error
    _check_whole(root, told, count)


def _check_whole(root: Element | None, told: dict[str, str], count: int) -> None:
    if root is None or root.tag != f"{ATOM}feed":
        raise FeedFault("it is no Atom feed; name the address of /catalog/v2/entries?count=-1")
    total = told.get("totalResults", "")
    if total.isdecimal() and int(total) != count:
        raise FeedFault(f"it holds {count} of {total} entries; ask for all of them with ?count=-1")


def _bound(count: int) -> None:
    if count > MOST_ENTRIES:
        raise FeedFault(f"it holds more than {MOST_ENTRIES} entries")


def _entry(element: Element, base: str) -> Entry | Bad:
    parts = (
        _text(element, "publisher/name") or DEFAULT_PUBLISHER,
        _text(element, "name"),
        _text(element, "flavour"),
    )
    ident = ":".join(parts)
    if not parts[1]:
        return Bad((_text(element, "id") or _text(element, "title"))[:250], "it has no name")
    if ident.count(":") != 2:
        return Bad(ident[:250], "it holds colons, which part publisher, name and flavour")
    try:
        return checked(_site(element, parts, base))
    except ValueError as error:  # BadEntry, or an address that is none
        return Bad(ident[:250], str(error))


def _site(element: Element, parts: tuple[str, str, str], base: str) -> Entry:
    publisher, name, flavour = parts
    link = _acquisition(element)
    url = urljoin(base, link.get("href", ""))
    tags = [tag.strip() for tag in _text(element, "tags").split(";") if tag.strip()]
    return Entry(
        ident=":".join(parts),
        kind=Content.Kind.ZIM,
        title=_text(element, "title"),
        description=_text(element, "summary"),
        publisher=publisher,
        name=name,
        flavour=flavour,
        category=_text(element, "category") or _category(tags),
        tags=[tag for tag in tags if not tag.startswith("_")],
        languages=[code for code in (code.strip() for code in _text(element, "language").split(",")) if code],
        articles=whole(_text(element, "articleCount"), "articleCount"),
        medias=whole(_text(element, "mediaCount"), "mediaCount"),
        version=_version(element, url),
        issued=_issued(element),
        edition=_text(element, "id").removeprefix("urn:uuid:"),
        url=url,
        path=f"{CONTENTS}/zims/{plain_name('_'.join(part for part in parts if part))}.zim",
        size=whole(link.get("length"), "length") or 0,
        exact=False,
        illustration_url=_illustration(element, base),
    )


def _acquisition(element: Element) -> Element:
    links = [link for link in element.iterfind(f"{ATOM}link") if link.get("rel") == ACQUISITION]
    sites = [link for link in links if link.get("type") == ZIM and link.get("href")]
    if not sites:
        raise BadEntry("it has no address to fetch it from")
    return sites[0]


def _illustration(element: Element, base: str) -> str:
    links = (link for link in element.iterfind(f"{ATOM}link") if link.get("rel") == THUMBNAIL)
    address = next((urljoin(base, href) for link in links if (href := link.get("href"))), "")
    return address if len(address) <= 500 else ""


def _category(tags: list[str]) -> str:
    return next((tag.partition(":")[2] for tag in tags if tag.startswith("_category:")), "")


def _issued(element: Element) -> date | None:
    return day(element.findtext(ISSUED)) or day(_text(element, "updated"))


def _version(element: Element, url: str) -> str:
    """The period in the file's name, as people know editions; else its day."""
    found = _PERIOD.search(file_name(url))
    return found[1] if found else str(_issued(element) or "")


def _text(element: Element, path: str) -> str:
    return " ".join((element.findtext("/".join(ATOM + part for part in path.split("/"))) or "").split())
