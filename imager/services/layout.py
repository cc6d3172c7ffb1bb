"""Where the embedded services keep their things below `var`, and the generated passwords."""

from __future__ import annotations

import json
import os
import pwd
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from imager.services.errors import NotOurs, ServicesError

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


@dataclass(frozen=True)
class Account:
    """The account that the servers run under when we are root."""

    uid: int
    gid: int


def account() -> Account | None:
    """`nobody` for root, whom PostgreSQL refuses; None for everybody else: the servers run as ourselves."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


@dataclass(frozen=True)
class Passwords:
    """Generated once per `var`: of PostgreSQL's superuser, of our database role, of Redis' default user."""

    owner: str = field(repr=False)
    database: str = field(repr=False)
    redis: str = field(repr=False)


@dataclass(frozen=True)
class Layout:
    """The files and folders of one `var`."""

    var: Path

    @property
    def lock(self) -> Path:
        """Held by the supervisor."""
        return self.var / "services.lock"

    @property
    def guard(self) -> Path:
        """Held by the servers themselves, all their processes: free means that none is left."""
        return self.var / "servers.lock"

    @property
    def state(self) -> Path:
        """Ports, addresses and process ids of the running services."""
        return self.var / "services.json"

    @property
    def passwords(self) -> Path:
        return self.var / "services.passwords.json"

    @property
    def postgres(self) -> Path:
        return self.var / "postgres"

    @property
    def valkey(self) -> Path:
        return self.var / "valkey"

    def log(self, name: str) -> Path:
        """The log file of the server `name`."""
        return self.var / "log" / f"{name}.log"

    def prepare(self) -> None:
        """Make the folders; those of the servers belong to their account and are closed to others."""
        self.var.mkdir(parents=True, exist_ok=True)
        self.log("").parent.mkdir(exist_ok=True)
        for folder in (self.postgres, self.valkey):
            if folder.is_symlink():
                raise ServicesError(
                    f"{folder} is a symbolic link, and what it points to would be given to the servers: "
                    "put a real folder there, or choose another place for all of it with IMAGER_VAR."
                )
            folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
            own(folder)

    def load_passwords(self) -> Passwords:
        """The passwords of this `var`, made on first use."""
        if not self.passwords.exists():
            made = {name: secrets.token_urlsafe(24) for name in Passwords.__dataclass_fields__}
            write_private(self.passwords, json.dumps(made))
        kept = _text_by_name(self.passwords.read_text())
        if kept.keys() != Passwords.__dataclass_fields__.keys():
            raise ServicesError(
                f"{self.passwords} cannot be understood: put back a copy of it, or remove it "
                "together with the folders postgres and valkey beside it to begin anew."
            )
        return Passwords(**kept)


def _text_by_name(text: str) -> dict[str, str]:
    """The JSON object's entries that are texts and not empty; none if it is no object."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str) and value}


def write_private(path: Path, text: str) -> None:
    """Replace `path` by `text` at once and for good, readable for its owner alone."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    new.replace(path)


def own(folder: Path) -> None:
    """Give `folder` and all that is in it to the servers' account, if it is not theirs already."""
    wanted = account()
    status = folder.lstat()
    if wanted is None:
        if status.st_uid != os.geteuid():
            raise NotOurs(folder)
        return
    if status.st_uid == wanted.uid:
        return
    for inner, _, files in os.walk(folder):
        for path in (inner, *(os.path.join(inner, name) for name in files)):
            os.chown(path, wanted.uid, wanted.gid, follow_symlinks=False)
