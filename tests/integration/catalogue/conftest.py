"""A server that hands out feeds, and looks at it."""

from __future__ import annotations

import pytest

from orders.catalogue.syncing import Looked, look
from orders.models import Source
from tests import factories as make
from tests import feeds


@pytest.fixture
def library():
    with feeds.serving() as server:
        yield server


@pytest.fixture
def look_at(library, db):
    """`look_at(feed, …)`: have the server hand that out, and take it."""

    def looked(body: bytes | None = None, source: Source = Source.ZIMS, **options) -> Looked:
        if body is not None:
            library.body = body
        return look(source, library.url, **options)

    return looked


@pytest.fixture
def school_staff(db):
    return make.staff()
