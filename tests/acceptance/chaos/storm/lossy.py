"""The way between hosts and server: requests get lost, answers get lost, and some things arrive twice."""

from __future__ import annotations

import os
import random
from typing import Any

import requests
from requests import sessions
from requests.adapters import HTTPAdapter

LOST, DOUBLED = 0.05, 0.05
LEDGER = "STORM_LOSSES"  # names the file that gets a letter for each of them
LETTERS = {"T": "request lost", "B": "answer lost", "D": "request doubled"}


class LossyAdapter(HTTPAdapter):
    """Half of what is lost is lost before the server has it, half after it has answered."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        chance = random.random()
        if chance < LOST / 2:
            _note("T")
            raise requests.ConnectionError("storm: the request is lost")
        answer = super().send(request, *args, **kwargs)
        if chance < LOST:
            _note("B")
            answer.close()
            raise requests.ConnectionError("storm: the answer is lost")
        if chance < LOST + DOUBLED:
            _note("D")
            answer.close()
            answer = super().send(request, *args, **kwargs)
        return answer


def install() -> None:
    """For every session that this process opens from now on."""
    sessions.HTTPAdapter = LossyAdapter  # type: ignore[misc]


def _note(letter: str) -> None:
    ledger = os.open(os.environ[LEDGER], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(ledger, letter.encode())
    finally:
        os.close(ledger)
