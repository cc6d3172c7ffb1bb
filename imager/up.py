"""`make up`: the whole line in the foreground, for development. Ctrl-C ends it."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import sys
import time

from rich.console import Console

from imager import services
from imager.demo.starting import Starting
from imager.stack import start
from imager.stack.processes import StackError

LARGEST_PORT = 65535
console = Console(highlight=False)


def main() -> int:
    """Start the line, say where it is, wait."""
    line = None
    try:
        port = web_port(os.environ.get("PORT") or "8000")
        with Starting(console) as starting:
            line = start(services.default_var(), port=port, tell=starting)
        console.print(f"[green]Up:[/green] {line.url} (Ctrl-C ends it)", soft_wrap=True)
        console.print(f"Logs: {line.logs}", markup=False, soft_wrap=True)
        console.print(first_steps(line.url, os.environ.get("IMAGER_VAR")), markup=False, soft_wrap=True)
        while True:
            line.processes.check()
            time.sleep(1)
    except KeyboardInterrupt:
        return 0 if line else 130
    except (StackError, services.ServicesError) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    finally:
        if line:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C does not disturb the end
            console.print("stopping …")
            line.stop()


def web_port(text: str) -> int:
    """The port of `PORT`, free now. Raises StackError with another way."""
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) <= LARGEST_PORT:
        raise StackError(f"PORT={text}: a port is a number from 1 to {LARGEST_PORT}, as in PORT=8001 make up")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the web server does
        try:
            probe.bind(("127.0.0.1", int(text)))
        except OSError as error:
            reason = error.strerror
            raise StackError(
                f"Port {text} of this machine cannot be used ({reason}): choose another, PORT=8001 make up"
            ) from error
    return int(text)


def first_steps(url: str, var: str | None) -> str:
    """How to get to a first order; `var` as in IMAGER_VAR."""
    where = f"IMAGER_VAR={shlex.quote(var)} " if var else ""
    return (
        "First account, in another terminal:\n"
        f"  {where}.venv/bin/python manage.py create_user you@example.org --superuser\n"
        "First organization, for whom orders are placed:\n"
        f"  {url}/admin/accounts/organization/add/"
    )


if __name__ == "__main__":
    sys.exit(main())
