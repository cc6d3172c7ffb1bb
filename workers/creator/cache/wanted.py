"""What a build wants, as a cache names it."""

from __future__ import annotations

import hashlib
from typing import Final

from workers.creator.cache.facts import Kind
from workers.creator.inputs import Input, What
from workers.imaging.manifest import public_source

_KINDS: Final = {What.BASE: Kind.BASE, What.FILE: Kind.FILE, What.IMAGE: Kind.OCI_IMAGE}


def kind_of(wanted: Input) -> Kind:
    """The kind of entry that it is kept as."""
    return _KINDS[wanted.what]


def key_of(wanted: Input) -> str:
    """Names a source with everything that belongs to it, of which people see only a part."""
    return hashlib.sha256(f"{kind_of(wanted)}\0{wanted.source}".encode()).hexdigest()


def shown(wanted: Input) -> str:
    """The source as people may see it."""
    return wanted.source if wanted.what is What.IMAGE else public_source(wanted.source)
