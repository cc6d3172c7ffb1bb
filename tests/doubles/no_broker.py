"""A broker that nobody may ask: the web does without, or a request would wait for one that says nothing."""

from __future__ import annotations

from typing import NoReturn

import pytest
from redis.connection import AbstractConnection


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a `conftest` imports it, a request that connects to Redis or says a word to it fails its test."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("The web asks the broker: that belongs into the scheduler.")

    for name in ("connect", "connect_check_health", "send_packed_command"):
        monkeypatch.setattr(AbstractConnection, name, refuse)
