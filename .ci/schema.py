"""The API's description in docs/api.yaml, and the example client's models made from it: `check` or `make`.

`check` fails if a change of the API is not in them yet: run `make schema` and commit what it wrote.
"""

# ruff: noqa: INP001  # a script beside the code, not a package

from __future__ import annotations

import difflib
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = Path("docs/api.yaml")
MODELS = Path("docs/client/imager_models.py")
HEADER = '"""Made from docs/api.yaml by `make schema`: change the API, not this file."""'
PYTHON = sys.executable


def main(arguments: list[str]) -> int:
    if arguments == ["make"]:
        make()
        return 0
    if arguments == ["check"]:
        return check()
    sys.stderr.write("usage: schema.py check | make\n")
    return 2


def make() -> None:
    """Write both. The generator formats by what it finds around its output: it always writes elsewhere."""
    describe(ROOT / SCHEMA)
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / MODELS.name
        model(ROOT / SCHEMA, fresh)
        (ROOT / MODELS).write_bytes(fresh.read_bytes())


def check() -> int:
    """0 if both files are what the code gives now."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = {SCHEMA: Path(folder) / SCHEMA.name, MODELS: Path(folder) / MODELS.name}
        describe(fresh[SCHEMA])
        stale = [SCHEMA] if differs(SCHEMA, fresh[SCHEMA]) else []
        if not stale:
            model(fresh[SCHEMA], fresh[MODELS])
            stale = [MODELS] if differs(MODELS, fresh[MODELS]) else []
    for path in stale:
        sys.stderr.write(f"{path} is not what the code gives now: run `make schema` and commit it.\n")
    return 1 if stale else 0


def differs(kept: Path, fresh: Path) -> bool:
    """Whether they differ; then the first lines that do are shown."""
    old = (ROOT / kept).read_text().splitlines() if (ROOT / kept).exists() else []
    changes = list(
        difflib.unified_diff(old, fresh.read_text().splitlines(), str(kept), "now", lineterm="", n=1)
    )
    for line in changes[:20]:
        sys.stderr.write(f"{line}\n")
    return bool(changes)


def describe(path: Path) -> None:
    """The description, valid and without a warning."""
    options = ["spectacular", "--validate", "--fail-on-warn", "--file", str(path)]
    subprocess.run([PYTHON, "-W", "ignore::RuntimeWarning", "manage.py", *options], cwd=ROOT, check=True)


def model(schema: Path, path: Path) -> None:
    """A class for each body."""
    program = Path(PYTHON).with_name("datamodel-codegen")
    options = [
        "--input-file-type", "openapi", "--output-model-type", "pydantic_v2.BaseModel",
        "--target-python-version", "3.11", "--disable-timestamp", "--use-annotated", "--field-constraints",
        "--use-standard-collections", "--use-union-operator", "--capitalise-enum-members",
        "--formatters", "builtin", "--strict-nullable",
        "--custom-file-header", HEADER,
    ]  # fmt: skip
    subprocess.run([program, "--input", schema, "--output", path, *options], cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
