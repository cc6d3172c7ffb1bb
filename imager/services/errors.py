"""What goes wrong with the embedded services, in sentences that a person can act on."""

from __future__ import annotations

from pathlib import Path


class ServicesError(Exception):
    """The embedded services cannot do what was asked."""


class AlreadyRunning(ServicesError):
    """Another supervisor holds this `var`."""

    def __init__(self, var: Path) -> None:
        super().__init__(
            f"The embedded services of {var} are already running: use those, or stop them first "
            f"(the process is named in {var / 'services.json'})."
        )


class NotRunning(ServicesError):
    """Nobody runs the embedded services of this `var`."""

    def __init__(self, var: Path) -> None:
        super().__init__(
            f"No embedded services are running in {var}: start them with `make up`, "
            "or set DATABASE_URL and REDIS_URL to servers of your own."
        )


class ServerDied(ServicesError):
    """A server did not come up, or ended while it should run. Carries the end of its log."""

    def __init__(self, name: str, how: str, log: Path, tail: str) -> None:
        shown = tail.rstrip() or "(the log is empty)"
        super().__init__(f"{name} {how}. The end of its log, {log}:\n{shown}")
        self.tail = tail


class Unreachable(ServicesError):
    """We are root, and the account that the servers need is not let in."""

    def __init__(self, name: str, var: Path) -> None:
        super().__init__(
            f"{name} may not run as root, and the user `nobody`, as whom it runs instead, cannot reach {var} "
            "or the installed programs on this machine: move the checkout out of the closed folder, start "
            "this as an ordinary user, or set DATABASE_URL and REDIS_URL to servers of your own."
        )


class NotOurs(ServicesError):
    """A file below `var` belongs to another user."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} belongs to another user: run this as the user who made it, "
            f"or give the folder to yourself (chown -R … {path.parent})."
        )
