"""Stands in for the original `image-creator`: its options and exit codes, and misbehaviour on demand.

`offspot.stand_in` of the recipe says how it behaves. What it was given is written to `told.json` in its cache
folder. Tests copy this file with a first line that names an interpreter.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import yaml

SECRET = "correct-horse-battery"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--build-dir", type=Path, required=True)
    parser.add_argument("--cache-dir", type=Path, required=True)
    parser.add_argument("--max-size", required=True)
    parser.add_argument("-C", dest="check", action="store_true")
    parser.add_argument("config")
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    recipe = yaml.safe_load(Path(options.config).read_text())
    told = {
        "argv": sys.argv[1:],
        "environ": dict(os.environ),
        "recipe_mode": Path(options.config).stat().st_mode & 0o777,
        "pid": os.getpid(),
        "there": options.output.exists(),
    }
    behaviour = (recipe.get("offspot") or {}).get("stand_in", {})
    (options.cache_dir / "told.json").write_text(json.dumps(told))
    if options.check:
        print("Checking URLs: all good")
        return behaviour.get("exit", 0)
    return work(behaviour, recipe, options)


def work(behaviour: dict, recipe: dict, options: argparse.Namespace) -> int:
    print("Checking System Requirements", flush=True)
    for line in behaviour.get("says", []):
        print(line, flush=True)
    if behaviour.get("garbage"):
        sys.stdout.buffer.write(bytes(range(256)) * 300 + b"\n\xff\xfe\x00 after all that\n")
        sys.stdout.flush()
    if number := behaviour.get("signal"):
        os.kill(os.getpid(), number)
    if behaviour.get("exit"):
        return behaviour["exit"]
    if behaviour.get("hang"):
        hang(options)
    if behaviour.get("daemon"):
        leave_daemon(options)
    write(behaviour, recipe, options.output)
    return 0


def hang(options: argparse.Namespace) -> None:
    """Ignores SIGTERM, as does its own child."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "600"])
    (options.cache_dir / "child").write_text(str(child.pid))
    print("Downloading base image", flush=True)
    time.sleep(600)


def leave_daemon(options: argparse.Namespace) -> None:
    """As aria2c might: out of the group, with our output held open."""
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    (options.cache_dir / "child").write_text(str(child.pid))


def write(behaviour: dict, recipe: dict, output: Path) -> None:
    print("Downloading content", flush=True)
    if behaviour.get("output") == "none":
        return
    if behaviour.get("output") == "folder":
        output.mkdir()
        return
    if behaviour.get("output") == "large":
        with output.open("wb") as file:
            file.truncate(int(behaviour["bytes"]))
        if behaviour.get("and_hang"):
            time.sleep(600)
        return
    if behaviour.get("output") == "cut":
        data = Path(recipe["base"]["source"]).read_bytes()
        output.write_bytes(data[: len(data) // 2])
        return
    source = recipe["base"]["source"]
    if source.startswith("http:"):
        urllib.request.urlretrieve(source, output)  # noqa: S310  # the test's own server
    else:
        shutil.copy(source, output)
    print("Unmounting", flush=True)


if __name__ == "__main__":
    sys.exit(main())
