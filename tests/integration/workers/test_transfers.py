"""Up to and down from a real FTP server: cut, continued, damaged, refused, encrypted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.doubles.certificates import make_certificate
from tests.doubles.image import MIB, Image, make_image
from tests.doubles.warehouse import Warehouse
from workers.api import ServerAway, ServerRefused
from workers.backoff import Backoff
from workers.contract import DownloadSpec, Step, Ticket
from workers.creator.upload import publish, upload
from workers.downloader.steps import RESERVE, check_space, receive
from workers.errors import Canceled, HostError, JobError
from workers.report import Recorder
from workers.warehouse import Line

QUICK = Backoff(first=0.01, most=0.02)


@pytest.fixture
def report() -> Recorder:
    return Recorder()


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return make_image(tmp_path / "built")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Warehouse]:
    (tmp_path / "incoming").mkdir()
    store = Warehouse(tmp_path / "incoming")
    yield store
    store.close()


@pytest.fixture
def shelf(image: Image) -> Iterator[Warehouse]:
    shelf = Warehouse(image.folder)
    yield shelf
    shelf.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "images" / "order"
    folder.mkdir(parents=True)
    return folder


def line(house: Warehouse, report: Recorder, **more: Any) -> Line:
    ticket = cast("Ticket", {**house.ticket, "user": "task.1", "right": "any", "expires_in": 600})
    more = {"patience": 5.0, "backoff": QUICK, **more}
    return Line(lambda: ticket, more.pop("ca_file", None), report, **more)


def spec_of(image: Image, **more: Any) -> DownloadSpec:
    return cast("DownloadSpec", {**image.spec, **more})


def same(image: Image, folder: Path) -> bool:
    return all(
        (folder / facts["name"]).read_bytes() == (image.folder / facts["name"]).read_bytes()
        for facts in image.files
    )


class TestUpload:
    def test_four_files_and_published(self, store: Warehouse, image: Image, report: Recorder) -> None:
        upload(image.folder, image.files, line(store, report), report)
        assert same(image, store.home)
        assert report.done == report.total == sum(facts["size"] for facts in image.files)
        publish(image.files, line(store, report), report)
        assert store.published == [image.files]
        assert report.steps == [Step.UPLOADING, Step.PUBLISHING]

    def test_every_cut_is_continued(self, store: Warehouse, image: Image, report: Recorder) -> None:
        store.cut_after, store.cuts = 2 * MIB, 3
        upload(image.folder, image.files, line(store, report), report)
        assert same(image, store.home)
        offsets = [offset for name, offset in store.stores if name == image.container.name]
        assert offsets[0] == 0
        assert len(offsets) == 4
        assert offsets == sorted(set(offsets)), "each session continues where the last one ended"
        assert any("next try" in line for line in report.lines)

    def test_what_is_there_already_is_not_sent_again(
        self, store: Warehouse, image: Image, report: Recorder
    ) -> None:
        upload(image.folder, image.files, line(store, report), report)
        before = len(store.stores)
        upload(image.folder, image.files, line(store, report), report)
        assert len(store.stores) == before

    def test_more_than_there_should_be_is_a_trouble(
        self, store: Warehouse, image: Image, report: Recorder
    ) -> None:
        (store.home / image.files[0]["name"]).write_bytes(bytes(image.files[0]["size"] + 1))
        with pytest.raises(HostError, match="retry the task") as trouble:
            upload(image.folder, image.files, line(store, report), report)
        assert trouble.value.code == "upload_mismatch"

    def test_a_busy_warehouse_is_asked_again(self, store: Warehouse, image: Image, report: Recorder) -> None:
        upload(image.folder, image.files, line(store, report), report)
        store.busy = 2
        publish(image.files, line(store, report), report)
        assert len(store.published) == 1

    def test_a_refusal_carries_the_reason(self, store: Warehouse, image: Image, report: Recorder) -> None:
        upload(image.folder, image.files, line(store, report), report)
        (store.home / image.files[1]["name"]).write_bytes(b"other")
        with pytest.raises(HostError, match=r"demo\.img\.bmap has another digest") as trouble:
            publish(image.files, line(store, report), report)
        assert trouble.value.code == "warehouse_refused"

    def test_a_cancel_ends_it(self, store: Warehouse, image: Image, report: Recorder) -> None:
        report.canceled.set()
        with pytest.raises(Canceled):
            upload(image.folder, image.files, line(store, report), report)


class TestLine:
    def test_a_warehouse_that_stays_away(self, store: Warehouse, report: Recorder) -> None:
        here = line(store, report, patience=0.05)
        store.cuts, store.cut_after = 10**6, 0
        (store.home / "demo.img.bmap").write_bytes(b"x" * 100)

        def work(ftp: Any) -> None:
            raise ConnectionResetError("cut")

        with pytest.raises(HostError, match=r"No byte .* for 0 s \(cut\)") as trouble:
            here.through(work)
        assert trouble.value.code == "warehouse_away"

    def test_a_cancel_is_heard_while_waiting(self, store: Warehouse, report: Recorder) -> None:
        here = line(store, report, backoff=Backoff(first=1000, most=1000))

        def work(ftp: Any) -> None:
            report.canceled.set()
            raise ConnectionResetError("cut")

        with pytest.raises(Canceled):
            here.through(work)

    def test_each_session_has_a_fresh_ticket(self, store: Warehouse, image: Image, report: Recorder) -> None:
        taken = []

        def take() -> Ticket:
            taken.append(1)
            return cast("Ticket", {**store.ticket, "user": "t.1", "right": "store", "expires_in": 600})

        store.cut_after, store.cuts = MIB, 2
        upload(image.folder, image.files, Line(take, None, report, backoff=QUICK), report)
        assert len(taken) == store.logins == len(image.files) + 2

    def test_a_bad_ticket_is_refused_without_its_text(self, store: Warehouse, report: Recorder) -> None:
        ticket = cast("Ticket", {**store.ticket, "user": "t.1", "password": "eyJ.forged.ticket"})
        with pytest.raises(HostError) as trouble:
            Line(lambda: ticket, None, report, backoff=QUICK).through(lambda ftp: None)
        assert trouble.value.code == "warehouse_refused"
        assert "forged" not in trouble.value.message

    def test_a_server_that_is_away_is_waited_for_but_its_refusal_is_not(
        self, store: Warehouse, report: Recorder
    ) -> None:
        answers = iter([ServerAway("busy"), ServerAway("busy")])

        def take() -> Ticket:
            for answer in answers:
                raise answer
            return cast("Ticket", {**store.ticket, "user": "t.1"})

        assert Line(take, None, report, backoff=QUICK).through(lambda ftp: "through") == "through"

        def stale() -> Ticket:
            raise ServerRefused(409, "stale", "over")

        with pytest.raises(ServerRefused):
            Line(stale, None, report, backoff=QUICK).through(lambda ftp: None)

    def test_a_session_with_certificates(
        self, image: Image, folder: Path, report: Recorder, tmp_path: Path
    ) -> None:
        authority, chain = make_certificate(tmp_path, "localhost")
        house = Warehouse(image.folder, certificate=chain)
        ticket = cast("Ticket", {**house.ticket, "host": "localhost", "tls": True, "user": "t.1"})
        try:
            receive(spec_of(image), folder, Line(lambda: ticket, authority, report, backoff=QUICK), report)
            assert same(image, folder)
            with pytest.raises(HostError, match="not trusted") as trouble:
                Line(lambda: ticket, None, report, backoff=QUICK).through(lambda ftp: None)
            assert trouble.value.code == "bad_certificate"
            clear = cast("Ticket", {**ticket, "tls": False})
            with pytest.raises(HostError):
                Line(lambda: clear, None, report, backoff=QUICK).through(lambda ftp: None)
        finally:
            house.close()


class TestDownload:
    def test_all_of_it(self, shelf: Warehouse, image: Image, folder: Path, report: Recorder) -> None:
        receive(spec_of(image), folder, line(shelf, report), report)
        assert same(image, folder)
        assert report.done == report.total
        assert not list(folder.glob("*.part"))

    def test_every_cut_continues_behind_the_last_good_frame(
        self, shelf: Warehouse, image: Image, folder: Path, report: Recorder
    ) -> None:
        shelf.cut_after, shelf.cuts = 5 * MIB, 1
        receive(spec_of(image), folder, line(shelf, report), report)
        assert same(image, folder)
        offsets = [offset for name, offset in shelf.reads if name == image.container.name]
        assert offsets[0] == 0
        assert 4 * MIB < offsets[1] < 4 * MIB + 4096

    def test_a_repeated_attempt_fetches_nothing_again(
        self, shelf: Warehouse, image: Image, folder: Path, report: Recorder
    ) -> None:
        receive(spec_of(image), folder, line(shelf, report), report)
        before = len(shelf.reads)
        receive(spec_of(image), folder, line(shelf, report), report)
        assert len(shelf.reads) == before

    def test_a_finished_file_that_rotted_is_fetched_again(
        self, shelf: Warehouse, image: Image, folder: Path, report: Recorder
    ) -> None:
        receive(spec_of(image), folder, line(shelf, report), report)
        flip(folder / image.container.name, MIB)
        receive(spec_of(image), folder, line(shelf, report), report)
        assert same(image, folder)

    def test_a_partial_file_that_rotted_is_cut_to_its_good_frames(
        self, shelf: Warehouse, image: Image, folder: Path, report: Recorder
    ) -> None:
        part = folder / f"{image.container.name}.part"
        part.write_bytes(image.container.read_bytes()[: 9 * MIB])
        flip(part, 6 * MIB)
        receive(spec_of(image), folder, line(shelf, report), report)
        assert same(image, folder)
        offset = shelf.reads[-1][1]
        assert 4 * MIB < offset < 4 * MIB + 4096

    def test_damage_on_the_shelf_never_gets_a_final_name(
        self, shelf: Warehouse, image: Image, folder: Path, report: Recorder
    ) -> None:
        flip(image.container, 6 * MIB)
        with pytest.raises(HostError, match="arrived damaged") as trouble:
            receive(spec_of(image), folder, line(shelf, report), report)
        assert trouble.value.code == "damaged"
        assert not (folder / image.container.name).exists()
        flip(image.container, 6 * MIB)
        receive(spec_of(image), folder, line(shelf, report), report)
        assert same(image, folder)

    @pytest.mark.parametrize("suffix", [".img.bmap", ".manifest.json", ".manifest.json.sig"])
    def test_damaged_papers(
        self, shelf: Warehouse, image: Image, folder: Path, report: Recorder, suffix: str
    ) -> None:
        flip(image.folder / f"demo{suffix}", 20)
        with pytest.raises(HostError, match=f"demo{suffix} arrived damaged: its SHA-256 is another"):
            receive(spec_of(image), folder, line(shelf, report), report)
        assert not (folder / f"demo{suffix}").exists()
        assert not (folder / f"demo{suffix}.part").exists()

    def test_a_file_that_is_longer_than_told(
        self, shelf: Warehouse, image: Image, folder: Path, report: Recorder
    ) -> None:
        with (image.folder / "demo.img.bmap").open("ab") as file:
            file.write(b"more")
        with pytest.raises(HostError, match="longer than"):
            receive(spec_of(image), folder, line(shelf, report), report)

    def test_a_signature_of_somebody_else(
        self, shelf: Warehouse, image: Image, folder: Path, report: Recorder
    ) -> None:
        with pytest.raises(JobError) as trouble:
            receive(spec_of(image, signing_key="ab" * 32), folder, line(shelf, report), report)
        assert trouble.value.code == "bad_signature"
        assert image.container.name not in {name for name, _ in shelf.reads}, (
            "gigabytes are not fetched for that"
        )

    def test_an_order_that_speaks_of_another_image(
        self, shelf: Warehouse, image: Image, folder: Path, report: Recorder
    ) -> None:
        files = [
            {**facts, "sha256": "0" * 64} if facts["name"].endswith(".zst") else facts
            for facts in image.files
        ]
        with pytest.raises(JobError, match="not the file that the signed manifest names"):
            receive(spec_of(image, files=files), folder, line(shelf, report), report)

    @pytest.mark.parametrize("missing", range(4))
    def test_an_order_without_one_of_the_files(
        self, shelf: Warehouse, image: Image, folder: Path, report: Recorder, missing: int
    ) -> None:
        name = image.files[missing]["name"]
        files = [facts for facts in image.files if facts["name"] != name]
        with pytest.raises(JobError, match=f"has no {name}"):
            receive(spec_of(image, files=files), folder, line(shelf, report), report)

    def test_a_file_that_is_not_on_the_shelf(
        self, shelf: Warehouse, image: Image, folder: Path, report: Recorder
    ) -> None:
        (image.folder / "demo.img.bmap").unlink()
        with pytest.raises(HostError) as trouble:
            receive(spec_of(image), folder, line(shelf, report), report)
        assert trouble.value.code == "warehouse_refused"

    def test_no_room(self, folder: Path) -> None:
        huge = [{"name": "demo.img.zst", "size": 10**18, "sha256": "0" * 64}]
        with pytest.raises(HostError, match=f"{10**18 + RESERVE} more bytes .* are free") as trouble:
            check_space(folder, huge)  # type: ignore[arg-type]
        assert trouble.value.code == "disk_full"

    def test_a_cancel_ends_it_and_keeps_the_part(
        self, shelf: Warehouse, image: Image, folder: Path, report: Recorder
    ) -> None:
        shelf.hold_after = 5 * MIB

        class Impatient(Recorder):
            def progress(self, done: int) -> None:
                if done > 2 * MIB:
                    self.canceled.set()

        impatient = Impatient()
        with pytest.raises(Canceled):
            receive(spec_of(image), folder, line(shelf, impatient), impatient)
        assert (folder / f"{image.container.name}.part").exists()


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)
