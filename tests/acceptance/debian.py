"""Debian packages of any architecture, unpacked into a folder: nothing is installed, no root is needed.

apt keeps a state of its own here; the machine's package lists, architectures and sources stay as they are.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

MIRROR: Final = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_SOURCE: Final = f"deb [signed-by={KEYRING}] {MIRROR} bookworm main\n"
_CONFIG: Final = """\
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Sandbox::User "root";
Dir::State "{state}";
Dir::State::status "/dev/null";
Dir::Cache "{state}";
Dir::Etc::sourcelist "{state}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Acquire::Languages "none";
Acquire::Retries "3";
"""


class Debian:
    """Packages by name, from the cache or else from the mirror."""

    def __init__(self, cache: Path, architecture: str) -> None:
        self._unpacked = cache / "unpacked"
        self._state = cache / "apt"
        for folder in (self._unpacked, self._state / "lists/partial", self._state / "archives/partial"):
            folder.mkdir(parents=True, exist_ok=True)
        self._config = self._state / "apt.conf"
        self._config.write_text(_CONFIG.format(architecture=architecture, state=self._state))
        (self._state / "sources.list").write_text(_SOURCE)

    def files(self, package: str, wanted: str) -> Path:
        """A folder with the package's files and links whose paths match `wanted`, a regular expression."""
        there = self._unpacked / f"{package}-{hashlib.sha256(wanted.encode()).hexdigest()[:8]}"
        if not there.exists():
            self._update()
            with tempfile.TemporaryDirectory(dir=self._unpacked) as folder:
                archive = self._download(self._real_name(package), Path(folder))
                taken = Path(folder) / "files"
                _unpack(archive, taken, re.compile(wanted))
                taken.rename(there)
        return there

    def _update(self) -> None:
        if not list((self._state / "lists").glob("*_Packages*")):
            self._run("apt-get", "-q", "update")

    def _real_name(self, package: str) -> str:
        """The kernel that `linux-image-arm64`, an empty package, asks for."""
        if not package.startswith("linux-image-"):
            return package
        found = re.search(r"Depends: (linux-image-\S+)", self._run("apt-cache", "depends", package))
        return found[1] if found else package

    def _download(self, package: str, folder: Path) -> Path:
        self._run("apt-get", "-q", "download", package, cwd=folder)
        (archive,) = folder.glob("*.deb")
        return archive

    def _run(self, *command: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            command,
            env={**os.environ, "APT_CONFIG": str(self._config), "LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd,
        )
        assert done.returncode == 0, (
            f"{' '.join(command)} failed; is {MIRROR} in reach, and {self._state} whole? {done.stderr}"
        )
        return done.stdout


def _unpack(archive: Path, folder: Path, wanted: re.Pattern[str]) -> None:
    """The matching files; a kernel package has thousands of others."""
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as packed,
        tarfile.open(fileobj=packed.stdout, mode="r|") as members,
    ):
        for member in members:
            if (member.isfile() or member.issym()) and wanted.search(member.name):
                members.extract(member, folder, filter="tar")  # links may be absolute; apt proved the package
    assert folder.exists(), f"{archive.name} has no files like {wanted.pattern}"
