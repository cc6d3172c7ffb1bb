"""`manage.py create_host`: an account, a broker user that reaches its own bells only, a file for the host."""

from __future__ import annotations

import base64
import os
import stat
from urllib.parse import urlsplit

import pytest
import redis
from celery import Celery
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command
from kombu.exceptions import OperationalError
from rest_framework.test import APIClient

from imager.accounts.models import User
from imager.tls import broker_checks
from tasks_app import services
from tasks_app.models import Host
from tests import factories as make
from tests.doubles.certificates import make_certificate
from tests.doubles.tls import Door

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


def refusal(created, *arguments, **options) -> str:
    """Why the command refused; it must not have changed anything."""
    before = list(Host.objects.values()), list(User.objects.values())
    with pytest.raises(CommandError) as caught:
        created(*arguments, **options)
    assert (list(Host.objects.values()), list(User.objects.values())) == before
    return str(caught.value)


def test_again_without_a_channel_it_stays_where_it_is(created, capsys):
    north = make.channel("north")
    created("mali-1", "writer", channel="north")

    env = created("mali-1", "writer")

    assert (Host.objects.get().channel, env["IMAGER_CHANNEL"]) == (north, "north")
    assert "moved" not in capsys.readouterr().err

    env = created("mali-1", "writer", channel="main")
    assert (Host.objects.get().channel.slug, env["IMAGER_CHANNEL"]) == ("main", "main")
    said = capsys.readouterr().err
    assert "moved from the channel north to main" in said
    assert "old ones are void" in said


def test_again_keeps_the_operator(created):
    created("mali-1", "writer", operator_email="awa@example.org")
    created("mali-1", "writer")

    assert Host.objects.get().operator_email == "awa@example.org"


def test_a_disabled_host_stays_disabled_altogether(created, capsys):
    old = created("mali-1", "writer")
    assert capsys.readouterr().err == ""
    services.disable(Host.objects.get(), by=make.staff())

    env = created("mali-1", "writer")

    host = Host.objects.get()
    assert (host.disabled, host.account.is_active) == (True, False)
    assert "stays disabled: enable it in the admin" in capsys.readouterr().err
    assert log_in(env) == 401
    services.enable(host, by=make.staff())
    assert (log_in(env), log_in(old)) == (200, 401)


def test_a_draining_host_stays_draining(created, capsys):
    created("mali-1", "writer")
    Host.objects.update(draining=True)

    assert log_in(created("mali-1", "writer")) == 200
    assert Host.objects.get().draining
    assert "stays draining: resume it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"channel": "nowhere"}, "There is no channel “nowhere”. Create it in the admin"),
        ({"operator_email": "awa"}, "“awa” is no e-mail address"),
        ({"operator_email": "a@b.org\nBcc: c@d.org"}, "is no e-mail address"),
        ({"kind": "printer"}, "invalid choice: 'printer'"),
        ({"kind": "creator"}, "host mali-1 is a writer"),
        ({"name": "MALI-1"}, "there is a host mali-1 already"),
        ({"name": ""}, "no name for a host"),
        ({"name": "mali 1"}, "no name for a host"),
    ],
)
def test_bad_input_changes_nothing(created, tmp_path, options, words):
    first = created("mali-1", "writer")
    given = {"name": "mali-1", "kind": "writer", "operator_email": "", **options}
    name, kind = given.pop("name"), given.pop("kind")

    def call(*_, **__):
        call_command("create_host", name, f"--kind={kind}", **given)

    assert words in refusal(call)
    assert log_in(first) == 200
    assert not list(tmp_path.glob(".*"))


def test_a_file_that_cannot_be_written_is_found_before_anything_changes(created, tmp_path):
    first = created("mali-1", "writer")
    for place in (tmp_path, tmp_path / "none" / "x.env", tmp_path / "mali-1.env" / "x"):

        def call(place=place):
            call_command("create_host", "mali-1", kind="writer", env_file=place)

        assert str(place) in refusal(call)
    assert log_in(first) == 200


def test_the_file_is_replaced_as_a_whole_and_is_nobody_elses(created, tmp_path):
    aim = tmp_path / "precious"
    aim.write_text("mine")
    (tmp_path / "mali-1.env").symlink_to(aim)

    assert created("mali-1", "writer")["IMAGER_HOST"] == "mali-1"

    assert aim.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mali-1.env", "precious"]


@pytest.mark.parametrize(
    "url", ["redis://broker.example:6379/0", "redis://10.1.2.3/0", "amqp://localhost", "x"]
)
def test_a_broker_that_hosts_would_not_talk_to_is_not_handed_out(created, settings, url):
    settings.HOST_BROKER_URL = url

    assert "HOST_BROKER_URL must begin with rediss://" in refusal(created, "mali-1", "writer")


def test_hosts_are_told_whom_to_trust(created, settings, tmp_path):
    authority, _ = make_certificate(tmp_path / "ca", "broker.example")
    settings.HOST_BROKER_URL = "rediss://broker.example:6380/0"
    settings.HOST_BROKER_CA_FILE = str(authority)

    env = created("mali-1", "writer")

    assert env["IMAGER_BROKER_URL"].startswith("rediss://host-mali-1:")
    assert env["IMAGER_BROKER_URL"].endswith("@broker.example:6380/0")
    assert base64.b64decode(env["IMAGER_BROKER_CA"]) == authority.read_bytes()
    settings.HOST_BROKER_CA_FILE = str(tmp_path / "mali-1.env")
    assert "holds no certificates" in refusal(created, "mali-1", "writer")


def test_the_server_itself_talks_to_the_right_broker_only(created, settings, tmp_path, capsys):
    """The same door as for hosts: with its certificate it is the broker, with another nobody hears a word."""
    authority, chain = make_certificate(tmp_path / "ca", "localhost")
    other, _ = make_certificate(tmp_path / "other", "localhost")
    real = os.environ["REDIS_URL"]
    door = Door(real, chain)
    try:
        secret = urlsplit(real).password
        settings.REDIS_URL = door.url("default", secret)
        for ca, heard in ((other, False), (authority, True)):
            settings.REDIS_CA_FILE = str(ca)
            assert ("IMAGER_BROKER_URL" in created("mali-1", "writer")) is heard
            assert (secret.encode() in door.heard) is heard
            assert ("will ask the web" in capsys.readouterr().err) is not heard
            app = Celery("server", broker=settings.REDIS_URL, set_as_current=False)
            app.config_from_object("django.conf:settings", namespace="CELERY")
            app.conf.broker_url = settings.REDIS_URL
            app.conf.broker_use_ssl = broker_checks(settings.REDIS_URL, settings.REDIS_CA_FILE)
            with app.connection() as connection:
                if heard:
                    connection.ensure_connection(max_retries=1)
                else:
                    with pytest.raises(OperationalError, match="CERTIFICATE_VERIFY_FAILED"):
                        connection.ensure_connection(max_retries=1)
            app.close()
    finally:
        door.close()


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
        call_command("create_host", name, kind="writer")

    assert not Host.objects.exists()


def test_a_host_that_was_deleted_may_come_again(created):
    old = created("Mali-1", "writer")
    Host.objects.get(name="Mali-1").delete()

    env = created("Mali-1", "creator")

    assert (log_in(env), log_in(old)) == (200, 401)
    assert Host.objects.get().account.role == "creator"
