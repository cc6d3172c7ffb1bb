"""The host configurator: every subcommand, what it writes, and every refusal in one sentence."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.doubles.image import Image
from tests.doubles.server import EMAIL, PASSWORD, Server, Task
from tests.doubles.warehouse import Warehouse
from workers import machine
from workers.backoff import Backoff
from workers.config import ConfigError, load
from workers.contract import PROTOCOL
from workers.errors import HostError
from workers.imaging.sysfs import Sysfs
from workers.whost.__main__ import main
from workers.whost.readers import Reader, readers, usb_storage
from workers.whost.slots import size_of
from workers.whost.store import change, dumps, write
from workers.whost.supervise import Keeper
from workers.whost.switch import unit
from workers.writer.slots import SlotConfig, find

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "etc" / "host.toml"
    monkeypatch.setenv("IMAGER_CONFIG", str(path))
    monkeypatch.setenv("COLUMNS", "200")
    return path


@pytest.fixture
def env_file(tmp_path: Path, server: Server) -> Path:
    file = tmp_path / "writer-1.env"
    file.write_text(
        f"# made by create_host\n\nIMAGER_URL={server.url}\nIMAGER_HOST=writer-1\nIMAGER_EMAIL={EMAIL}\n"
        f"IMAGER_PASSWORD={PASSWORD}\nIMAGER_DATA={tmp_path / 'data'}\nIMAGER_CHANNEL=main\n"
    )
    return file


@pytest.fixture
def whost(path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def whost(*arguments: str) -> tuple[int, str, str]:
        code = main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return whost


@pytest.fixture
def ready(whost: Run, env_file: Path) -> Run:
    assert whost("credentials", "--from-env-file", str(env_file))[0] == 0
    return whost


class TestCredentials:
    def test_from_the_file_of_create_host(
        self, whost: Run, env_file: Path, path: Path, tmp_path: Path
    ) -> None:
        code, out, err = whost("credentials", "--from-env-file", str(env_file))
        assert (code, err) == (0, "")
        assert PASSWORD not in out
        assert path.stat().st_mode & 0o777 == 0o600
        config = load(path, {})
        assert (config.host, config.email, config.password, config.channel) == (
            "writer-1",
            EMAIL,
            PASSWORD,
            "main",
        )

    def test_what_was_there_stays(self, ready: Run, env_file: Path, path: Path, tmp_path: Path) -> None:
        ready("slots", "add", "A", "--port", "2-1.1")
        env_file.write_text("IMAGER_PASSWORD=the-new-password\n")
        ready("credentials", "--from-env-file", str(env_file))
        config = load(path, {})
        assert (config.password, config.host, [slot.name for slot in config.slots]) == (
            "the-new-password",
            "writer-1",
            ["A"],
        )

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "holds no settings"),
            ("IMAGER_PASWORD=x\n", "Line 1 .* is not one of"),
            ("IMAGER_URL=http://far.example\n", "must begin with https"),
            ("IMAGER_SIGNING_KEY=12\n", "64 hex digits"),
            ("just words\n", "Line 1"),
        ],
    )
    def test_a_bad_file_changes_nothing(
        self, ready: Run, tmp_path: Path, path: Path, text: str, words: str
    ) -> None:
        before = path.read_bytes()
        bad = tmp_path / "bad.env"
        bad.write_text(text)
        code, _, err = ready("credentials", "--from-env-file", str(bad))
        assert code == HostError.exit_code
        assert len(err.splitlines()) == 1
        with pytest.raises(ConfigError, match=words):
            raise ConfigError(err)
        assert path.read_bytes() == before

    def test_no_file(self, whost: Run) -> None:
        code, _, err = whost("credentials", "--from-env-file", "/no/such/file")
        assert (code, "cannot be read" in err) == (4, True)

    def test_nobody_to_ask(self, whost: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        with open(os.devnull) as nobody:
            monkeypatch.setattr("sys.stdin", nobody)
            code, _, err = whost("credentials")
        assert (code, "--from-env-file" in err) == (4, True)

    def test_asked_on_a_terminal(self, path: Path, server: Server) -> None:
        import pty

        child, terminal = pty.fork()
        if child == 0:  # pragma: no cover - the other process
            os.execv(sys.executable, [sys.executable, "-m", "workers.whost", "credentials"])  # noqa: S606
        seen = b""
        for question, answer in (
            (b"server", server.url),
            (b"host", "writer-7"),
            (b"account", EMAIL),
            (b"Password", "typed-secret"),
        ):
            while question not in seen:
                seen += os.read(terminal, 1024)
            seen = b""
            os.write(terminal, answer.encode() + b"\n")
        rest = b""
        try:
            while data := os.read(terminal, 1024):
                rest += data
        except OSError:
            pass
        os.close(terminal)
        assert os.waitpid(child, 0)[1] == 0, rest
        assert b"typed-secret" not in rest
        config = load(path, {})
        assert (config.host, config.password) == ("writer-7", "typed-secret")


class TestSlots:
    def test_added_listed_removed(self, ready: Run, path: Path, tmp_path: Path) -> None:
        card = tmp_path / "card.img"
        card.write_bytes(bytes(2**20))
        assert ready("slots", "add", "A", "--device", str(card), "--max-size", "64GB")[0] == 0
        assert ready("slots", "add", "B", "--port", "2-1.4#1")[0] == 0
        assert [(slot.name, slot.port, slot.max_bytes) for slot in load(path, {}).slots] == [
            ("A", None, 64 * 10**9),
            ("B", "2-1.4#1", None),
        ]
        code, out, _ = ready("slots", "list")
        assert code == 0
        assert str(card) in out
        assert "1.05 MB" in out
        assert "USB 2-1.4#1" in out
        assert "plug it in there" in out
        assert ready("slots", "remove", "A")[0] == 0
        assert [slot.name for slot in load(path, {}).slots] == ["B"]

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("A", "--port", "1-9"), "two slots with the name A"),
            (("B", "--port", "2-1.1"), "two slots with the port 2-1.1"),
            (("B", "--port", "/dev/sdb"), "no USB port path"),
            (("b b", "--port", "1-1"), "letters, digits"),
            (("B", "--port", "1-1", "--max-size", "big"), "write a number and a unit"),
            (("B", "--port", "1-1", "--max-size", "0GB"), "write a number and a unit"),
        ],
    )
    def test_refused_and_nothing_changed(
        self, ready: Run, path: Path, arguments: tuple[str, ...], words: str
    ) -> None:
        ready("slots", "add", "A", "--port", "2-1.1")
        before = path.read_bytes()
        code, _, err = ready("slots", "add", *arguments)
        assert code == 4
        assert words in err
        assert len(err.splitlines()) == 1
        assert path.read_bytes() == before

    @pytest.mark.parametrize(
        "arguments",
        [
            ("add",),
            ("add", "A"),
            ("add", "A", "--port", "1-1", "--device", "/x"),
            ("remove",),
            (),
            ("sell", "A"),
        ],
    )
    def test_usage(self, whost: Run, arguments: tuple[str, ...]) -> None:
        with pytest.raises(SystemExit) as usage:
            whost("slots", *arguments)
        assert usage.value.code == 2

    def test_what_is_not_there_is_not_removed(self, ready: Run) -> None:
        code, _, err = ready("slots", "remove", "Z")
        assert (code, "no slot Z" in err, "its slots are: none" in err) == (4, True, True)

    def test_none_yet(self, ready: Run) -> None:
        assert "slots readers" in ready("slots", "list")[1]

    def test_a_readable_file_is_refused_before_anything(self, ready: Run, path: Path) -> None:
        path.chmod(0o644)
        code, _, err = ready("slots", "add", "A", "--port", "1-1")
        assert (code, "chmod 600" in err) == (4, True)

    @pytest.mark.parametrize(
        ("text", "size"),
        [("64GB", 64 * 10**9), ("512 MiB", 512 * 2**20), ("1000", 1000), ("7B", 7), ("1 TB", 10**12)],
    )
    def test_sizes(self, text: str, size: int) -> None:
        assert size_of(text) == size


class TestReaders:
    def test_it_works_without_any(self, whost: Run) -> None:
        assert whost("slots", "readers")[0] == 0
        assert isinstance(usb_storage(), list)

    def test_disks_and_strings_are_brought_together(self, tmp_path: Path) -> None:
        bus = "devices/pci0000:00/0000:00:14.0/usb2"
        reader(tmp_path, f"{bus}/2-1/2-1.1", "sda", 0, size=62333952)
        reader(tmp_path, f"{bus}/2-1/2-1.4", "sdb", 0, size=0)
        reader(tmp_path, f"{bus}/2-1/2-1.4", "sdc", 1, size=15523840)
        seen = [
            Reader("2-1.1", "Kingston FCR-HS4", "11b0:6368", "", ""),
            Reader("2-3", "Driverless", "aaaa:bbbb", "", ""),
        ]
        found = {one.port: one for one in readers(Sysfs(tmp_path), seen)}
        assert list(found) == ["2-1.1", "2-1.4#0", "2-1.4#1", "2-3"]
        assert (found["2-1.1"].name, found["2-1.1"].device, found["2-1.1"].card) == (
            "Kingston FCR-HS4",
            "/dev/sda",
            "31.9 GB",
        )
        assert (found["2-1.4#0"].card, found["2-1.4#1"].card) == ("no card", "7.95 GB")
        assert found["2-1.4#0"].name == "Multi-Reader"
        assert (found["2-3"].device, found["2-3"].card) == ("", "")

    def test_a_reader_held_back_by_its_port_is_told(self, tmp_path: Path) -> None:
        place = "devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1.1"
        reader(tmp_path, place, "sda", 0, size=62333952)
        (tmp_path / place / "speed").write_text("480\n")
        (tmp_path / place / "version").write_text(" 2.10\n")
        (found,) = readers(Sysfs(tmp_path), [])
        assert found.card.startswith("31.9 GB, 480 Mb/s: a USB 3 reader on a USB 2 port or hub")


def card_task(server: Server, image: Image, slot: SlotConfig, data: Path) -> Task:
    """A card to be written in that slot, of an order whose image is here."""
    state = find(slot)
    facts = {"name": slot.name, "diskseq": state["diskseq"], "size": state["size"]}
    task = server.add("write", {**image.spec, "unit": 1, "serial": f"S-{slot.name}", "slot": facts})
    shutil.copytree(image.folder, data / "images" / task.order)
    return task


def reader(sys_root: Path, place: str, name: str, lun: int, *, size: int) -> None:
    """A card reader in a tree that looks like sysfs."""
    usb = sys_root / place
    usb.mkdir(parents=True, exist_ok=True)
    for key, value in {
        "idVendor": "05e3",
        "idProduct": "0749",
        "product": "Multi-Reader",
        "serial": "1",
    }.items():
        (usb / key).write_text(f"{value}\n")
    block = usb / f"{usb.name}:1.0/host0/target0:0:0/0:0:0:{lun}/block/{name}"
    block.mkdir(parents=True)
    number = f"8:{16 * (ord(name[-1]) - 97)}"
    for key, value in {"dev": number, "size": size, "removable": 1, "ro": 0, "diskseq": 9}.items():
        (block / key).write_text(f"{value}\n")
    (block / "device").symlink_to(block.parents[1])
    for folder, entry in (("block", name), ("dev/block", number)):
        (sys_root / folder).mkdir(parents=True, exist_ok=True)
        (sys_root / folder / entry).symlink_to(block)


class TestStatus:
    def test_all_is_well(self, ready: Run, server: Server, tmp_path: Path) -> None:
        ready("slots", "add", "A", "--device", str(tmp_path / "none.img"))
        code, out, _ = ready("status", "--json")
        found = json.loads(out)
        assert code == 0
        assert found["ok"]
        assert found["server"] == {"url": server.url, "reachable": True, "account": True, "problem": ""}
        assert [(state["name"], state["present"]) for state in found["slots"]] == [("A", False)]
        assert found["workers"] == {"creator": False, "downloader": False, "writer": False}
        assert found["versions"]["protocol"] == PROTOCOL
        assert PASSWORD not in out
        code, out, _ = ready("status")
        assert (code, "account accepted" in out) == (0, True)

    def test_a_wrong_password(self, ready: Run, server: Server) -> None:
        server.password = "changed"
        code, out, _ = ready("status", "--json")
        found = json.loads(out)["server"]
        assert (code, found["reachable"], found["account"]) == (4, True, False)
        assert "401" in found["problem"]

    def test_a_server_that_is_away(self, ready: Run, server: Server) -> None:
        server.down = True
        code, out, _ = ready("status", "--json")
        assert (code, json.loads(out)["server"]["reachable"]) == (4, False)

    def test_no_configuration(self, whost: Run, path: Path) -> None:
        code, out, _ = whost("status", "--json")
        found = json.loads(out)
        assert (code, found["ok"], found["config"]["ok"]) == (4, False, False)
        assert str(path) in found["config"]["problem"]


class TestSwitch:
    def test_off_and_on(self, ready: Run, path: Path) -> None:
        assert ready("disable")[0] == 0
        assert not load(path, {}).enabled
        code, _, err = ready("run")
        assert (code, "is disabled" in err) == (4, True)
        assert ready("enable")[0] == 0
        assert load(path, {}).enabled

    def test_an_incomplete_host_is_not_enabled(self, whost: Run) -> None:
        code, _, err = whost("enable")
        assert (code, "lacks url" in err) == (4, True)

    def test_the_unit_waits_for_the_card(self, path: Path) -> None:
        text = unit(path)
        assert f"IMAGER_CONFIG={path}" in text
        assert "TimeoutStopSec=infinity" in text
        assert "-m workers.whost run" in text
        assert PASSWORD not in text


class TestRun:
    @pytest.fixture
    def running(self, ready: Run, path: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
        ready("slots", "add", "A", "--device", str(tmp_path / "none.img"))
        process = subprocess.Popen([sys.executable, "-m", "workers.whost", "run"], stdout=subprocess.DEVNULL)
        yield process
        process.kill()
        process.wait()

    def test_both_workers_run_work_and_end(
        self, server: Server, warehouse: Warehouse, image: Image, running: subprocess.Popen[bytes], ready: Run
    ) -> None:
        server.wait_for(lambda: {beat["kind"] for beat in server.beats} == {"download", "write"})
        assert json.loads(ready("status", "--json")[1])["workers"] == {
            "creator": False,
            "downloader": True,
            "writer": True,
        }
        task = server.add("download", image.spec)
        server.ring = [task.id]
        server.wait_for(lambda: task.finals, within=60)
        running.terminate()
        assert running.wait(60) == 0
        assert json.loads(ready("status", "--json")[1])["workers"] == dict.fromkeys(
            ("creator", "downloader", "writer"), False
        )

    @pytest.mark.parametrize("outcome", ["done", "canceled"])
    def test_a_stop_in_the_middle_of_a_download_and_two_cards(
        self,
        server: Server,
        slow_warehouse: Warehouse,
        image: Image,
        ready: Run,
        path: Path,
        tmp_path: Path,
        outcome: str,
    ) -> None:
        """The download is given back while both cards are still in work; these are ended as they would be."""
        for name in ("A", "B"):
            (tmp_path / name).write_bytes(bytes(16 * 2**20))
            ready("slots", "add", name, "--device", str(tmp_path / name))
        cards = [card_task(server, image, slot, tmp_path / "data") for slot in load(path, {}).slots]
        late = card_task(server, image, load(path, {}).slots[0], tmp_path / "data")
        download = server.add("download", image.spec)
        go = threading.Event()

        def hold(path: str) -> str:
            if path.endswith("/permit"):
                held.release()
                go.wait(60)
            return ""

        held, server.lose = threading.Semaphore(0), hold
        server.ring = [download.id, *(card.id for card in cards)]
        with subprocess.Popen(
            [sys.executable, "-m", "workers.whost", "run"], stdout=subprocess.DEVNULL
        ) as process:
            try:
                assert held.acquire(timeout=60)
                assert held.acquire(timeout=60)
                server.wait_for(lambda: any(report["step"] == "downloading" for report in download.reports))
                process.terminate()
                server.wait_for(lambda: download.releases)
                with server.changed:
                    server.ring.append(late.id)
                    for card in cards:
                        card.answer = "cancel" if outcome == "canceled" else "go"
                    assert [card.finals for card in cards] == [[], []]
                assert process.poll() is None
                if outcome == "done":
                    go.set()
                assert process.wait(60) == 0
            finally:
                go.set()
                process.kill()
        assert [[final["outcome"] for final in card.finals] for card in cards] == [[outcome]] * 2
        written = [(tmp_path / name).read_bytes()[: len(image.plain)] == image.plain for name in ("A", "B")]
        assert written == [outcome == "done"] * 2
        assert [len(card.releases) for card in cards] == [0, 0], "a card is finished, not given back"
        assert (download.attempt, download.finals) == (1, [])
        assert late.attempt == 0
        assert machine.kill_marked("IMAGER_CONFIG", str(path)) == [], "every process of the tree is gone"

    def test_workers_end_when_it_is_killed(
        self, server: Server, running: subprocess.Popen[bytes], ready: Run
    ) -> None:
        server.wait_for(lambda: {beat["kind"] for beat in server.beats} == {"download", "write"})
        running.kill()
        deadline = time.monotonic() + 30
        while any(json.loads(ready("status", "--json")[1])["workers"].values()):
            assert time.monotonic() < deadline

    def test_a_worker_that_dies_is_started_again(self, ready: Run, path: Path, server: Server) -> None:
        keeper = Keeper(["downloader"], path, Backoff(first=0.01, most=0.01))
        keeper.start()
        try:
            server.wait_for(lambda: server.beats)
            assert keeper.process is not None
            first = keeper.process.pid
            keeper.process.kill()
            heard = len(server.beats)
            server.wait_for(lambda: len(server.beats) > heard)
            assert keeper.process.pid != first
        finally:
            keeper.end()
            keeper.join(30)
        assert not keeper.is_alive()
        assert keeper.process.returncode is not None


class TestStore:
    def test_any_text_survives(self) -> None:
        table = {
            "host": 'a "b" \\ \n\t\x7f\x01 é€𝄞',
            "enabled": False,
            "slots": [{"name": "A", "max_bytes": 7}],
        }
        assert tomllib.loads(dumps(table)) == table

    def test_the_old_file_stays_when_the_new_one_cannot_be_written(self, path: Path) -> None:
        write(path, {"host": "old"})
        path.with_name(".host.toml.new").mkdir()
        with pytest.raises(ConfigError, match="cannot be written"):
            change(path, host="new")
        assert tomllib.loads(path.read_text()) == {"host": "old"}
