"""What of an order is for whom, as on the pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks_app.lifecycle import TaskStatus


def for_members(told: Mapping[str, Any]) -> dict[str, Any]:
    """What members read instead: not where it is made, nor by whom, nor of faults that are being mended."""
    nowhere = {"host": "", "slot": ""}
    stages = [{**stage, **nowhere} for stage in told["stages"]]
    for stage in stages:
        if stage["status"] != TaskStatus.FAILED:
            stage["trouble"] = None
    return {
        "stages": stages,
        "cards": [{**card, **nowhere} for card in told["cards"]],
        "history": [{**move, "by": ""} for move in told["history"]],
    }
