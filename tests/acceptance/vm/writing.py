"""The writer's command in the small computer, followed by what it says."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.acceptance.vm.computer import Computer

_TOLD = "=== told"


@dataclass
class Written:
    """How it ended: exit code, cards of `--json`, events of `--progress`, and everything in lines."""

    code: int = -1
    cards: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def troubles(self) -> list[tuple[str, str]]:
        """(fault, code) of each card that was not written."""
        found = [card["trouble"] for card in self.cards if card["trouble"]]
        return [(each["fault"], each["code"]) for each in found]


class Writing:
    """`python -m workers.writer.write …`, begun."""

    def __init__(self, computer: Computer, image: str, *devices: str, key: str, options: str = "") -> None:
        words = shlex.join([image, *devices, "--signing-key", key])
        computer.say(
            f"python -m workers.writer.write {words} --yes --json --progress {options} > /tmp/told; code=$?; "
            f"echo '{_TOLD}'; cat /tmp/told; (exit $code)"
        )
        self._lines = computer.ending()
        self._ended = Written()
        self._step: dict[str, str] = {}

    def until(self, device: str, step: str, done: int) -> None:
        """Until so many bytes of a step are behind the card; fails if the command ends before."""
        for event in self._events():
            at = self._step.get(device)
            if event.get("device") == device and at == step and event.get("done", -1) >= done:
                return
        raise AssertionError(f"it ended before {device} had {step} {done} bytes:\n{self._ended.text}")

    def until_log(self, words: str) -> None:
        """Until it says so; fails if the command ends before."""
        if not any(words in event.get("log", "") for event in self._events()):
            raise AssertionError(f"it never said {words!r}:\n{self._ended.text}")

    def end(self) -> Written:
        for _ in self._events():
            continue
        lines = self._ended.lines
        self._ended.code = int(lines[-1].rpartition(" ")[2])
        document = json.loads("\n".join(lines[lines.index(_TOLD) + 1 : -1]))
        self._ended.cards = document["cards"]
        return self._ended

    def _events(self) -> Iterator[dict[str, Any]]:
        for line in self._lines:
            self._ended.lines.append(line)
            if line.startswith('{"') and _TOLD not in self._ended.lines:
                event = json.loads(line)
                self._ended.events.append(event)
                if "step" in event:
                    self._step[event["device"]] = event["step"]
                yield event
