"""Each variable, right and wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from warehouse.ftp.config import Config, ConfigError, load


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    return {
        "WAREHOUSE_ROOT": str(tmp_path),
        "WAREHOUSE_SLUG": "main",
        "WAREHOUSE_SECRET": "s3cret",
        "WAREHOUSE_SERVER_URL": "https://imager.example/",
    }


def test_the_least_that_is_needed(given: dict[str, str], tmp_path: Path) -> None:
    expected = Config(root=tmp_path, slug="main", secret="s3cret", server_url="https://imager.example")
    assert load(given) == expected
    assert (expected.host, expected.port, expected.tls) == ("127.0.0.1", 2121, False)


def test_everything(given: dict[str, str], tmp_path: Path) -> None:
    pem = tmp_path / "pem"
    pem.write_text("x")
    given |= {
        "WAREHOUSE_LISTEN": "[::1]:0",
        "WAREHOUSE_PORT_FILE": str(tmp_path / "port"),
        "WAREHOUSE_PASSIVE_PORTS": "60000-60200",
        "WAREHOUSE_MASQUERADE": "192.0.2.7",
        "WAREHOUSE_CERT": str(pem),
        "WAREHOUSE_KEY": str(pem),
        "WAREHOUSE_CA_FILE": str(pem),
        "WAREHOUSE_POLL_SECONDS": "5",
        "WAREHOUSE_KEEP_FREE_PERCENT": "7.5",
    }
    config = load(given)
    assert (config.host, config.port, config.tls) == ("::1", 0, True)
    assert (config.passive_ports, config.masquerade) == (range(60000, 60201), "192.0.2.7")
    assert (config.poll_seconds, config.keep_free_percent) == (5.0, 7.5)


def test_the_secret_from_a_file_stays_out_of_repr(given: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-the-file\n")
    config = load(given | {"WAREHOUSE_SECRET_FILE": str(tmp_path / "secret")})
    assert config.secret == "from-the-file"
    assert "from-the-file" not in repr(config)


@pytest.mark.parametrize(
    "name", ["WAREHOUSE_ROOT", "WAREHOUSE_SLUG", "WAREHOUSE_SECRET", "WAREHOUSE_SERVER_URL"]
)
def test_what_is_missing_is_named(given: dict[str, str], name: str) -> None:
    del given[name]
    with pytest.raises(ConfigError, match=f"^{name} is not set: give "):
        load(given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WAREHOUSE_ROOT", "relative"),
        ("WAREHOUSE_ROOT", "/does/not/exist"),
        ("WAREHOUSE_SLUG", "Main"),
        ("WAREHOUSE_SLUG", "a:b"),
        ("WAREHOUSE_SERVER_URL", "imager.example"),
        ("WAREHOUSE_SERVER_URL", "ftp://imager.example"),
        ("WAREHOUSE_SERVER_URL", "https://user:canary@imager.example"),
        ("WAREHOUSE_LISTEN", "2121"),
        ("WAREHOUSE_LISTEN", "127.0.0.1:65536"),
        ("WAREHOUSE_LISTEN", ":2121"),
        ("WAREHOUSE_PASSIVE_PORTS", "60000"),
        ("WAREHOUSE_PASSIVE_PORTS", "60200-60000"),
        ("WAREHOUSE_PASSIVE_PORTS", "80-90"),
        ("WAREHOUSE_MASQUERADE", "warehouse.example"),
        ("WAREHOUSE_CERT", "/does/not/exist"),
        ("WAREHOUSE_CA_FILE", "/does/not/exist"),
        ("WAREHOUSE_SECRET_FILE", "/does/not/exist"),
        ("WAREHOUSE_POLL_SECONDS", "often"),
        ("WAREHOUSE_POLL_SECONDS", "0"),
        ("WAREHOUSE_KEEP_FREE_PERCENT", "100"),
        ("WAREHOUSE_KEEP_FREE_PERCENT", "nan"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, str], name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name) as caught:
        load(given | {name: value})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("secret", ["with space", "w\u00f6rd", "line\nbreak"])
def test_a_secret_that_no_header_can_carry(given: dict[str, str], secret: str) -> None:
    with pytest.raises(ConfigError, match="printable ASCII") as caught:
        load(given | {"WAREHOUSE_SECRET": secret})
    assert secret not in str(caught.value)


def test_certificate_and_key_belong_together(given: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "cert").write_text("x")
    with pytest.raises(ConfigError, match="belong together"):
        load(given | {"WAREHOUSE_CERT": str(tmp_path / "cert")})
