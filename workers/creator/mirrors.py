"""Other places and digests of a file, as servers tell them: Metalink 4, `Link` and `Digest` headers."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin
from xml.etree import ElementTree as ET

from requests.utils import parse_header_links

from workers.creator.http import Seen
from workers.creator.recipe import Checksum, check_digest

MAX_METALINK: Final = 1 << 20
SUFFIXES: Final = (".meta4", ".metalink")
_SPACE: Final = "{urn:ietf:params:xml:ns:metalink}"
_TYPE: Final = "application/metalink4+xml"
_MOST: Final = 8  # places are enough
_STRENGTH: Final = ("sha-512", "sha-384", "sha-256", "sha-224", "sha-1", "md5")
_DIGESTS: Final = re.compile(r"([A-Za-z0-9-]+)\s*=\s*:?([A-Za-z0-9+/=]+):?")


@dataclass(frozen=True)
class Places:
    """Where a file is to be had beside its own address, best first, and what must be true of it."""

    urls: tuple[str, ...] = ()
    checksum: Checksum | None = None
    size: int | None = None


class BadMetalink(ValueError):
    """What was said to be a Metalink is none."""


def described_by(url: str, seen: Seen) -> str | None:
    """The address of the file's Metalink, if its server names one."""
    for link in _links(seen):
        if link.get("rel", "").lower() == "describedby" and link.get("type", "").lower() == _TYPE:
            return urljoin(url, link["url"])
    return None


def told_by(url: str, seen: Seen) -> Places:
    """What the headers of an answer say (RFC 6249, RFC 3230, RFC 9530)."""
    known = [link for link in _links(seen) if link.get("rel", "").lower() == "duplicate"]
    known.sort(key=lambda link: _number(link.get("pri"), 999_999))
    urls = tuple(dict.fromkeys(urljoin(url, link["url"]) for link in known))
    values = {**_digests(seen.all("Digest")), **_digests(seen.all("Repr-Digest"))}
    return Places(urls[:_MOST], _strongest(values))


def read_metalink(page: bytes, where: str) -> Places:
    """A Metalink of one file. Relative addresses are those of `where`. BadMetalink."""
    if b"<!DOCTYPE" in page or b"<!ENTITY" in page:
        raise BadMetalink("it declares entities")
    try:
        root = ET.fromstring(page)  # noqa: S314 - no entities; the size is limited
    except ET.ParseError as error:
        raise BadMetalink(str(error)) from error
    files = root.findall(f"{_SPACE}file")
    if len(files) != 1:
        raise BadMetalink(f"it describes {len(files)} files, not one")
    links = sorted(files[0].findall(f"{_SPACE}url"), key=lambda link: _number(link.get("priority"), 999_999))
    urls = (urljoin(where, (link.text or "").strip()) for link in links)
    hashes = {
        each.get("type", "").lower(): (each.text or "").strip() for each in files[0].findall(f"{_SPACE}hash")
    }
    size = (files[0].findtext(f"{_SPACE}size") or "").strip()
    return Places(
        tuple(dict.fromkeys(url for url in urls if url.startswith(("http://", "https://"))))[:_MOST],
        _strongest(hashes),
        int(size) if size.isdecimal() else None,
    )


def _links(seen: Seen) -> list[dict[str, str]]:
    return [link for value in seen.all("Link") for link in parse_header_links(value) if link.get("url")]


def _digests(values: list[str]) -> dict[str, str]:
    """`SHA-256=<base64>` or `sha-256=:<base64>:` as hex."""
    found = {}
    for value in values:
        for name, text in _DIGESTS.findall(value):
            try:
                found[{"sha": "sha-1"}.get(name.lower(), name.lower())] = base64.b64decode(
                    text, validate=True
                ).hex()
            except binascii.Error:
                continue  # of another kind, such as UNIXsum: not ours
    return found


def _strongest(values: dict[str, str]) -> Checksum | None:
    for algo in _STRENGTH:
        if algo in values:
            try:
                return Checksum(algo=algo, value=check_digest(algo, values[algo]))
            except ValueError:
                continue  # a malformed one proves nothing
    return None


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdecimal() else otherwise
