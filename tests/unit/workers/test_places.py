"""The next bell is heard as soon as a place is free."""

from __future__ import annotations

import pytest

from workers import celery


def test_the_loop_is_woken_when_a_task_has_ended_and_given_its_place_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []

    class Loop:
        def call_soon(self, _: object) -> None:
            said.append("woken")

    monkeypatch.setattr(celery, "get_event_loop", Loop)
    pool = celery.Places(limit=1)
    running = pool.on_apply(
        lambda: said.append("worked"), (), {}, callback=lambda _: said.append("place is free")
    )
    running.wait()
    pool.on_stop()
    assert said == ["worked", "place is free", "woken"]


def test_the_worker_uses_these_places(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, object] = {}

    class App:
        main = "workers"

        def Worker(self, **options: object) -> App:  # noqa: N802  # celery's name
            given.update(options)
            return self

        exitcode = 0

        def start(self) -> None:
            given["started"] = True

    assert celery.listen(App(), "creator.main", 1, lambda: None) == 0  # type: ignore[arg-type]
    assert given["pool_cls"] is celery.Places
    assert given["started"]
