"""Each test begins with unused throttles."""

import pytest
from django.core.cache import cache

from tests.doubles.no_broker import no_broker

__all__ = ["no_broker"]


@pytest.fixture(autouse=True)
def unused_throttles() -> None:
    cache.clear()
