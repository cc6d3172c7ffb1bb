"""What is kept is looked at before and after, in every table and on the shelf of uploads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.storage import storages

from tests.integration.orders.conftest import api, school
from tests.integration.pages.conftest import _english, browse, member, staff
from tests.integration.test_isolation import state

__all__ = ["_english", "api", "browse", "member", "school", "staff"]


def everything() -> dict[str, Any]:
    """Every row of ours with all its values, and every file. Feeds tell what became of them in any case."""
    rows = {name: found for name, found in state(None).items() if name != "Feed"}
    return {**rows, "files": sorted(_files(""))}


def _files(folder: str) -> list[str]:
    shelf = storages["uploads"]
    if folder and not shelf.exists(folder):
        return []
    folders, files = shelf.listdir(folder)
    return [f"{folder}/{name}" for name in files] + [
        found for name in folders for found in _files(f"{folder}/{name}".lstrip("/"))
    ]


@pytest.fixture
def keeps_nothing() -> Callable[[Callable[[], str]], str]:
    """`keeps_nothing(act)`: what `act` returns, once nothing at all has come of it."""

    def done(act: Callable[[], str]) -> str:
        before = everything()
        told = act()
        assert everything() == before
        return told

    return done
