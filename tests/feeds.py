"""Feeds as real libraries and the app catalogue write them, and a server that hands them out."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from xml.sax.saxutils import escape

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"
      xmlns:dc="http://purl.org/dc/terms/"
      xmlns:opds="https://specs.opds.io/opds-1.2"
      xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">
  <id>5e8ba7bb-1f0c-3a53-b4a6-ae2ddf0d0d0b</id>

  <link rel="self"
        href="/catalog/v2/entries?count=-1"
        type="application/atom+xml;profile=opds-catalog;kind=acquisition"/>
  <link rel="start"
        href="/catalog/v2/root.xml"
        type="application/atom+xml;profile=opds-catalog;kind=navigation"/>
  <title>Filtered Entries (count=-1)</title>
  <updated>2026-11-27T23:00:05Z</updated>
"""
TOTALS = (
    "  <totalResults>{0}</totalResults>\n  <startIndex>0</startIndex>\n  <itemsPerPage>{0}</itemsPerPage>\n"
)
ENTRY = """  <entry>
    <id>urn:uuid:{uuid}</id>
    <title>{title}</title>
    <updated>{issued}T00:00:00Z</updated>
    <summary>{summary}</summary>
    <language>{language}</language>
    <name>{name}</name>
    <flavour>{flavour}</flavour>
    <category>{category}</category>
    <tags>{tags}</tags>
    <articleCount>{articles}</articleCount>
    <mediaCount>{medias}</mediaCount>
    <link rel="http://opds-spec.org/image/thumbnail"
          href="/catalog/v2/illustration/{uuid}/?size=48"
          type="image/png;width=48;height=48;scale=1"/>
    <link type="text/html" href="https://browse.library.kiwix.org/content/{file}" />
    <author>
      <name>{author}</name>
    </author>
    <publisher>
      <name>{publisher}</name>
    </publisher>
    <dc:issued>{issued}T00:00:00Z</dc:issued>
    <link rel="http://opds-spec.org/acquisition/open-access" type="application/x-zim"
          href="{url}" length="{length}" />
  </entry>
"""


def site(name: str = "wikipedia_fr_medicine", **fields: Any) -> dict[str, Any]:
    """An entry of a library, with whatever should be different."""
    period = fields.pop("period", "2026-10")
    flavour = fields.get("flavour", "maxi")
    file = f"{name}_{flavour}_{period}" if flavour else f"{name}_{period}"
    digest = hashlib.sha256(f"{name}{flavour}{period}".encode()).hexdigest()
    return {
        "uuid": f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}",
        "title": "Wikipédia médicale",
        "summary": "Des articles sur la médecine & la santé",
        "language": "fra",
        "name": name,
        "flavour": flavour,
        "category": "wikipedia",
        "tags": "wikipedia;medicine;_category:wikipedia;_pictures:yes;_videos:no;_details:yes;_ftindex:yes",
        "articles": 56_789,
        "medias": 1_234,
        "author": "Wikipedia",
        "publisher": "openZIM",
        "issued": f"{period}-13",
        "file": file,
        "url": f"https://download.example/zim/wikipedia/{file}.zim.meta4",
        "length": 1_234_567_168,
        **fields,
    }


def opds(*entries: dict[str, Any], total: int | None = -1) -> bytes:
    """A library's answer; `total` as it is, unless told otherwise or left out (None)."""
    count = len(entries) if total == -1 else total
    safe = ({key: escape(str(value)) for key, value in one.items()} for one in entries)
    body = "".join(ENTRY.format(**one) for one in safe)
    return (HEAD + ("" if count is None else TOTALS.format(count)) + body + "</feed>\n").encode()


def many(count: int) -> Iterator[dict[str, Any]]:
    """So many entries of several languages, categories and flavours, always the same ones."""
    languages = itertools.cycle(
        ["eng", "fra", "ara", "swa", "spa", "eng,fra", "por", "bam", "hau", "deu,eng"]
    )
    categories = itertools.cycle(
        ["wikipedia", "gutenberg", "ted", "stack_exchange", "wikivoyage", "vikidia", ""]
    )
    flavours = itertools.cycle(["maxi", "nopic", "mini", ""])
    words = [
        "Médecine",
        "History",
        "Physique",
        "Oceans",
        "Musique",
        "Football",
        "Python",
        "Gardening",
        "Droit",
    ]
    for n in range(count):
        language = next(languages)
        yield site(
            f"site_{language[:2]}_{n:05}",
            title=f"{words[n % len(words)]} {n:05}",
            summary=f"Everything about {words[n * 7 % len(words)].lower()} and {words[n * 5 % len(words)]}",
            language=language,
            category=next(categories),
            flavour=next(flavours),
            length=(n % 977 + 1) << 20,
        )


def app(ident: str = "magoe.offspot.kiwix.org", **fields: Any) -> dict[str, Any]:
    """An app of the app catalogue, with a container image and files."""
    return {
        "ident": ident,
        "domain": "magoe",
        "kind": "app",
        "title": "Magoé Éducation",
        "description": "Application de révision",
        "languages": ["fra"],
        "tags": ["school"],
        "image": "ghcr.io/offspot/magoe:1.1",
        "image_filesize": 49_295_360,
        "image_fullsize": 49_252_894,
        "icon_url": "https://drive.example/magoe.png",
        "download_url": "https://drive.example/magoe_fr_app_2024-03.zip",
        "download_size": 295_323_137,
        "download_checksum": {"algo": "md5", "value": "0ec2d9b9c2f61eb22247ceb935124923"},
        "download_via": "zip",
        **fields,
    }


def files(ident: str = "nomad.offspot.kiwix.org", **fields: Any) -> dict[str, Any]:
    """A package of files of the app catalogue."""
    return {
        "ident": ident,
        "domain": "nomad",
        "kind": "files",
        "title": "Nomad exercices",
        "description": "Application Android",
        "languages": ["fra"],
        "tags": ["android"],
        "download_url": f"https://drive.example/{ident}.zip",
        "download_size": 151_606_771,
        "via": "zip",
        **fields,
    }


def apps(*entries: Any) -> bytes:
    """The app catalogue."""
    return json.dumps(list(entries)).encode()


@dataclass
class FeedServer:
    """What it hands out; it answers 304 to those who know its ETag."""

    body: bytes = b""
    status: int = 200
    claimed: int | None = None  # a Content-Length that is not true
    packed: bool = False
    location: str = ""
    requests: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:16]}"'


@contextmanager
def serving() -> Iterator[FeedServer]:
    """A real HTTP server on a port of its own."""
    feed = FeedServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            feed.requests.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
            if self.headers.get("If-None-Match") == feed.etag:
                self.send_response(304)
                self.end_headers()
                return
            body = gzip.compress(feed.body) if feed.packed else feed.body
            self.send_response(302 if feed.location and self.path != feed.location else feed.status)
            if feed.location and self.path != feed.location:
                self.send_header("Location", feed.location)
            if feed.packed:
                self.send_header("Content-Encoding", "gzip")
            self.send_header("ETag", feed.etag)
            self.send_header("Content-Length", str(feed.claimed or len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    feed.url = f"http://127.0.0.1:{server.server_port}/catalog/v2/entries?count=-1"
    try:
        yield feed
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
