"""The demo empties its folder before it starts: it must be its own, and nobody may use it."""

from __future__ import annotations

import fcntl
import json

import pytest

from imager.demo import folder
from imager.demo.folder import MARK, demo_folder, prepare
from imager.services import AlreadyRunning
from imager.services.layout import Layout
from imager.stack.processes import StackError


@pytest.fixture
def var(tmp_path):
    return tmp_path / "v"


@pytest.mark.parametrize("keep", [False, True])
def test_a_new_folder_is_made_and_marked(var, keep):
    prepare(var, keep=keep)

    assert [path.name for path in var.iterdir()] == [MARK]


def test_an_earlier_demo_is_cleared_away(var):
    prepare(var, keep=False)
    (var / "hosts").mkdir()
    (var / "hosts/old.env").touch()

    prepare(var, keep=False)

    assert [path.name for path in var.iterdir()] == [MARK]


def test_an_earlier_demo_is_kept_when_asked(var):
    prepare(var, keep=False)
    (var / "kept").touch()

    prepare(var, keep=True)

    assert (var / "kept").exists()


@pytest.mark.parametrize("keep", [False, True])
def test_a_folder_with_other_things_is_refused_and_left_alone(var, keep):
    var.mkdir()
    (var / "thesis.odt").write_text("three years of work")

    with pytest.raises(StackError, match=r"other things than an earlier demo.*IMAGER_VAR=FOLDER make demo"):
        prepare(var, keep=keep)

    assert (var / "thesis.odt").read_text() == "three years of work"
    assert not (var / MARK).exists()


def test_the_checkouts_own_folder_needs_no_mark(var, monkeypatch):
    monkeypatch.setattr(folder, "DEFAULT", var)
    var.mkdir()
    (var / "of-an-older-version").touch()

    prepare(var, keep=False)

    assert [path.name for path in var.iterdir()] == [MARK]


def test_a_demo_that_runs_is_not_disturbed(var):
    prepare(var, keep=False)
    layout = Layout(var)
    layout.state.write_text(json.dumps({"database_url": "postgres://x", "redis_url": "redis://x"}))
    with layout.lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        with pytest.raises(AlreadyRunning):
            prepare(var, keep=False)

    assert layout.state.exists()


def test_a_file_in_the_place_of_the_folder_is_named(var):
    var.write_text("not a folder")

    with pytest.raises(StackError, match=r"cannot be made fresh.*IMAGER_VAR=FOLDER"):
        prepare(var, keep=False)


def test_where_the_folder_is(monkeypatch, tmp_path):
    monkeypatch.delenv("IMAGER_VAR", raising=False)
    assert demo_folder() == folder.DEFAULT
    monkeypatch.setenv("IMAGER_VAR", "")
    assert demo_folder() == folder.DEFAULT
    monkeypatch.setenv("IMAGER_VAR", str(tmp_path))
    assert demo_folder() == tmp_path
