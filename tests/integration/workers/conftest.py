"""A server, a warehouse with one image, and a host that knows both: new for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doubles.image import MIB, Image, make_image
from tests.doubles.server import EMAIL, PASSWORD, Server
from tests.doubles.warehouse import Warehouse
from workers.api import Api, Patience
from workers.backoff import Backoff
from workers.config import Config, load
from workers.contract import Kind
from workers.host import Host, open_host

HASTE = Patience(tries=3, backoff=Backoff(first=0.01, most=0.05))


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return make_image(tmp_path / "warehouse")


@pytest.fixture
def warehouse(server: Server, image: Image) -> Iterator[Warehouse]:
    warehouse = Warehouse(image.folder)
    server.ticket = warehouse.ticket
    yield warehouse
    warehouse.close()


@pytest.fixture
def slow_warehouse(server: Server, image: Image) -> Iterator[Warehouse]:
    """Sends six of nine MiB and then nothing more: a download never ends."""
    warehouse = Warehouse(image.folder)
    warehouse.hold_after = 6 * MIB
    server.ticket = warehouse.ticket
    yield warehouse
    warehouse.close()


@pytest.fixture(autouse=True)
def _content_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipes of these tests bring content from this machine, which hosts do not allow by themselves."""
    monkeypatch.setenv("IMAGER_ALLOW_NETWORKS", "127.0.0.0/8")


@pytest.fixture
def config(tmp_path: Path, server: Server) -> Config:
    path = tmp_path / "host.toml"
    path.touch(mode=0o600)
    path.write_text(
        f'url = "{server.url}"\nhost = "writer-1"\nemail = "{EMAIL}"\npassword = "{PASSWORD}"\n'
        f'data = "{tmp_path / "data"}"\nchannel = "kiwix"\nsigning_key = "{bytes(range(32)).hex()}"\n'
        f'[[slots]]\nname = "A"\ndevice = "{tmp_path / "card-a.img"}"\n'
    )
    return load(path, {})


@pytest.fixture
def api(config: Config) -> Iterator[Api]:
    config.data.mkdir(mode=0o700)
    with Api(config, HASTE) as api:
        yield api


@pytest.fixture
def host_of(config: Config) -> Iterator[Callable[[Kind], Host]]:
    with ExitStack() as stack:

        def make(kind: Kind) -> Host:
            host = stack.enter_context(open_host(kind, config))
            hasty = stack.enter_context(Api(config, HASTE))
            return replace(host, api=hasty)

        yield make


@pytest.fixture
def downloader(host_of: Callable[[Kind], Host]) -> Host:
    return host_of(Kind.DOWNLOAD)
