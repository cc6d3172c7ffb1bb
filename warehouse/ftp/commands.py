"""Which FTP commands exist here. What is not in this table is answered with 502."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from workers.contract import Right


@dataclass(frozen=True)
class Rule:
    """`argument`: True needed, False refused, None as you like. `file`: the argument is a file name."""

    argument: bool | None = None
    login: bool = True
    right: Right | None = None
    file: bool = False


PLAIN: Final = {
    "USER": Rule(argument=True, login=False),
    "PASS": Rule(argument=True, login=False),
    "QUIT": Rule(argument=False, login=False),
    "NOOP": Rule(login=False),
    "FEAT": Rule(argument=False, login=False),
    "SYST": Rule(argument=False, login=False),
    "OPTS": Rule(argument=True),
    "PWD": Rule(argument=False),
    "TYPE": Rule(argument=True),
    "PASV": Rule(argument=False),
    "EPSV": Rule(),
    "ABOR": Rule(argument=False),
    "REST": Rule(argument=True),
    "LIST": Rule(),
    "NLST": Rule(),
    "MLSD": Rule(),
    "SIZE": Rule(argument=True, file=True),
    "STOR": Rule(argument=True, right=Right.STORE, file=True),
    "RETR": Rule(argument=True, right=Right.READ, file=True),
    "SITE PUBLISH": Rule(argument=True, right=Right.STORE),
}

TLS: Final = {
    **PLAIN,
    "AUTH": Rule(argument=True, login=False),
    "PBSZ": Rule(argument=True, login=False),
    "PROT": Rule(argument=True, login=False),
}

FEATURES: Final = ("EPSV", "MLST modify*;size*;type*;", "REST STREAM", "SIZE", "UTF8")
TLS_FEATURES: Final = ("AUTH TLS", "PBSZ", "PROT")

# What clients send when they mean the folder that they are in.
HERE: Final = {"", "/", ".", "-a", "-l", "-al", "-la"}


def split(cmd: str, argument: str) -> tuple[str, str]:
    """`SITE X rest` is a command of its own, `SITE X`."""
    if cmd != "SITE":
        return cmd, argument
    verb, _, rest = argument.partition(" ")
    return f"SITE {verb.upper()}", rest
