"""What all tests of this room need."""

from __future__ import annotations

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def unthrottled():
    """Logins are counted per address in the cache; these tests log in more often than people do."""
    cache.clear()
