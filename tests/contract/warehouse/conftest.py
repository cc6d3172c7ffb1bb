"""Each test logs in as if nobody had before."""

from __future__ import annotations

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def _nobody_logged_in_before() -> None:
    cache.clear()  # logins are counted there, per address and minute
