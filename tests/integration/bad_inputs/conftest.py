"""What is kept is looked at before and after, in every table and on the shelf of uploads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.core.files.storage import storages

from tests.integration.orders.conftest import api, school
from tests.integration.pages.conftest import _english, browse, member, staff

__all__ = ["_english", "api", "browse", "member", "school", "staff"]

ROOMS = ("accounts", "orders", "tasks_app", "warehouse")
TELLS = {"orders.Feed"}  # what became of a feed is told there, also when nothing was taken


def everything() -> dict[str, Any]:
    """Every row of ours with all its values, and every file."""
    models = [model for room in ROOMS for model in apps.get_app_config(room).get_models()]
    kept: dict[str, Any] = {
        model._meta.label: list(model._base_manager.order_by("pk").values())
        for model in models
        if model._meta.label not in TELLS
    }
    return kept | {"files": sorted(_files(""))}


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
