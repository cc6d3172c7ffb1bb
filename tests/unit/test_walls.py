"""The walls of the house: hosts and the FTP server know no Django, and no room knows what it must not."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BEHIND_THE_WALL = ("django", "rest_framework", "allauth", "storages", "imager", "orders", "tasks_app")

IMPORT_ALL = """
import importlib, pkgutil, sys

def shout(name):
    raise

root, *forbidden = sys.argv[1:]
sys.modules.update(dict.fromkeys(forbidden))
package = importlib.import_module(root)
found = pkgutil.walk_packages(package.__path__, f"{root}.", onerror=shout)
names = [module.name for module in found if not module.name.endswith(".__main__")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def import_all(root: str, forbidden: tuple[str, ...], where: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Import `root` and every module below it in a fresh interpreter, with `forbidden` made unimportable."""
    argv = [sys.executable, "-c", IMPORT_ALL, root, *forbidden]
    return subprocess.run(argv, cwd=where, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize(
    ("root", "forbidden", "at_least"),
    [
        ("workers", (*BEHIND_THE_WALL, "warehouse"), 8),
        ("warehouse.ftp", (*BEHIND_THE_WALL, "warehouse.models", "warehouse.services"), 3),
        ("imager.services", ("django", "rest_framework", "workers", "orders", "tasks_app", "warehouse"), 8),
    ],
)
def test_every_module_imports_without_what_it_may_not_know(root, forbidden, at_least):
    done = import_all(root, forbidden)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= at_least


@pytest.mark.parametrize("culprit", ["room/bad.py", "room/inner/__init__.py", "room/inner/deep.py"])
def test_a_module_that_knows_django_would_be_found(tmp_path, culprit):
    (tmp_path / "room/inner").mkdir(parents=True)
    for name in ("room/__init__.py", "room/inner/__init__.py", "room/inner/deep.py"):
        (tmp_path / name).touch()
    assert import_all("room", BEHIND_THE_WALL, tmp_path).returncode == 0
    (tmp_path / culprit).write_text("from django.db import models\n")
    done = import_all("room", BEHIND_THE_WALL, tmp_path)
    assert done.returncode != 0
    assert "import of django halted" in done.stderr or "No module named 'django" in done.stderr


@pytest.mark.parametrize(
    "module", sorted((ROOT / "workers/contract").glob("**/*.py")), ids=lambda path: path.name
)
def test_the_contract_needs_the_standard_library_alone(module):
    imported = {
        name
        for node in ast.walk(ast.parse(module.read_text()))
        for name in (
            [each.name for each in node.names]
            if isinstance(node, ast.Import)
            else [node.module or "."]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert [
        name
        for name in imported
        if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith("workers.contract.")
    ] == []


def lint_imports(where: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    argv = [str(program), "--config", str(where / "pyproject.toml"), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(where), "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(
        argv, cwd=where, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def test_the_rooms_keep_to_the_contracts():
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def empty_house(where: Path) -> None:
    """The rooms that the contracts name, with nothing in them."""
    (where / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    for contract in settings["contracts"]:
        lists = (contract.get(key, []) for key in ("source_modules", "forbidden_modules", "layers"))
        for name in (name.strip() for names in lists for line in names for name in line.split("|")):
            if name.partition(".")[0] in settings["root_packages"]:
                _make_package(where, name)


def _make_package(where: Path, name: str) -> None:
    folder = where
    for part in name.split("."):
        folder /= part
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").touch()


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("workers/bad.py", "import django.db"),
        ("workers/writer/bad.py", "import orders"),
        ("workers/contract/__init__.py", "import workers.errors"),
        ("workers/contract/bad.py", "import workers.report"),
        ("warehouse/ftp/bad.py", "import rest_framework"),
        ("warehouse/ftp/bad.py", "import warehouse.models"),
        ("orders/bad.py", "import workers.run"),
        ("imager/lifecycle/__init__.py", "import workers.api"),
        ("tasks_app/bad.py", "import orders"),
        ("warehouse/bad.py", "import tasks_app"),
        ("imager/accounts/bad.py", "import warehouse"),
    ],
)
def test_a_room_that_knows_too_much_would_be_found(tmp_path, module, line):
    empty_house(tmp_path)
    good = lint_imports(tmp_path)
    assert good.returncode == 0, good.stdout + good.stderr
    (tmp_path / module).write_text(f"{line}\n")
    bad = lint_imports(tmp_path)
    assert bad.returncode == 1, bad.stdout + bad.stderr
    assert "1 broken" in bad.stdout
