"""The original builder as a choice: what it is given, how each of its ends is told, what is left of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.doubles import image_creator
from tests.doubles.image_creator import SECRET
from workers import mounts
from workers.contract import ARTIFACT_SUFFIXES, Step
from workers.creator import cli
from workers.creator.outside import build as outside
from workers.creator.outside import leash
from workers.creator.rules import TERMINAL, Rules
from workers.creator.settings import Backend, Settings
from workers.errors import Canceled, HostError, JobError
from workers.imaging import manifest
from workers.imaging.proof import examine
from workers.report import Recorder


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "bin" / "image-creator"
    path.parent.mkdir()
    path.write_text(f"#!{sys.executable}\n{Path(image_creator.__file__).read_text()}")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def _as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in needs no root; what refuses others is tested apart."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.fixture
def settings(program: Path) -> Settings:
    return Settings(Backend.IMAGE_CREATOR, str(program), rules=TERMINAL)


@pytest.fixture
def make(tmp_path: Path, demo_base: Path, report: Recorder, key: Any, settings: Settings):
    """`make(behaviour)` builds into `out` with the stand-in, which behaves so."""

    def run(behaviour: dict[str, Any] | None = None, *, settings: Settings = settings, **more: Any):
        recipe = {
            "base": {"source": str(demo_base)},
            "output": {"size": "1GiB"},
            "offspot": {"ap": {"passphrase": SECRET}, "stand_in": behaviour or {}},
            **more,
        }
        return outside.build(
            yaml.safe_dump(recipe),
            tmp_path / "out",
            name="card",
            signing_key=key,
            report=report,
            settings=settings,
            cache_dir=tmp_path / "cache",
        )

    return run


@pytest.fixture
def told(tmp_path: Path):
    return lambda: json.loads((tmp_path / "cache" / "told.json").read_text())


def left(tmp_path: Path) -> list[str]:
    out = tmp_path / "out"
    return sorted(path.name for path in out.iterdir()) if out.exists() else []


def lives(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


class TestSuccess:
    def test_the_same_kinds_of_files(self, make, tmp_path, demo_base, key, report) -> None:
        built = make()
        assert left(tmp_path) == sorted(f"card{suffix}" for suffix in ARTIFACT_SUFFIXES)
        assert sorted(facts["name"] for facts in built.files) == left(tmp_path)
        assert built.image_size == demo_base.stat().st_size
        assert 0 < built.mapped_bytes < built.image_size
        public = manifest.public_hex(key)
        found = examine(tmp_path / "out/card.img.zst", trusted_key=public, report=Recorder())
        assert [each for each in found if each.flaw] == []
        page = manifest.verify_file(tmp_path / "out/card.manifest.json", public)
        assert page.builder.endswith("with image-creator")
        assert report.steps[0] is Step.CHECKING
        assert Step.PACKING in report.steps

    def test_what_it_is_given(self, make, told, tmp_path, monkeypatch) -> None:
        monkeypatch.setenv("IMAGER_PASSWORD", "the-password-of-the-host")
        monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
        make()
        given = told()
        argv = given["argv"]
        assert argv[argv.index("--max-size") + 1] == str(1 << 30)
        assert argv[argv.index("--cache-dir") + 1] == str(tmp_path / "cache")
        assert SECRET not in " ".join(argv)
        assert given["recipe_mode"] == 0o600
        assert not given["there"]
        assert "IMAGER_PASSWORD" not in given["environ"]
        assert given["environ"]["HTTPS_PROXY"] == "http://proxy.example:3128"
        assert given["environ"]["TMPDIR"] == argv[argv.index("--build-dir") + 1]

    def test_the_limit_of_the_host_where_the_recipe_names_none(self, make, told, settings) -> None:
        small = Settings(Backend.IMAGE_CREATOR, settings.image_creator, 1 << 31, TERMINAL)
        make(settings=small, output={"size": "auto"})
        argv = told()["argv"]
        assert argv[argv.index("--max-size") + 1] == str(1 << 31)

    def test_a_daemon_that_left_the_group_is_ended_too(self, make, tmp_path) -> None:
        make({"daemon": True})
        assert not lives(int((tmp_path / "cache/child").read_text()))


class TestItsWords:
    def test_secrets_reach_no_log(self, make, report, tmp_path) -> None:
        with pytest.raises(HostError) as caught:
            make({"says": [f"passphrase={SECRET}", "login admin"], "exit": 1})
        assert "passphrase=[secret]" in report.lines
        assert "login admin" in report.lines
        assert SECRET not in "".join(report.lines) + caught.value.message

    def test_any_bytes(self, make, report) -> None:
        make({"garbage": True})
        assert "after all that" in report.lines
        assert all(line.isprintable() for line in report.lines)
        assert max(map(len, report.lines)) < 10_000


class TestFailures:
    @pytest.mark.parametrize(
        ("behaviour", "kind", "code", "words"),
        [
            ({"exit": 2, "says": ["no losetup"]}, HostError, "builder_requirements", "no losetup"),
            ({"exit": 3, "says": ["line 7 is bad"]}, JobError, "bad_recipe", "line 7 is bad"),
            ({"exit": 4, "says": ["404 /x.zim"]}, JobError, "bad_source", "404 /x.zim"),
            ({"exit": 1, "says": ["Traceback: x"]}, HostError, "builder_failed", "Traceback: x"),
            ({"signal": int(signal.SIGKILL)}, HostError, "builder_failed", "killed by signal 9"),
            ({"signal": int(signal.SIGTERM)}, HostError, "builder_failed", "killed by signal 15"),
            ({"output": "none"}, HostError, "builder_no_image", "made no image"),
            ({"output": "folder"}, HostError, "builder_no_image", "made no image"),
            ({"output": "large", "bytes": 0}, HostError, "builder_no_image", "made no image"),
            ({"output": "large", "bytes": 1 << 31}, HostError, "builder_too_large", "1073741824 bytes"),
            (
                {"output": "large", "bytes": 1 << 31, "and_hang": True},
                HostError,
                "builder_too_large",
                "are allowed",
            ),
            ({"output": "cut"}, HostError, "builder_no_image", "bad image"),
        ],
    )
    def test_each_end_has_its_fault_and_leaves_nothing(self, make, tmp_path, behaviour, kind, code, words):
        with pytest.raises(kind) as caught:
            make(behaviour)
        assert caught.value.code == code
        assert words in caught.value.message
        assert left(tmp_path) == []

    def test_only_the_last_words_are_told(self, make) -> None:
        with pytest.raises(HostError) as caught:
            make({"exit": 1, "says": [f"line {n} {'x' * 900}" for n in range(50)]})
        assert "line 49" in caught.value.message
        assert "line 3 " not in caught.value.message
        assert len(caught.value.message) < 4000

    def test_a_program_that_cannot_be_started(self, make, program, tmp_path) -> None:
        program.write_text("#!/nowhere/python\n")
        with pytest.raises(HostError, match="cannot be started") as caught:
            make()
        assert caught.value.code == "builder_missing"
        assert left(tmp_path) == []


class TestRefusals:
    def test_without_root(self, make, monkeypatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        with pytest.raises(HostError, match=r"needs root.*user 1000.*CREATOR_BACKEND=builtin") as caught:
            make()
        assert caught.value.code == "needs_root"

    def test_without_the_program(self, make, told) -> None:
        with pytest.raises(HostError, match="no program no-such-creator") as caught:
            make(settings=Settings(Backend.IMAGE_CREATOR, "no-such-creator"))
        assert caught.value.code == "builder_missing"

    @pytest.mark.parametrize(
        ("more", "code"),
        [
            ({"base": {"source": "/etc/passwd"}}, "bad_source"),
            ({"base": {"source": "file:///etc/passwd"}}, "bad_source"),
            ({"base": {"source": "http://169.254.169.254/base.img"}}, "forbidden_address"),
            ({"base": {"source": "http://localhost:1/base.img"}}, "forbidden_address"),
            ({"files": [{"to": "/data/x", "url": "http://10.0.0.1/x"}]}, "forbidden_address"),
            (
                {
                    "files": [
                        {
                            "to": "/data/x",
                            "content": "x",
                            "checksum": {"algo": "md5", "kind": "digest", "value": "0" * 32},
                        },
                        {
                            "to": "/data/y",
                            "url": "https://1.1.1.1/y",
                            "checksum": {"algo": "md5", "kind": "url", "value": "http://[::1]/md5"},
                        },
                    ]
                },
                "forbidden_address",
            ),
            (
                {"oci_images": [{"ident": "127.0.0.1:5000/a/b:1", "filesize": 1, "fullsize": 1}]},
                "forbidden_address",
            ),
            (
                {"oci_images": [{"ident": "a/b:1", "url": "http://[::1]/t", "filesize": 1, "fullsize": 1}]},
                "forbidden_address",
            ),
            ({"outptu": {}}, "bad_recipe"),
        ],
    )
    def test_what_recipes_must_not_reach_is_refused_before_it_starts(
        self, make, settings, tmp_path, more, code
    ) -> None:
        strict = Settings(Backend.IMAGE_CREATOR, settings.image_creator, rules=Rules())
        with pytest.raises(JobError) as caught:
            make(settings=strict, **{"base": {"source": "https://1.1.1.1/base.img"}, **more})
        assert caught.value.code == code
        assert not (tmp_path / "cache/told.json").exists()
        assert left(tmp_path) == []


class TestCancel:
    def test_its_whole_group_ends_though_it_ignores_the_wish(self, make, tmp_path, told) -> None:
        report = Recorder()
        began = threading.Event()

        class Watching(Recorder):
            def log(self, line: str) -> None:
                super().log(line)
                if line.startswith("Downloading"):
                    began.set()
                    self.canceled.set()

        report = Watching()
        with pytest.raises(Canceled):
            outside._run(
                yaml.safe_dump(
                    {"base": {"source": "https://1.1.1.1/b"}, "offspot": {"stand_in": {"hang": True}}}
                ),
                _folder(tmp_path) / "card.img",
                tmp_path / "cache",
                Settings(Backend.IMAGE_CREATOR, str(tmp_path / "bin/image-creator"), rules=TERMINAL),
                report,
            )
        assert began.is_set()
        assert not lives(told()["pid"])
        assert not lives(int((tmp_path / "cache/child").read_text()))

    def test_the_work_folder_goes(self, make, report, tmp_path, monkeypatch) -> None:
        real = report.check
        calls = iter(range(3))
        monkeypatch.setattr(
            report, "check", lambda: (next(calls, None) is None and report.canceled.set(), real())[1]
        )
        with pytest.raises(Canceled):
            make({"hang": True})
        assert left(tmp_path) == []

    def test_it_ends_with_us(self, tmp_path) -> None:
        """The leash kills the group when the pipe to us closes, as it does when we are killed."""
        argv = [sys.executable, "-I", leash.__file__, "sh", "-c", "sleep 600 & echo $!; wait"]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)
        with process:
            sleeper = int(process.stdout.readline())
            assert lives(sleeper)
            process.stdin.close()
            assert process.wait(20) == -signal.SIGKILL
        until = time.monotonic() + 20
        while lives(sleeper) and time.monotonic() < until:  # the kernel ends a group one by one
            time.sleep(0.01)
        assert not lives(sleeper)


def _folder(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


class TestCommand:
    @pytest.fixture
    def recipe(self, tmp_path, demo_base, monkeypatch, program) -> Path:
        monkeypatch.setenv("CREATOR_BACKEND", "image-creator")
        monkeypatch.setenv("IMAGER_IMAGE_CREATOR", str(program))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
        path = tmp_path / "card.yaml"
        path.write_text(yaml.safe_dump({"base": {"source": str(demo_base)}}))
        return path

    def test_check_is_its_own(self, recipe, tmp_path, capsys) -> None:
        assert cli.main([str(recipe), str(tmp_path / "out"), "--check"]) == 0
        assert "says image-creator" in capsys.readouterr().out
        told = json.loads((tmp_path / "home/imager/image-creator/told.json").read_text())
        assert "-C" in told["argv"]
        assert left(tmp_path) == []

    def test_check_that_fails(self, recipe, tmp_path, capsys, demo_base) -> None:
        page = {"base": {"source": str(demo_base)}, "offspot": {"stand_in": {"exit": 4}}}
        recipe.write_text(yaml.safe_dump(page))
        assert cli.main([str(recipe), str(tmp_path / "out"), "--check"]) == 3
        assert "cannot reach" in capsys.readouterr().err

    def test_build(self, recipe, tmp_path, capsys) -> None:
        assert cli.main([str(recipe), str(tmp_path / "out"), "--json", "--torrent"]) == 0
        page = json.loads(capsys.readouterr().out)
        assert len(page["files"]) == 5

    def test_an_unknown_backend(self, recipe, tmp_path, capsys, monkeypatch) -> None:
        monkeypatch.setenv("CREATOR_BACKEND", "magic")
        assert cli.main([str(recipe), str(tmp_path / "out")]) == 4
        assert "'magic'; it must be builtin or image-creator" in capsys.readouterr().err


class TestLeftovers:
    def test_nothing_of_ours_is_nothing_to_do(self, tmp_path) -> None:
        mounts.let_go(tmp_path)

    def test_blanks_in_mount_points(self) -> None:
        assert mounts.unescape(r"/a\040b\134c") == r"/a b\c"

    @pytest.mark.loop
    def test_mounts_and_devices_are_released(self, tmp_path) -> None:
        image, point = tmp_path / "card.img", tmp_path / "build" / "a mount"
        point.mkdir(parents=True)
        with image.open("wb") as file:
            file.truncate(8 << 20)
        if os.getuid() != 0 or not shutil.which("losetup"):
            pytest.skip("needs root and losetup")
        subprocess.run(["mke2fs", "-q", "-t", "ext4", str(image)], check=True)
        made = subprocess.run(
            ["losetup", "-f", "--show", str(image)], capture_output=True, text=True, check=False
        )
        if made.returncode:
            pytest.skip(f"no free loop device: {made.stderr}")
        device = made.stdout.strip()
        try:
            if subprocess.run(["mount", device, str(point)], capture_output=True, check=False).returncode:
                pytest.skip("mounts are not allowed here")
            mounts.let_go(tmp_path)
            shutil.rmtree(tmp_path / "build")
            assert not Path(f"/sys/block/{Path(device).name}/loop/backing_file").exists()
        finally:
            subprocess.run(["umount", str(point)], capture_output=True, check=False)
            subprocess.run(["losetup", "-d", device], capture_output=True, check=False)


def test_files_of_each_card_are_not_quietly_left_out(make, tmp_path: Path) -> None:
    with pytest.raises(JobError) as caught:
        make(per_card=[{"to": "serial.txt", "content": "{serial}"}])
    assert caught.value.code == "not_supported"
    assert left(tmp_path) == []
