from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.cards import MIB, card_file
from workers.report import Recorder
from workers.writer.card import FileCard


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A used card of 32 MiB."""
    return card_file(tmp_path / "card.img", 32 * MIB)


@pytest.fixture
def card(path: Path) -> Iterator[FileCard]:
    with FileCard.open(str(path)) as card:
        yield card


@pytest.fixture
def report() -> Recorder:
    return Recorder()
