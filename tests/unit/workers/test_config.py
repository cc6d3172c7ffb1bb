"""The configuration file and the environment: what is taken, and every refusal."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from tests.doubles.certificates import make_certificate
from workers.config import ConfigError, default_path, load
from workers.errors import HostError

GOOD = {"url": "https://imager.example", "host": "w1", "email": "w1@example.org", "password": "hunter2-long"}
SEED = "ab" * 32


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def toml(**values: object) -> str:
    return "".join(f"{name} = {value!r}\n".replace("True", "true") for name, value in values.items())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "host.toml", toml(**GOOD))


def test_a_whole_file(tmp_path: Path) -> None:
    slots = (
        '[[slots]]\nname = "A"\nport = "2-1.1"\nmax_bytes = 64000000000\n'
        '[[slots]]\nname = "B"\ndevice = "/tmp/b.img"\n'
    )
    path = write(
        tmp_path / "h.toml", toml(**GOOD, channel="kiwix", signing_key=SEED, data=str(tmp_path)) + slots
    )
    config = load(path, {})
    assert (config.url, config.host, config.channel, config.data) == (
        "https://imager.example",
        "w1",
        "kiwix",
        tmp_path,
    )
    assert [(slot.name, slot.port, slot.device, slot.max_bytes) for slot in config.slots] == [
        ("A", "2-1.1", None, 64_000_000_000),
        ("B", None, "/tmp/b.img", None),
    ]
    assert config.enabled


def test_the_environment_goes_before_the_file(file: Path) -> None:
    config = load(file, {"IMAGER_HOST": "other", "IMAGER_PASSWORD": "newer"})
    assert (config.host, config.password, config.email) == ("other", "newer", GOOD["email"])


def test_the_environment_alone_is_enough(tmp_path: Path) -> None:
    config = load(tmp_path / "none.toml", {f"IMAGER_{name.upper()}": value for name, value in GOOD.items()})
    assert config.password == GOOD["password"]


def test_a_secret_may_lie_in_a_file_of_its_own(tmp_path: Path, file: Path) -> None:
    secret = write(tmp_path / "password", "from-a-file\n")
    assert load(file, {"IMAGER_PASSWORD_FILE": str(secret)}).password == "from-a-file"
    with pytest.raises(ConfigError, match=r"IMAGER_PASSWORD_FILE names .*gone"):
        load(file, {"IMAGER_PASSWORD_FILE": str(tmp_path / "gone")})


def test_secrets_stay_out_of_the_repr(file: Path) -> None:
    broker = "rediss://w1:bell-secret@broker.example/0"
    config = load(file, {"IMAGER_SIGNING_KEY": SEED, "IMAGER_BROKER_URL": broker})
    shown = repr(config)
    assert not any(secret in shown for secret in (GOOD["password"], SEED, "bell-secret"))
    assert set(config.secrets) == {GOOD["password"], SEED, broker, "bell-secret"}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_file_that_others_may_open_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "h.toml", toml(**GOOD), mode)
    with pytest.raises(ConfigError, match=rf"mode {mode:04o}.*chmod 600 {path}"):
        load(path, {})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(file: Path) -> None:
    os.chown(file, 12345, 12345)
    with pytest.raises(ConfigError, match=r"belongs to user 12345.*chown 0"):
        load(file, {})


@pytest.mark.parametrize("name", GOOD)
def test_what_is_missing_is_named(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "h.toml", toml(**{key: value for key, value in GOOD.items() if key != name}))
    with pytest.raises(ConfigError, match=rf"lacks {name}: .*IMAGER_{name.upper()}"):
        load(path, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("url = ", "not valid TOML"),
        ("\udcff", "not valid TOML"),
        (toml(**GOOD, colour="red"), "unknown settings: colour"),
        (toml(**{**GOOD, "host": 7}), "host .* must be text in quotes, not int"),
        (toml(**GOOD, enabled="yes"), "enabled .* must be true or false"),
        (toml(**GOOD, signing_key="ab"), "64 hex digits"),
        (toml(**GOOD, signing_key="z" * 64), "64 hex digits"),
        (toml(**GOOD, ca_file="/no/such/ca.pem"), "no such file: put the server's CA"),
        (toml(**GOOD, slots="A"), r"write \[\[slots\]\]"),
        (toml(**GOOD) + "[[slots]]\nport = '1-1'\n", "has no name"),
        (toml(**GOOD) + "[[slots]]\nname = 'A'\n", "either"),
        (toml(**GOOD) + "[[slots]]\nname = 'A'\nport = '1-1'\ndevice = '/x'\n", "either"),
        (toml(**GOOD) + "[[slots]]\nname = 'A'\nport = '1-1'\ncolour = 'red'\n", "unknown settings: colour"),
        (toml(**GOOD) + "[[slots]]\nname = 'A'\nport = '1-1'\nmax_bytes = '64GB'\n", "max_bytes .* a number"),
        (toml(**GOOD) + "[[slots]]\nname = 'A'\nport = '1-1'\nmax_bytes = true\n", "max_bytes .* a number"),
        (toml(**GOOD) + "[[slots]]\nname = 'A'\nport = 'sdb'\n", "no USB port path"),
        (toml(**GOOD) + f"[[slots]]\nname = '{'A' * 21}'\nport = '1-1'\n", "at most 20 characters"),
        (toml(**GOOD) + "[[slots]]\nname = 'A'\ndevice = 'card.img'\n", "not an absolute path"),
        (toml(**GOOD) + "[[slots]]\nname = 'A'\nport = '1-1'\n" * 2, "two slots with the name A"),
        (
            toml(**GOOD) + "[[slots]]\nname = 'A'\nport = '1-1'\n[[slots]]\nname = 'B'\nport = '1-1'\n",
            "two slots with the port 1-1",
        ),
    ],
)
def test_refusals(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "h.toml"
    path.touch(mode=0o600)
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(HostError, match=words) as refusal:
        load(path, {})
    assert GOOD["password"] not in refusal.value.message


@pytest.mark.parametrize(
    "url",
    [
        "http://imager.example",
        "ftp://imager.example",
        "imager.example",
        "https://",
        "",
        "http://127.0.0.1.evil.example",
    ],
)
def test_passwords_travel_encrypted_or_not_at_all(file: Path, url: str) -> None:
    with pytest.raises(ConfigError, match=r"https://|lacks url"):
        load(write(file, toml(**{**GOOD, "url": url})), {})


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000/"])
def test_this_machine_may_be_spoken_to_in_clear(file: Path, url: str) -> None:
    assert load(file, {"IMAGER_URL": url}).url == url.rstrip("/")


def test_a_setting_that_one_worker_needs(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"channel is not set.*IMAGER_CHANNEL"):
        load(file, {}).require("channel")
    assert load(file, {"IMAGER_CHANNEL": "kiwix"}).require("channel") == "kiwix"


def test_where_the_file_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGER_CONFIG", "/x/y.toml")
    assert default_path() == Path("/x/y.toml")
    monkeypatch.delenv("IMAGER_CONFIG")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_path() == Path("/etc/imager/host.toml")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/u")
    assert default_path() == Path("/home/u/.config/imager/host.toml")


BROKER = "rediss://w1:bell-secret@broker.example:6380/0"


@pytest.mark.parametrize(
    "url",
    [
        BROKER,
        "rediss://broker.example",
        "redis://w1:x@127.0.0.1:6379/0",
        "redis://localhost",
        "redis://[::1]:6379",
        "",
    ],
)
def test_brokers_that_a_password_may_travel_to(file: Path, url: str) -> None:
    assert load(file, {"IMAGER_BROKER_URL": url}).broker_url == url


@pytest.mark.parametrize(
    "url",
    [
        "redis://w1:bell-secret@broker.example:6379/0",
        "redis://w1:bell-secret@10.0.0.7/0",
        "amqp://w1:bell-secret@localhost//",
        "http://w1:bell-secret@localhost",
        "rediss://",
        "rediss:///0",
        "rediss://[::1",
        "bell-secret",
    ],
)
def test_brokers_that_would_get_a_password_in_clear_are_refused(file: Path, url: str) -> None:
    with pytest.raises(ConfigError, match=r"must begin with rediss://.*create_host") as refusal:
        load(file, {"IMAGER_BROKER_URL": url})
    assert "bell-secret" not in str(refusal.value)


def test_a_broker_whose_address_turns_our_checks_off_is_refused(file: Path) -> None:
    url = "rediss://w1:bell-secret@broker.example/0?ssl_cert_reqs=none"
    with pytest.raises(ConfigError, match="must not have options") as refusal:
        load(file, {"IMAGER_BROKER_URL": url})
    assert "bell-secret" not in str(refusal.value)


def test_the_authority_of_the_broker_in_pem_or_on_one_line(file: Path, tmp_path: Path) -> None:
    authority, _ = make_certificate(tmp_path, "broker.example")
    pem = authority.read_text()
    line = base64.b64encode(pem.encode()).decode()
    for given in (
        {"IMAGER_BROKER_CA": pem},
        {"IMAGER_BROKER_CA": line},
        {"IMAGER_BROKER_CA_FILE": str(authority)},
    ):
        assert load(file, given).broker_ca.strip() == pem.strip()


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "Zm9v",
        "é",
        "/etc/ssl/ca.pem",
        "-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n",
        base64.b64encode(b"-----BEGIN PRIVATE KEY-----").decode(),
    ],
)
def test_what_is_no_certificate_is_refused(file: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"broker_ca is no certificate"):
        load(file, {"IMAGER_BROKER_CA": text})
