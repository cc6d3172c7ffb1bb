"""Reading images through FTP: streaming, seeking, cut transfers; and from a local folder."""

from __future__ import annotations

import io
import random
import socket
import tracemalloc
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from storages.backends.ftp import FTPStorage

from tests.integration.warehouse.ftp_doubles import Server
from warehouse import services
from warehouse.models import StoredFile, Warehouse
from warehouse.storages import TicketFTPStorage

CONTENT = random.Random(7).randbytes(3 * 1024 * 1024 + 17)
MIB = 1024 * 1024


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "x.img.zst").write_bytes(CONTENT)
    server = Server(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def storage(server: Server) -> TicketFTPStorage:
    return TicketFTPStorage(server.ticket)


class TestFTP:
    def test_it_is_a_storage_of_django_storages(self, storage: TicketFTPStorage) -> None:
        assert isinstance(storage, FTPStorage)

    def test_the_whole_file(self, storage: TicketFTPStorage) -> None:
        with storage.open("x.img.zst") as file:
            assert file.read() == CONTENT
            assert file.read() == b""

    def test_size_and_existence(self, storage: TicketFTPStorage) -> None:
        assert storage.size("x.img.zst") == len(CONTENT)
        assert storage.exists("x.img.zst")
        assert not storage.exists("missing")
        with storage.open("x.img.zst") as file:
            assert file.size == len(CONTENT)

    def test_any_part_in_any_order(self, storage: TicketFTPStorage) -> None:
        with storage.open("x.img.zst") as file:
            for begin in (2 * MIB, 0, len(CONTENT) - 5, 17, len(CONTENT)):
                assert file.seek(begin) == begin
                assert file.tell() == begin
                assert file.read(100) == CONTENT[begin : begin + 100]
            file.seek(-10, io.SEEK_END)
            file.seek(3, io.SEEK_CUR)
            assert file.read() == CONTENT[-7:]
            with pytest.raises(ValueError, match="negative"):
                file.seek(-1)

    def test_reading_on_needs_one_transfer(self, storage: TicketFTPStorage, server: Server) -> None:
        with storage.open("x.img.zst") as file:
            assert b"".join(iter(lambda: file.read(100_000), b"")) == CONTENT
        assert server.transfers == [0]

    def test_a_part_begins_where_it_begins(self, storage: TicketFTPStorage, server: Server) -> None:
        with storage.open("x.img.zst") as file:
            file.seek(2 * MIB)
            assert file.read(10) == CONTENT[2 * MIB : 2 * MIB + 10]
        assert server.transfers == [2 * MIB]

    def test_cut_transfers_go_on_where_they_stopped(self, storage: TicketFTPStorage, server: Server) -> None:
        server.cut_after = 700_000
        with storage.open("x.img.zst") as file:
            assert file.read() == CONTENT
        assert server.transfers == [0, 700_000, 1_400_000, 2_100_000, 2_800_000]

    def test_a_warehouse_that_sends_nothing_is_an_error_and_no_short_file(self, storage, server) -> None:
        with storage.open("x.img.zst") as file:
            server.cut_after = 0
            with pytest.raises(OSError, match=r"stopped in the middle of x\.img\.zst, at byte 0"):
                file.read()
        assert server.transfers == [0, 0, 0]

    def test_a_file_that_vanishes(self, storage: TicketFTPStorage, server: Server, tmp_path: Path) -> None:
        with storage.open("x.img.zst") as file:
            (tmp_path / "x.img.zst").unlink()
            with pytest.raises(FileNotFoundError, match=r"x\.img\.zst"):
                file.read()
        with pytest.raises(FileNotFoundError, match=r"x\.img\.zst"):
            storage.open("x.img.zst")

    def test_a_file_that_has_grown_is_read_to_its_old_end(self, storage, tmp_path: Path) -> None:
        with storage.open("x.img.zst") as file:
            with (tmp_path / "x.img.zst").open("ab") as there:
                there.write(b"more")
            assert file.read() == CONTENT

    def test_memory_stays_constant(self, storage: TicketFTPStorage, tmp_path: Path) -> None:
        with (tmp_path / "big").open("wb") as big:
            big.truncate(64 * MIB)
        tracemalloc.start()
        try:
            with storage.open("big") as file:
                received = sum(len(block) for block in iter(lambda: file.read(MIB), b""))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert received == 64 * MIB
        assert peak < 8 * MIB

    def test_each_login_has_a_ticket_of_its_own(self, server: Server) -> None:
        numbers = iter(range(100))
        storage = TicketFTPStorage(lambda: {**server.ticket(), "password": f"ticket-{next(numbers)}"})
        with storage.open("x.img.zst") as file:
            file.read()
        assert server.users == ["task.1:ticket-0", "task.1:ticket-1"]

    def test_nothing_is_ever_written_or_deleted(self, storage: TicketFTPStorage, tmp_path: Path) -> None:
        with pytest.raises(io.UnsupportedOperation):
            storage.save("new", io.BytesIO(b"x"))
        with pytest.raises(io.UnsupportedOperation):
            storage.delete("x.img.zst")
        with pytest.raises(io.UnsupportedOperation):
            storage.open("x.img.zst", "wb")
        assert [entry.name for entry in tmp_path.iterdir()] == ["x.img.zst"]

    def test_a_warehouse_that_is_away_is_named_and_no_ticket_told(self, server: Server) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            storage = TicketFTPStorage(lambda: {**server.ticket(), "port": free.getsockname()[1]})
            with pytest.raises(OSError, match=r"cannot log in 127\.0\.0\.1:\d+") as caught:
                storage.open("x.img.zst")
        assert "secret-ticket" not in repr(caught.value) + str(caught.value)

    def test_no_password_without_encryption_where_it_is_due(self, server: Server) -> None:
        storage = TicketFTPStorage(lambda: {**server.ticket(), "tls": True})
        with pytest.raises(OSError, match="cannot log in"):
            storage.open("x.img.zst")
        assert server.users == []


@pytest.mark.django_db
class TestOpenFile:
    def stored(self, **where: object) -> StoredFile:
        warehouse = Warehouse.objects.create(slug="main", **{"host": "127.0.0.1", "port": 1, **where})
        return StoredFile.objects.create(
            warehouse=warehouse, owner=uuid.uuid4(), task=uuid.uuid4(), attempt=1, name="x.img.zst",
            size=len(CONTENT), sha256="ab" * 32, status=StoredFile.Status.PUBLISHED,
        )  # fmt: skip

    def test_through_ftp(self, server: Server) -> None:
        stored = self.stored(port=server.port)
        with services.open_file(stored) as file:
            file.seek(1000)
            assert file.read(50) == CONTENT[1000:1050]
        tasks = {user.split(".")[0] for user in server.users}
        assert str(stored.task) not in tasks, "an ended attempt of its own would be refused"

    def test_from_the_local_folder(self, tmp_path: Path) -> None:
        stored = self.stored(local_root=str(tmp_path))
        (tmp_path / "images" / str(stored.owner)).mkdir(parents=True)
        (tmp_path / stored.path).write_bytes(CONTENT)
        with services.open_file(stored) as file:
            file.seek(-5, io.SEEK_END)
            assert file.read() == CONTENT[-5:]

    @pytest.mark.parametrize("content", [None, b"short"])
    def test_missing_or_of_another_size(self, tmp_path: Path, content: bytes | None) -> None:
        stored = self.stored(local_root=str(tmp_path))
        if content is not None:
            (tmp_path / "images" / str(stored.owner)).mkdir(parents=True)
            (tmp_path / stored.path).write_bytes(content)
        with pytest.raises(services.Unavailable, match=r"x\.img\.zst.*main.*Try again"):
            services.open_file(stored)

    def test_the_warehouse_is_away(self) -> None:
        with pytest.raises(services.Unavailable, match="main"):
            services.open_file(self.stored())

    def test_of_another_size_through_ftp(self, server: Server) -> None:
        stored = self.stored(port=server.port)
        stored.size += 1
        with pytest.raises(services.Unavailable):
            services.open_file(stored)
