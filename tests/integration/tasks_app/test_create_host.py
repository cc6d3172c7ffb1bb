"""`manage.py create_host`: an account, a broker user that reaches its own bells only, a file for the host."""

from __future__ import annotations

import os
import stat

import pytest
import redis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from tasks_app.models import Host
from tests import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def created(tmp_path, settings):
    """Create a host; returns a function from (name, kind, …) to the environment that it was given."""
    make.channel()
    settings.HOST_BROKER_URL = settings.REDIS_URL = os.environ["REDIS_URL"]

    def create(name: str, kind: str, **options) -> dict[str, str]:
        path = tmp_path / f"{name}.env"
        call_command("create_host", name, kind=kind, env_file=path, **options)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        return dict(line.split("=", 1) for line in path.read_text().splitlines())

    yield create
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as admin:
        for host in Host.objects.all():
            admin.acl_deluser(f"host-{host.name}")


def log_in(env: dict[str, str]) -> int:
    body = {"email": env["IMAGER_EMAIL"], "password": env["IMAGER_PASSWORD"]}
    return APIClient().post("/api/v1/auth/token/", body).status_code


def test_a_creator_gets_an_account_a_key_and_a_broker_user(created):
    env = created("builder", "creator")

    host = Host.objects.get(name="builder")
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(env["IMAGER_SIGNING_KEY"]))
    assert key.public_key().public_bytes_raw().hex() == host.signing_key
    assert host.account.role == "creator"
    assert log_in(env) == 200
    assert env["IMAGER_CHANNEL"] == "main"


def test_the_broker_user_reaches_its_own_queue_only(created):
    env = created("mali-1", "writer")

    with redis.Redis.from_url(env["IMAGER_BROKER_URL"]) as mine:
        assert mine.ping()
        assert mine.llen("writer.mali-1") == 0
        for forbidden in (
            lambda: mine.llen("writer.other"),
            lambda: mine.llen("creator.main"),
            lambda: mine.lpush("writer.mali-1", "x"),
            mine.flushall,
            lambda: mine.config_get("*"),
            lambda: mine.publish("x", "y"),
            lambda: mine.eval("return 1", 0),
            mine.acl_list,
        ):
            with pytest.raises(redis.exceptions.NoPermissionError):
                forbidden()


def test_again_gives_new_credentials_and_ends_the_old(created):
    first, second = created("mali-1", "writer"), created("mali-1", "writer")

    assert (log_in(first), log_in(second)) == (401, 200)
    assert Host.objects.count() == 1
    with (
        redis.Redis.from_url(first["IMAGER_BROKER_URL"]) as old,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        old.ping()


def test_a_name_cannot_change_its_kind(created):
    created("mali-1", "writer")

    with pytest.raises(CommandError, match="is a writer"):
        created("mali-1", "creator")


def test_an_unknown_channel_is_named(created):
    with pytest.raises(CommandError, match="“nowhere”"):
        created("x", "creator", channel="nowhere")


def test_without_a_broker_the_host_asks_the_web(created, settings, capsys):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    env = created("mali-1", "writer")

    assert "IMAGER_BROKER_URL" not in env
    assert "will ask the web" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["*", "a b", "a/b", "a*", "_a", "x" * 51, "é"])
def test_a_name_that_would_reach_further_is_refused(created, name):
    with pytest.raises(CommandError, match="no name for a host"):
        created(name, "writer")

    assert not Host.objects.exists()


def test_a_host_that_was_deleted_may_come_again(created):
    old = created("Mali-1", "writer")
    Host.objects.get(name="Mali-1").delete()

    env = created("Mali-1", "creator")

    assert (log_in(env), log_in(old)) == (200, 401)
    assert Host.objects.get().account.role == "creator"
