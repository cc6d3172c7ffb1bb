"""`enable` and `disable`, and the systemd unit that starts this host at boot."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

from rich.console import Console

from workers.child import import_path
from workers.config import ConfigError, default_path, load
from workers.whost.store import change

UNIT = "imager-host.service"
UNITS = Path("/etc/systemd/system")


def enable(options: Namespace, console: Console) -> int:
    """This host may run; with `--systemd` it also does, from now on and at each boot."""
    path = default_path()
    load(path)
    change(path, enabled=True)
    console.print(f"Enabled in {path}.")
    if options.systemd:
        install(UNITS, path)
        _systemctl("daemon-reload")
        _systemctl("enable", "--now", UNIT)
        console.print(f"{UNITS / UNIT} installed and started.")
    else:
        console.print("Start with: python -m workers.whost run (or, at each boot, enable --systemd as root)")
    return 0


def disable(_options: Namespace, console: Console) -> int:
    """This host may not run any more. What runs now is not stopped."""
    path = default_path()
    change(path, enabled=False)
    console.print(f"Disabled in {path}. Workers that run now end with: systemctl stop {UNIT} (or Ctrl-C)")
    return 0


def install(folder: Path, config: Path) -> None:
    """Write the unit file."""
    if os.geteuid() != 0:
        raise ConfigError(
            "Installing a systemd unit needs root: run `sudo python -m workers.whost enable --systemd`."
        )
    if not folder.is_dir():
        raise ConfigError(
            f"There is no {folder}, so no systemd: start `python -m workers.whost run` yourself."
        )
    (folder / UNIT).write_text(unit(config))


def unit(config: Path) -> str:
    """A stop waits for the card that is being written, however long that takes."""
    return f"""[Unit]
Description=Imager host: downloads images and writes cards
Wants=network-online.target
After=network-online.target

[Service]
Environment=IMAGER_CONFIG={config}
Environment=PYTHONPATH={import_path()}
ExecStart={sys.executable} -P -m workers.whost run
Restart=always
RestartSec=5
KillMode=mixed
TimeoutStopSec=infinity

[Install]
WantedBy=multi-user.target
"""


def _systemctl(*arguments: str) -> None:
    try:
        done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ConfigError("There is no systemctl: start `python -m workers.whost run` yourself.") from None
    if done.returncode:
        raise ConfigError(
            f"systemctl {' '.join(arguments)} failed: {done.stderr.strip() or done.returncode}."
        )
