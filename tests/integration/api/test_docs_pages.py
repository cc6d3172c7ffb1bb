"""The description of the API: kept in docs/api.yaml, shown by two pages that ask nobody else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.contrib.staticfiles import finders

pytestmark = pytest.mark.django_db

ROOT = Path(settings.ROOT)


def test_the_kept_description_is_what_the_code_gives_now(client):
    """Red after a change of the API: run `make schema` and commit what it wrote."""
    served = yaml.safe_load(client.get("/api/v1/schema/").content)
    assert yaml.safe_load((ROOT / "docs" / "api.yaml").read_text()) == served


def test_a_description_that_is_stale_is_noticed(tmp_path):
    """The same check that `make lint` runs, on a copy in which a line is missing."""
    (tmp_path / "docs").mkdir()
    lines = (ROOT / "docs" / "api.yaml").read_text().splitlines(keepends=True)
    (tmp_path / "stale.yaml").write_text("".join(lines[:-1]))
    program = (
        "import importlib.util, sys; from pathlib import Path;"
        "spec = importlib.util.spec_from_file_location('schema', '.ci/schema.py');"
        "schema = importlib.util.module_from_spec(spec); spec.loader.exec_module(schema);"
        f"schema.SCHEMA = Path({str(tmp_path / 'stale.yaml')!r}); sys.exit(schema.check())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "run `make schema` and commit it" in done.stderr


@pytest.mark.parametrize("page", ["docs", "redoc"])
def test_the_pages_hold_only_what_is_ours(client, page):
    answer = client.get(f"/api/v1/{page}/")
    assert answer.status_code == 200
    assert "'unsafe" not in answer["Content-Security-Policy"]
    addresses = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert addresses
    for address in addresses:
        assert address.startswith("/"), address
        if address.startswith("/static/"):
            assert finders.find(address.removeprefix("/static/")), address
    assert not re.search(r"<script(?![^>]*src=)|<style|style=", answer.text)
