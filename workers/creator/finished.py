"""A finished image on its way to the warehouse: if that fails, the next attempt need not build it again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from workers import places
from workers.contract import FileFacts, Step
from workers.creator.cache.proof import digest_of
from workers.creator.emit import Built
from workers.report import Report

FACTS: Final = "built.json"


class Finished:
    """The image of one task below a host's data folder. `made_of`: all that must be the same to take it."""

    def __init__(self, data: Path, task: str, made_of: Mapping[str, Any]) -> None:
        self.place = places.built_folder(data, task)
        self._data = data
        self._task = task
        self._made_of = dict(made_of)

    def find(self, report: Report) -> Built | None:
        """What an earlier attempt has built, if every byte is still there."""
        built = self._read()
        if built is not None:
            report.step(Step.CHECKING, sum(facts["size"] for facts in built.files))
            if all(self._is_whole(facts, report) for facts in built.files):
                report.log("The image was built by an earlier attempt: it is brought to the warehouse now.")
                return built
        places.clear_built(self._data, self._task)
        return None

    def keep(self, folder: Path, built: Built) -> None:
        """Take the files out of the work folder, also to another disk. What it says of them comes last."""
        self.make_room()
        places.clear_built(self._data, self._task)
        self.place.mkdir(parents=True, mode=0o700)
        for facts in built.files:
            shutil.move(folder / facts["name"], self.place / facts["name"])
        with (self.place / FACTS).open("w") as file:
            json.dump({"made_of": self._made_of, "built": asdict(built)}, file)
            file.flush()
            os.fsync(file.fileno())

    def make_room(self) -> bool:
        """Remove the images of other tasks: one is enough to keep. Whether there was any."""
        others = [task for task, _ in places.built_tasks(self._data) if task != self._task]
        for task in others:
            places.clear_built(self._data, task)
        return bool(others)

    def _read(self) -> Built | None:
        try:
            told = json.loads((self.place / FACTS).read_text())
            return Built(**told["built"]) if told["made_of"] == self._made_of else None
        except (OSError, ValueError, KeyError, TypeError):
            return None  # none, or cut off by a crash: it is built anew

    def _is_whole(self, facts: FileFacts, report: Report) -> bool:
        path = self.place / facts["name"]
        try:
            return (
                path.stat().st_size == facts["size"]
                and digest_of(path, "sha-256", report.check) == facts["sha256"]
            )
        except OSError:  # the disk cannot give it back: as good as lost
            return False
