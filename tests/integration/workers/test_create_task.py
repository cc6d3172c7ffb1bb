"""A create task with a real build: from recipe to published files, and nothing left behind."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from tests.doubles import image_creator
from tests.doubles.image_creator import SECRET
from tests.doubles.server import Server, Task
from tests.doubles.warehouse import Warehouse
from tests.integration.creator.server import ContentServer
from workers import mounts
from workers.contract import Kind
from workers.creator.demo_base import make_demo_base
from workers.errors import HostError
from workers.host import Host
from workers.imaging import manifest
from workers.imaging.source import open_source
from workers.run import run

CONTENT = Random(3).randbytes(3_000_000)


@pytest.fixture
def content() -> Iterator[ContentServer]:
    with closing(ContentServer()) as content:
        yield content


@pytest.fixture
def recipe(content: ContentServer, tmp_path: Path) -> dict[str, Any]:
    base = tmp_path / "base.img"
    make_demo_base(base)
    checksum = {"algo": "sha-256", "value": hashlib.sha256(CONTENT).hexdigest()}
    return {
        "base": {"source": content.put("/base.img", base.read_bytes())},
        "output": {"size": "128MiB"},
        "files": [{"url": content.put("/one.zim", CONTENT), "to": "/data/one.zim", "checksum": checksum}],
        "offspot": {"timezone": "Africa/Bamako"},
    }


@pytest.fixture
def incoming(tmp_path: Path, server: Server) -> Iterator[Warehouse]:
    (tmp_path / "incoming").mkdir()
    incoming = Warehouse(tmp_path / "incoming")
    server.ticket = incoming.ticket
    yield incoming
    incoming.close()


@pytest.fixture
def creator(host_of: Callable[[Kind], Host]) -> Host:
    return host_of(Kind.CREATE)


def ask(server: Server, recipe: dict[str, Any]) -> Task:
    return server.add("create", {"name": "hotspot", "recipe": yaml.safe_dump(recipe)})


def left_of(creator: Host) -> list[Path]:
    work = creator.config.data / "work"
    return list(work.iterdir()) if work.exists() else []


def test_from_recipe_to_published(
    server: Server, incoming: Warehouse, recipe: dict[str, Any], creator: Host
) -> None:
    task = ask(server, recipe)
    run(task.id, creator)
    (final,) = task.finals
    assert final["outcome"] == "done", final
    result = final["result"]
    assert incoming.published == [result["files"]]
    public = manifest.public_hex(_key(creator))
    page = manifest.verify_file(incoming.home / "hotspot.manifest.json", public)
    assert (page.image.size, page.image.sha256) == (result["image_size"], result["image_sha256"])
    assert page.image.mapped_bytes == result["mapped_bytes"]
    assert [item.to for item in page.contents] == ["/data/one.zim"]
    with closing(open_source(incoming.home / "hotspot.img.zst", signing_key=public)) as source:
        assert source.image_size == 128 * 2**20
    assert left_of(creator) == []
    assert creator.config.signing_key not in task.log


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This host builds with the stand-in of the original builder."""
    if os.geteuid() != 0:
        pytest.skip("the original builder needs root")
    program = tmp_path / "image-creator"
    program.write_text(f"#!{sys.executable}\n{Path(image_creator.__file__).read_text()}")
    program.chmod(0o755)
    monkeypatch.setenv("CREATOR_BACKEND", "image-creator")
    monkeypatch.setenv("IMAGER_IMAGE_CREATOR", str(program))


@pytest.mark.usefixtures("outside")
def test_the_original_builder_publishes_the_same_kinds_of_files(
    server: Server, incoming: Warehouse, recipe: dict[str, Any], creator: Host
) -> None:
    recipe["offspot"] = {"ap": {"passphrase": SECRET}, "stand_in": {"says": [f"joins with {SECRET}"]}}
    task = ask(server, recipe)
    run(task.id, creator)
    (final,) = task.finals
    assert final["outcome"] == "done", final
    assert incoming.published == [final["result"]["files"]]
    page = manifest.verify_file(incoming.home / "hotspot.manifest.json", manifest.public_hex(_key(creator)))
    assert page.builder.endswith("with image-creator")
    assert "joins with [secret]" in task.log
    assert SECRET not in task.log
    assert left_of(creator) == []


