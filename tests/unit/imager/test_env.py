"""Settings from files: what a container gets as a secret."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from imager.env import env, required


@pytest.fixture
def name() -> str:
    """A variable that no test has read before: files are read once per process."""
    return f"TEST_{secrets.token_hex(8).upper()}"


@pytest.fixture
def file(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "secret"
    monkeypatch.setenv(f"{name}_FILE", str(path))
    return path


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_newline_at_the_end_of_a_file_is_no_part_of_the_secret(name: str, file: Path, end: str) -> None:
    file.write_bytes(b"postgres://imager:x@postgres:5432/imager" + end.encode())

    assert required(name, "an address") == "postgres://imager:x@postgres:5432/imager"
    assert env.db_url_config(env.str(name))["NAME"] == "imager"


def test_second_look_is_the_same(name: str, file: Path) -> None:
    file.write_text("secret\n")

    assert [env.str(name), env.str(name)] == ["secret", "secret"]


def test_blanks_and_inner_newlines_stay(name: str, file: Path) -> None:
    file.write_text(" two\nlines \n")

    assert env.str(name) == " two\nlines "


def test_value_of_the_environment_stays_as_it_is(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "as it is\n")

    assert env.str(name) == "as it is\n"


def test_file_goes_before_the_environment(name: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("of the file\n")
    monkeypatch.setenv(name, "of the environment")

    assert env.str(name) == "of the file"


def test_file_that_holds_only_a_newline_is_as_good_as_none(name: str, file: Path) -> None:
    file.write_text("\n")

    with pytest.raises(ImproperlyConfigured, match=f"{name} is not set: a word .or {name}_FILE"):
        required(name, "a word")


def test_file_that_is_not_there_is_not_passed_over(name: str, file: Path) -> None:
    with pytest.raises(FileNotFoundError):
        env.str(name, default="something else")


def test_without_file_and_value_the_default_counts(name: str) -> None:
    assert env.str(name, default="otherwise") == "otherwise"
