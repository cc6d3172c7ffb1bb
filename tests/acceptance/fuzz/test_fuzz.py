"""The API against its own description: schemathesis with all its checks, before the real server.

In CI the same few cases for each operation each time. By hand as many as one likes, and others each time:
FUZZ_EXAMPLES=500 FUZZ_SEED=7 .venv/bin/python -m pytest tests/acceptance/fuzz -s
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from imager.demo.client import Member
from imager.demo.seeds import MEMBER, STAFF
from imager.stack import Line
from imager.stack.line import read_environment

pytestmark = pytest.mark.acceptance

HERE = Path(__file__).parent
EXAMPLES, SEED = os.environ.get("FUZZ_EXAMPLES", "8"), os.environ.get("FUZZ_SEED", "")
HOSTS, WAREHOUSE = "^/api/v1/(hosts|tasks)/", "^/api/v1/warehouse/"


@pytest.fixture(scope="package")
def tokens(line, seeds) -> dict[str, str]:
    """A credential for each sort of caller."""
    env_file = line.var / "hosts" / "fuzz.env"
    line.manage("create_host", "fuzz", "--kind", "creator", "--env-file", str(env_file))
    host = read_environment(env_file)
    warehouse = read_environment(line.var / "hosts" / "warehouse.env")
    return {
        "member": bearer(line, MEMBER, seeds.passwords[MEMBER]),
        "staff": bearer(line, STAFF, seeds.passwords[STAFF]),
        "host": bearer(line, host["IMAGER_EMAIL"], host["IMAGER_PASSWORD"]),
        "warehouse": f"Warehouse {warehouse['WAREHOUSE_SLUG']}:{warehouse['WAREHOUSE_SECRET']}",
    }


def bearer(line: Line, email: str, password: str) -> str:
    member = Member(line.url, email, password)
    member.session.close()
    return str(member.session.headers["Authorization"])


@pytest.mark.parametrize("who", ["member", "staff", "host", "warehouse"])
def test_the_api_does_what_it_says(line, tokens, who):
    chosen = {
        "host": ["--include-path-regex", HOSTS],
        "warehouse": ["--include-path-regex", WAREHOUSE],
    }.get(who, ["--exclude-path-regex", f"{HOSTS}|{WAREHOUSE}"])
    done = fuzz(line, *chosen, "--header", f"Authorization: {tokens[who]}")
    assert done.returncode == 0, done.stdout[-20_000:]


def fuzz(line: Line, *options: str) -> subprocess.CompletedProcess[str]:
    """Run it; nothing is left of it but what it said."""
    chance = ["--seed", SEED] if SEED else ["--generation-deterministic"]
    program = [str(Path(sys.executable).with_name("schemathesis")), "--config-file"]
    shape = [
        "--checks",
        "all",
        "--max-examples",
        EXAMPLES,
        "--continue-on-failure",
        "--no-color",
        "--workers",
        "1",
    ]
    return subprocess.run(
        [
            *program,
            str(HERE / "schemathesis.toml"),
            "run",
            f"{line.url}/api/v1/schema/",
            *shape,
            *chance,
            *options,
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=line.var,
    )
