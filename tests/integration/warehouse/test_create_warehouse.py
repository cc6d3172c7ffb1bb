"""`manage.py create_warehouse`, and the admin's view of its result."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from tests import factories
from warehouse import services
from warehouse.ftp.config import load
from warehouse.models import StoredFile, Warehouse

pytestmark = pytest.mark.django_db

HERE = ["--host", "127.0.0.1", "--port", "2121"]


def create(*args: str) -> dict[str, str]:
    out = io.StringIO()
    call_command("create_warehouse", *args, stdout=out)
    return read(out.getvalue())


def read(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))


def test_its_server_starts_with_what_is_printed(tmp_path: Path, settings) -> None:
    environment = create("main", *HERE, "--local-root", str(tmp_path))
    config = load(environment)
    assert (config.slug, config.host, config.port, config.root) == ("main", "127.0.0.1", 2121, tmp_path)
    assert config.server_url == settings.PUBLIC_URL
    warehouse = Warehouse.objects.get()
    assert warehouse.secret_hash == services.hashed(config.secret)
    assert (warehouse.host, warehouse.port, warehouse.tls) == ("127.0.0.1", 2121, False)
    assert (warehouse.local_root, warehouse.active) == (str(tmp_path), True)


def test_into_a_file_that_only_we_read(tmp_path: Path, capsys) -> None:
    path = tmp_path / "warehouse.env"
    path.write_text("old")
    path.chmod(0o644)
    out = io.StringIO()
    call_command("create_warehouse", "main", *HERE, "--env-file", str(path), stdout=out)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = read(path.read_text())["WAREHOUSE_SECRET"]
    assert secret not in out.getvalue() + capsys.readouterr().out
    assert [entry.name for entry in tmp_path.iterdir()] == ["warehouse.env"]


def test_a_file_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    before = create("main", *HERE)["WAREHOUSE_SECRET"]
    with pytest.raises(CommandError, match="cannot be written: No such file"):
        create(
            "main", "--host", "elsewhere", "--port", "1", "--env-file", str(tmp_path / "missing" / "x.env")
        )
    warehouse = Warehouse.objects.get()
    assert (warehouse.secret_hash, warehouse.host) == (services.hashed(before), "127.0.0.1")


def test_a_second_run_updates_and_makes_a_new_secret() -> None:
    first = create("main", *HERE)
    Warehouse.objects.update(active=False)
    second = create(
        "main", "--host", "ftp.example", "--port", "21", "--tls", "--server-url", "https://imager.example"
    )
    warehouse = Warehouse.objects.get()
    assert (warehouse.host, warehouse.port, warehouse.tls, warehouse.active) == (
        "ftp.example",
        21,
        True,
        True,
    )
    assert first["WAREHOUSE_SECRET"] != second["WAREHOUSE_SECRET"]
    assert second["WAREHOUSE_SERVER_URL"] == "https://imager.example"


@pytest.mark.parametrize(
    ("host", "listen"),
    [("127.0.0.1", "127.0.0.1:2121"), ("localhost", "127.0.0.1:2121"), ("ftp.example", "0.0.0.0:2121")],
)
def test_loopback_stays_loopback(host: str, listen: str) -> None:
    assert create("main", "--host", host, "--port", "2121")["WAREHOUSE_LISTEN"] == listen


def test_listening_elsewhere_when_told() -> None:
    assert create("main", *HERE, "--listen", "10.0.0.1:9")["WAREHOUSE_LISTEN"] == "10.0.0.1:9"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["Main", *HERE], "use a-z, 0-9"),
        (["../x", *HERE], "use a-z, 0-9"),
        (["x" * 51, *HERE], "at most 50"),
        (["main", "--host", "h", "--port", "0"], "use 1 to 65535"),
        (["main", "--host", "h", "--port", "65536"], "use 1 to 65535"),
        (["main", "--host", "h", "--port", "ftp"], "invalid int"),
        (["main", *HERE, "--local-root", "relative"], "absolute path"),
        (["main", "--port", "1"], "--host"),
        (["main", "--host", "h" * 201, "--port", "1"], "200"),
    ],
)
def test_refusals(args: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        create(*args)
    assert not Warehouse.objects.exists()


class TestAdmin:
    @pytest.fixture
    def client(self) -> Client:
        client = Client()
        client.force_login(factories.staff(), "django.contrib.auth.backends.ModelBackend")
        return client

    @pytest.fixture
    def stored(self) -> StoredFile:
        create("main", *HERE)
        order = factories.order()
        files = factories.file_facts()
        return services.grant(task=order.pk, attempt=1, owner=order.pk, files=files)[0]  # type: ignore[arg-type]

    def test_lists_search_and_open(self, client: Client, stored: StoredFile) -> None:
        for query in ("", "?q=img", f"?q={stored.owner}", f"?q={stored.sha256}", "?q=%00", "?q=not-a-uuid"):
            assert client.get(f"/admin/warehouse/storedfile/{query}").status_code == 200, query
        assert client.get(f"/admin/warehouse/storedfile/{stored.pk}/change/").status_code == 200
        page = client.get(f"/admin/warehouse/warehouse/{stored.warehouse_id}/change/")
        assert page.status_code == 200
        assert stored.warehouse.secret_hash not in page.content.decode()

    def test_files_are_looked_at_only(self, client: Client, stored: StoredFile) -> None:
        assert client.get("/admin/warehouse/storedfile/add/").status_code == 403
        assert (
            client.post(f"/admin/warehouse/storedfile/{stored.pk}/change/", {"name": "x"}).status_code == 403
        )
        assert (
            client.post(f"/admin/warehouse/storedfile/{stored.pk}/delete/", {"post": "yes"}).status_code
            == 403
        )
        assert client.get("/admin/warehouse/warehouse/add/").status_code == 403

    def test_the_list_costs_the_same_for_one_row_and_three(
        self, client, stored, django_assert_num_queries
    ) -> None:
        StoredFile.objects.exclude(pk=stored.pk).delete()
        with django_assert_num_queries(6):
            client.get("/admin/warehouse/storedfile/")
        whose = {"warehouse": stored.warehouse, "owner": stored.owner, "task": stored.task, "name": "x"}
        for attempt in (2, 3):
            StoredFile.objects.create(**whose, attempt=attempt, size=1, sha256="ab" * 32)
        with django_assert_num_queries(6):
            client.get("/admin/warehouse/storedfile/")
