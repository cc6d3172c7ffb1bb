"""`python -m imager.services [--var DIR]`: run the embedded services in the foreground until told to stop."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from imager.services import Services, ServicesError, default_var, start

STOP = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def main() -> int:
    """0 after a stop that was asked for; 1 with the reason on stderr otherwise."""
    parser = argparse.ArgumentParser(prog="python -m imager.services", description=__doc__)
    parser.add_argument("--var", type=Path, default=default_var(), help="where data, passwords and logs live")
    chosen = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP | {signal.SIGCHLD})
    try:
        with start(chosen.var) as services:
            say(
                f"PostgreSQL and Valkey are running; their addresses are in {services.var / 'services.json'}."
            )
            watch(services)
    except ServicesError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    say("Stopped.")
    return 0


def watch(services: Services) -> None:
    """Return when asked to stop; `ServicesError` when a server ends by itself."""
    while True:
        services.check()
        if signal.sigwait(STOP | {signal.SIGCHLD}) in STOP:
            return


def say(line: str) -> None:
    """One line for the person or the log that listens."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