@pytest.mark.usefixtures("outside")
def test_a_cancel_ends_the_original_builder(
    server: Server, incoming: Warehouse, recipe: dict[str, Any], creator: Host
) -> None:
    recipe["offspot"] = {"stand_in": {"hang": True}}
    task = ask(server, recipe)
    thread = threading.Thread(target=run, args=(task.id, creator))
    thread.start()
    server.wait_for(lambda: "Downloading base image" in task.log, within=60)
    with server.changed:
        task.answer = "cancel"
    thread.join(60)
    assert [final["outcome"] for final in task.finals] == ["canceled"]
    assert left_of(creator) == []
    child = Path(f"/proc/{(creator.config.data / 'image-creator/child').read_text()}")
    assert not child.exists() or " Z " in (child / "stat").read_text()


def test_a_cut_upload_keeps_what_was_built(
    server: Server, incoming: Warehouse, recipe: dict[str, Any], content: ContentServer, creator: Host
) -> None:
    incoming.cut_after, incoming.cuts = 1_000_000, 2
    task = ask(server, recipe)
    run(task.id, creator)
    assert task.finals[0]["outcome"] == "done", task.finals
    assert server.tickets >= 6
    assert len(content.gets("/one.zim")) == 1, "nothing was built twice"
    assert "next try" in task.log


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"outptu": {}}, "bad_recipe"),
        ({"output": {"size": "1MiB"}}, "too_large"),
        ({"base": {"source": "/etc/passwd"}}, None),
    ],
)
def test_what_cannot_be_built_fails_at_once(
    server: Server,
    incoming: Warehouse,
    recipe: dict[str, Any],
    creator: Host,
    change: dict[str, Any],
    code: str | None,
) -> None:
    task = ask(server, {**recipe, **change})
    run(task.id, creator)
    (final,) = task.finals
    assert final["trouble"]["fault"] == "job"
    assert code is None or final["trouble"]["code"] == code
    assert left_of(creator) == []
    assert incoming.stores == []


def test_a_cancel_during_the_upload_leaves_nothing(
    server: Server, incoming: Warehouse, recipe: dict[str, Any], creator: Host
) -> None:
    incoming.cut_after, incoming.cuts = 100_000, 10**6  # the upload never ends
    task = ask(server, recipe)
    thread = threading.Thread(target=run, args=(task.id, creator))
    thread.start()
    server.wait_for(lambda: any(report["step"] == "uploading" for report in task.reports), within=60)
    with server.changed:
        task.answer = "cancel"
    thread.join(60)
    assert [final["outcome"] for final in task.finals] == ["canceled"]
    assert left_of(creator) == []
    assert incoming.published == []


def test_what_the_warehouse_refuses_fails_with_its_reason(
    server: Server, incoming: Warehouse, recipe: dict[str, Any], creator: Host
) -> None:
    incoming._take = lambda page: "550 that attempt is over"  # type: ignore[method-assign]
    task = ask(server, recipe)
    run(task.id, creator)
    (final,) = task.finals
    assert (final["trouble"]["fault"], final["trouble"]["code"]) == ("host", "warehouse_refused")
    assert "that attempt is over" in final["trouble"]["message"]
    assert left_of(creator) == []


def _key(creator: Host) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(creator.config.signing_key))


@pytest.mark.parametrize("why", [HostError("not_removed", "A mount stays."), PermissionError(1, "no")])
def test_a_folder_that_cannot_be_removed_loses_no_finished_build(
    server: Server,
    incoming: Warehouse,
    recipe: dict[str, Any],
    creator: Host,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    why: Exception,
) -> None:
    """The child has ended well; only what is left of its folder cannot be let go."""

    def refuse(_folder: Path) -> None:
        raise why

    monkeypatch.setattr(mounts, "let_go", refuse)
    task = ask(server, recipe)
    assert run(task.id, creator) is not None
    assert [final["outcome"] for final in task.finals] == ["done"]
    assert creator.journal.begun(Kind.CREATE) == []
    assert "a folder stays" in capsys.readouterr().out
