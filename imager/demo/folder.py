"""The demo's own folder: emptied before each run, and never anybody else's."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from imager import services
from imager.stack.processes import ROOT, StackError

DEFAULT = ROOT / "var" / "demo"
MARK = "this-is-a-demo"  # a file that says that all beside it may be deleted


def demo_folder() -> Path:
    """`IMAGER_VAR`, or the folder var/demo of the checkout."""
    return Path(os.environ.get("IMAGER_VAR") or DEFAULT).resolve()


def prepare(var: Path, *, keep: bool) -> None:
    """Make `var` ready for a run: fresh, or with `keep` as an earlier demo left it.

    Raises StackError if it holds anything but an earlier demo, AlreadyRunning if that one still runs.
    """
    ours = var == DEFAULT or (var / MARK).exists()
    try:
        if var.exists() and any(var.iterdir()):
            if not ours:
                raise StackError(
                    f"{var} holds other things than an earlier demo and was left alone. "
                    "Name an empty folder: IMAGER_VAR=FOLDER make demo"
                )
            if services.running(var):
                raise services.AlreadyRunning(var)
            if not keep:
                shutil.rmtree(var)
        var.mkdir(parents=True, exist_ok=True)
        (var / MARK).touch()
    except OSError as error:
        raise StackError(
            f"The demo's folder {var} cannot be made fresh: {error}. Delete it as the user who made it, "
            "or name another: IMAGER_VAR=FOLDER make demo"
        ) from error
