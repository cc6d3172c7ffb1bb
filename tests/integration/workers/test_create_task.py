"""A create task with a real build: from recipe to published files, and nothing left behind."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.doubles import image_creator
from tests.doubles.image_creator import SECRET
from tests.doubles.server import Server, Task
from tests.doubles.warehouse import Warehouse
from tests.integration.creator.server import ContentServer
from workers import child, mounts, places
from workers.config import Config
from workers.contract import FileFacts, Kind
from workers.creator import steps
from workers.creator.demo_base import make_demo_base
from workers.creator.emit import Built
from workers.creator.finished import Finished
from workers.creator.settings import Backend
from workers.errors import HostError
from workers.host import Host
from workers.imaging import manifest
from workers.imaging.source import open_source
from workers.report import Recorder
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


def built_at(creator: Host) -> list[str]:
    """Tasks of which a finished image lies here."""
    return [task for task, _ in places.built_tasks(creator.config.data)]


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
    assert built_at(creator) == []
    assert creator.config.signing_key not in task.log


def test_what_a_build_says_holds_no_password_of_its_recipe(
    server: Server, incoming: Warehouse, recipe: dict[str, Any], content: ContentServer, creator: Host
) -> None:
    """Whatever the text is that happens to hold it: here an address that nobody answers."""
    password = "open-sesame-for-all"
    recipe["offspot"] = {"ap": {"ssid": "school", "passphrase": password}}
    recipe["files"] = [{"url": content.url(f"/{password}.zim"), "to": "/data/one.zim"}]
    task = ask(server, recipe)
    run(task.id, creator)
    (final,) = task.finals
    assert "[secret].zim" in final["trouble"]["message"]
    assert password not in repr(task.reports)
    assert password not in task.log


def test_what_a_build_prints_unasked_holds_none_either(
    server: Server, recipe: dict[str, Any], creator: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a library does that warns, or a process that dies."""
    password = "open-sesame-for-all"

    def spawn(events: int, _claim_id: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", f"import sys; sys.exit('cannot join with {password}')"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(events,),
            start_new_session=True,
        )

    monkeypatch.setattr(child, "_spawn", spawn)
    recipe["offspot"] = {"ap": {"ssid": "school", "passphrase": password}}
    task = ask(server, recipe)
    run(task.id, creator)
    (final,) = task.finals
    assert "cannot join with [secret]" in final["trouble"]["message"]
    assert "cannot join with [secret]" in task.log
    assert password not in repr(task.reports)


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
    assert built_at(creator) == []
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


@pytest.fixture
def refused(
    server: Server,
    incoming: Warehouse,
    recipe: dict[str, Any],
    creator: Host,
    monkeypatch: pytest.MonkeyPatch,
) -> Task:
    """A task whose image is built, and was not taken by the warehouse. It is open for the next attempt."""
    task = ask(server, recipe)
    with monkeypatch.context() as patched:
        patched.setattr(incoming, "_take", lambda page: "550 no room")
        run(task.id, creator)
    assert [final["trouble"]["code"] for final in task.finals] == ["warehouse_refused"]
    assert left_of(creator) == []
    assert built_at(creator) == [task.id]
    for file in incoming.home.iterdir():  # the next attempt has a folder of its own there
        file.unlink()
    task.open = True
    return task


def test_a_failed_upload_does_not_build_again(incoming: Warehouse, creator: Host, refused: Task) -> None:
    run(refused.id, creator)
    assert [final["outcome"] for final in refused.finals] == ["failed", "done"]
    assert incoming.published == [refused.finals[1]["result"]["files"]]
    page = manifest.verify_file(incoming.home / "hotspot.manifest.json", manifest.public_hex(_key(creator)))
    assert refused.finals[1]["result"]["image_sha256"] == page.image.sha256
    assert "built by an earlier attempt" in refused.log
    assert (left_of(creator), built_at(creator)) == ([], [])


def test_a_stop_in_the_middle_of_the_upload_costs_no_build(
    server: Server, incoming: Warehouse, recipe: dict[str, Any], creator: Host
) -> None:
    incoming.cut_after, incoming.cuts = 100_000, 10**6  # the upload never ends
    task = ask(server, recipe)
    thread = threading.Thread(target=run, args=(task.id, creator))
    thread.start()
    server.wait_for(lambda: any(report["step"] == "uploading" for report in task.reports), within=60)
    creator.stopping.set()
    thread.join(60)
    assert len(task.releases) == 1
    assert (left_of(creator), built_at(creator)) == ([], [task.id])
    incoming.cuts = 0
    creator.stopping.clear()
    run(task.id, creator)
    assert [final["outcome"] for final in task.finals] == ["done"]
    assert "built by an earlier attempt" in task.log


