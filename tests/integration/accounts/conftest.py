"""Each test begins with unused throttles."""

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def unused_throttles() -> None:
    cache.clear()
