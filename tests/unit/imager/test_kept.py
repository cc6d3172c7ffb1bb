"""The idle connections of a web worker: gunicorn's deque, with another way to take one out."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imager.kept import Kept

STEPS = st.lists(st.tuples(st.sampled_from(["append", "remove", "popleft"]), st.integers(0, 9)))


@given(STEPS)
def test_it_is_as_the_deque_that_gunicorn_uses(steps: list[tuple[str, int]]) -> None:
    ours, theirs = Kept[int](), deque[int]()
    for what, value in steps:
        if what == "append" and value not in theirs:
            ours.append(value)
            theirs.append(value)
        elif what == "remove" and value in theirs:
            ours.remove(value)
            theirs.remove(value)
        elif what == "popleft" and theirs:
            assert ours.popleft() == theirs.popleft()
        assert list(ours) == list(theirs)
        assert bool(ours) is bool(theirs)
        if theirs:
            assert ours[0] == theirs[0]


def test_only_the_oldest_is_told_by_its_place() -> None:
    kept = Kept[str]()
    kept.append("one")
    with pytest.raises(IndexError):
        kept[1]
    with pytest.raises(KeyError):
        kept.remove("two")
