"""A web double and a running warehouse, new for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.warehouse_ftp.doubles import Attempt, Warehouse, Web


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()
    web.start()
    yield web
    web.stop()


@pytest.fixture
def house(tmp_path: Path, web: Web) -> Iterator[Warehouse]:
    house = Warehouse(tmp_path, web).start_and_hear()
    yield house
    if house.process is not None and house.process.poll() is None:
        assert house.stop() == 0
    assert "Traceback" not in house.log.read_text(), house.log.read_text()


@pytest.fixture
def attempt(web: Web) -> Attempt:
    return Attempt(web)
