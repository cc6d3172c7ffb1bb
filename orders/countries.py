"""Where cards can be sent to: ISO 3166 codes and English names, from the system's time zone database."""

from __future__ import annotations

import zoneinfo
from functools import cache
from pathlib import Path
from typing import Final

TABLE: Final = "iso3166.tab"


@cache
def names() -> dict[str, str]:
    """Code → name, by name. The file is part of the same package (tzdata) as the time zones."""
    table = next(
        (Path(folder) / TABLE for folder in zoneinfo.TZPATH if (Path(folder) / TABLE).is_file()), None
    )
    if table is None:
        raise FileNotFoundError(
            f"{TABLE} is in none of {', '.join(zoneinfo.TZPATH)}: install the system's package tzdata."
        )
    rows = [
        line.split("\t") for line in table.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"
    ]
    return dict(sorted(((code, name) for code, name in rows), key=lambda row: row[1]))


def name_of(code: str) -> str:
    """The country's name; the code itself where there is none."""
    return names().get(code, code)
