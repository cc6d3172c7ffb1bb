"""Configurations that no longer hold: contents that went, fields that today would be refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from django.core.exceptions import ValidationError
from django.db.models import Prefetch
from django.utils.translation import gettext as _

from imager.accounts.models import Organization
from imager.sentences import sentences
from orders import describing
from orders.catalogue.replacing import replacements
from orders.models import UPLOADS, Configuration, Content

CHUNK: Final = 200
NOT_TYPED: Final = ("organization", "created_by", "updated_by", *UPLOADS)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. `what`: a field's name, or the identifier of a content.

    `code` is “invalid” for a field; of a content, “replaceable” if `replacement` would do, else “missing”.
    """

    configuration: int
    name: str
    organization: str
    code: str
    what: str
    sentence: str
    replacement: str | None = None


def inspect(organization: Organization | None = None) -> Iterator[Finding]:
    """What is wrong with each configuration that was not deleted, in their order. Asks no other server."""
    present = Configuration.objects.present().order_by("organization__slug", "name", "pk")
    if organization:
        present = present.filter(organization=organization)
    contents = Prefetch("contents", Content.objects.defer("package", "search", "description"))
    gone = Content.objects.unavailable().filter(configurations__in=present.order_by()).distinct()
    found = replacements(gone.defer("package", "search"))
    with_all = present.select_related("organization", *UPLOADS).prefetch_related(contents)
    for configuration in with_all.iterator(chunk_size=CHUNK):
        yield from _contents(configuration, found)
        yield from _fields(configuration)


def _contents(configuration: Configuration, found: dict[int, Content]) -> Iterator[Finding]:
    for content in configuration.contents.all():
        if content.available:
            continue
        new = found.get(content.pk)
        if new:
            told = _("“%(title)s” is no longer available. Replace it by “%(new)s”.")
            edition = f"{new} {new.flavour} {new.version}".strip()
            sentence = told % {"title": content, "new": edition}
            yield _finding(configuration, "replaceable", content.ident, sentence, new.ident)
        else:
            told = _("“%(title)s” is no longer available, and nothing comes close to it. Remove it.")
            yield _finding(configuration, "missing", content.ident, told % {"title": content})


def _fields(configuration: Configuration) -> Iterator[Finding]:
    try:
        configuration.clean_fields(exclude=NOT_TYPED)
    except ValidationError as error:
        for name, said in sentences(error).items():
            yield _finding(configuration, "invalid", name, said[0])
    values = {name: getattr(configuration, name) for name in describing.NAMES}
    chosen = tuple(configuration.contents.all())
    draft = describing.Draft(configuration.organization, values, chosen, was=configuration.preload_url)
    for name, sentence in describing.refusals(draft).items():
        yield _finding(configuration, "invalid", name, sentence)


def _finding(
    configuration: Configuration, code: str, what: str, sentence: str, replacement: str | None = None
) -> Finding:
    owner = configuration.organization.slug
    return Finding(configuration.pk, configuration.name, owner, code, what, sentence, replacement)
