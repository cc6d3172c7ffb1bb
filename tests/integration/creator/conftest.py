from contextlib import closing

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.integration.creator.server import ContentServer
from workers.backoff import Backoff
from workers.creator.demo_base import make_demo_base
from workers.creator.fetch import Fetcher
from workers.creator.guard import networks_of
from workers.creator.rules import Rules
from workers.report import Recorder


@pytest.fixture
def server():
    with closing(ContentServer()) as running:
        yield running


@pytest.fixture
def report():
    return Recorder()


HERE = Rules(networks=networks_of("127.0.0.0/8"))  # a host that lets recipes reach the tests' server


@pytest.fixture
def fetcher(report):
    with closing(Fetcher(report, rules=HERE, backoff=Backoff(first=0.001, most=0.002))) as found:
        yield found


@pytest.fixture(scope="session")
def demo_base(tmp_path_factory):
    path = tmp_path_factory.mktemp("base") / "base.img"
    make_demo_base(path)
    return path


@pytest.fixture(scope="session")
def key():
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
