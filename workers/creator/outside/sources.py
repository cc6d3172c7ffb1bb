"""What an outside builder would fetch for a recipe, held to the rules of this host before it starts.

It makes its own connections: what a name leads to afterwards, and redirects, are out of our hands.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies

from workers.creator.guard import Guard, refused
from workers.creator.recipe import Recipe
from workers.creator.rules import Rules

_REGISTRY: Final = re.compile(r"[^/]*[.:][^/]*|localhost")


def check_sources(recipe: Recipe, rules: Rules) -> None:
    """JobError `bad_source` or `forbidden_address` for the first source that recipes may not reach here."""
    if rules.allow_files:
        return
    guard = rules.guard()
    for where, url in sources_of(recipe):
        guard.check_url(url, where)
        if not getproxies():  # a proxy resolves names by itself, and must guard them
            _check_name(url, where, guard)


def sources_of(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """(its place in the recipe, address) of everything that is fetched."""
    yield "base.source", recipe.base.location
    for where, checksum in [("base.checksum", recipe.base.checksum)] + [
        (f"the checksum of {file.to}", file.checksum) for file in recipe.files
    ]:
        if checksum and checksum.kind == "url":
            yield where, checksum.value
    for file in recipe.files:
        if file.url is not None:
            yield f"the url of {file.to}", file.url
    for image in recipe.oci_images:
        host, _, rest = image.ident.partition("/")
        if image.url is not None:
            yield f"the url of {image.ident}", image.url
        elif rest and _REGISTRY.fullmatch(host):
            yield f"the registry of {image.ident}", f"https://{host}/"


def _check_name(url: str, where: str, guard: Guard) -> None:
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return  # the builder will say that there is no such server
    if not all(guard.permits(str(address[0])) for *_, address in found):
        raise refused(where)
