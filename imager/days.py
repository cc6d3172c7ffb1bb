"""Days of the calendar, as people type them at the command line."""

from __future__ import annotations

import argparse
from datetime import date


def day(text: str) -> date:
    """YYYY-MM-DD, for `add_argument(type=…)`: argparse puts the option's name in front of the refusal."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        said = f"“{text[:40]}” is no day of the calendar: write it as YYYY-MM-DD, for example 2026-03-31."
        raise argparse.ArgumentTypeError(said) from error
