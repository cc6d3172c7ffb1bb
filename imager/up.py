"""`make up`: the whole line in the foreground, for development. Ctrl-C ends it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from rich.console import Console

from imager import services
from imager.stack import start
from imager.stack.processes import ROOT, StackError

console = Console()


def main() -> int:
    """Start the line, say where it is, wait."""
    var = Path(os.environ.get("IMAGER_VAR", ROOT / "var"))
    port = int(os.environ.get("PORT", "8000"))
    try:
        with console.status("starting the line …"):
            line = start(var, port=port)
    except (StackError, services.ServicesError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    console.print(
        f"[green]Up:[/green] {line.url}   logs: {line.logs}\nFirst account: "
        f"IMAGER_VAR={var} .venv/bin/python manage.py create_user you@example.org --role staff --superuser"
    )
    try:
        while True:
            line.processes.check()
            time.sleep(1)
    except KeyboardInterrupt:
        return 0
    except StackError as error:
        console.print(str(error), style="red", markup=False)
        return 1
    finally:
        console.print("stopping …")
        line.stop()


if __name__ == "__main__":
    sys.exit(main())
