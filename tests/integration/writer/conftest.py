from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.doubles.cards import MIB, card_file, loop_problem
from tests.doubles.papers import Papers, make_papers


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    """A signed image; read only."""
    return make_papers(tmp_path_factory.mktemp("papers"), tmp_path_factory.mktemp("plain") / "demo.img")


@pytest.fixture
def cards(tmp_path: Path) -> Callable[[str, int], Path]:
    """Makes used cards of so many MiB."""
    return lambda name, mib: card_file(tmp_path / name, mib * MIB)


@pytest.fixture
def backing(tmp_path: Path) -> Path:
    """The file behind a loop device: a used card of 96 MiB."""
    problem = loop_problem()
    if problem:
        pytest.skip(problem)
    return card_file(tmp_path / "backing.img", 96 * MIB)