@pytest.mark.parametrize("what", ["a byte", "a file", "the facts", "the recipe", "the key"])
def test_what_is_not_whole_or_of_something_else_is_built_anew(
    incoming: Warehouse, creator: Host, refused: Task, recipe: dict[str, Any], config: Config, what: str
) -> None:
    place = places.built_folder(creator.config.data, refused.id)
    image = place / "hotspot.img.zst"
    if what == "a byte":
        with image.open("r+b") as file:
            file.seek(1000)
            file.write(b"\xa5" * 8)
    elif what == "a file":
        image.unlink()
    elif what == "the facts":
        (place / "built.json").write_text("{")
    elif what == "the recipe":
        refused.spec["recipe"] = yaml.safe_dump({**recipe, "offspot": {"timezone": "Africa/Dakar"}})
    else:
        config.path.write_text(config.path.read_text().replace(creator.config.signing_key, "ab" * 32))
    run(refused.id, creator)
    assert [final["outcome"] for final in refused.finals] == ["failed", "done"], refused.finals[1]
    assert "built by an earlier attempt" not in refused.log
    assert incoming.published == [refused.finals[1]["result"]["files"]]
    assert (left_of(creator), built_at(creator)) == ([], [])


def test_the_image_of_another_builder_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    spec: Any = {"name": "hotspot", "recipe": "base: {}"}
    key = Ed25519PrivateKey.generate()
    first = steps._made_of(spec, key, Backend.BUILTIN)
    assert steps._made_of(spec, key, Backend.BUILTIN) == first
    assert steps._made_of(spec, key, Backend.IMAGE_CREATOR) != first
    monkeypatch.setattr(steps, "__version__", "0.0.1")
    assert steps._made_of(spec, key, Backend.BUILTIN) != first


def test_a_finished_image_may_go_to_another_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "rename", refuse)
    finished = Finished(tmp_path, str(uuid.uuid4()), {})
    facts: FileFacts = {"name": "x.img.zst", "size": 5, "sha256": hashlib.sha256(b"image").hexdigest()}
    (tmp_path / "x.img.zst").write_bytes(b"image")
    finished.keep(tmp_path, Built([facts], 1, "ab" * 32, 1))
    assert finished.find(Recorder()) == Built([facts], 1, "ab" * 32, 1)
    assert not (tmp_path / "x.img.zst").exists()


def test_a_recipe_that_cannot_be_built_any_more_keeps_nothing(creator: Host, refused: Task) -> None:
    refused.spec["recipe"] = "outptu: {}"
    run(refused.id, creator)
    assert refused.finals[1]["trouble"]["fault"] == "job"
    assert built_at(creator) == []


@pytest.mark.parametrize("code", ["disk_full", "builder_failed"])
def test_one_finished_image_is_kept_and_makes_room_for_other_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    first, second = (Finished(tmp_path, str(uuid.uuid4()), {}) for _ in range(2))
    facts: FileFacts = {"name": "x.img.zst", "size": 5, "sha256": hashlib.sha256(b"image").hexdigest()}
    for each in (first, second):
        (tmp_path / "x.img.zst").write_bytes(b"image")
        each.keep(tmp_path, Built([facts], 1, "ab" * 32, 1))
    assert (first.find(Recorder()), second.find(Recorder())) == (None, Built([facts], 1, "ab" * 32, 1))

    tries: list[int] = []

    def full(*_: object) -> None:
        tries.append(1)
        raise HostError(code, "The disk is full.")

    monkeypatch.setattr(steps, "_build", full)
    nothing: Any = None
    with pytest.raises(HostError, match="full"):
        steps._build_somehow(nothing, nothing, nothing, nothing, first, Recorder())
    assert (len(tries), second.place.exists()) == (2, False)
    with pytest.raises(HostError, match="full"):
        steps._build_somehow(nothing, nothing, nothing, nothing, first, Recorder())
    assert len(tries) == 3, "with nothing to remove, trying again would be for nothing"
