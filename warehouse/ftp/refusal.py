"""Why the warehouse says no: an FTP reply code and one line that a person can act on."""

from __future__ import annotations

import unicodedata
from typing import Final

TRY_AGAIN = 450
DISK_FULL = 452
NOT_LOGGED_IN = 530
NOT_ALLOWED = 550
OVER_BUDGET = 552
BAD_NAME = 553
BAD_OFFSET = 554
GOING_AWAY = 421

LONGEST_REASON = 400


class Refused(Exception):
    """The reply to a command that is not carried out; 4xx codes invite to try again."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(one_line(reason))
        self.code = code

    def reply(self) -> str:
        """The refusal as one line of the FTP control connection."""
        return f"{self.code} {self}"


_PLAIN: Final = str.maketrans(
    {"“": '"', "”": '"', "«": '"', "»": '"', "’": "'", "–": "-", "—": "-", "→": "->"}
)


def one_line(text: str) -> str:
    """`text` as every FTP client can read it: one line of plain ASCII, accents dropped, not too long."""
    plain = unicodedata.normalize("NFKD", text.translate(_PLAIN))
    ascii_only = "".join(sign for sign in plain if not unicodedata.combining(sign))
    safe = ascii_only.encode("ascii", "replace").decode("ascii")
    words = "".join(sign if sign.isprintable() else " " for sign in safe).split()
    return " ".join(words)[:LONGEST_REASON]
