"""`docker/prepare.sh`: secrets are made once, closed to others, and fit together."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

PREPARE = Path(__file__).resolve().parents[3] / "docker" / "prepare.sh"
NAMES = ("imager.test", "ftp.imager.test", "bells.imager.test")

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl (apt-get install openssl)")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(PREPARE, tmp_path)
    (tmp_path / ".env").write_text(
        f"#SERVER_NAME=no.test\nSERVER_NAME={NAMES[0]}\nWAREHOUSE_NAME={NAMES[1]}\nBROKER_NAME={NAMES[2]}\n"
    )
    return tmp_path


def prepare(folder: Path, *arguments: str) -> dict[str, str]:
    """The secrets after a run."""
    subprocess.run([str(folder / "prepare.sh"), *arguments], check=True, cwd="/", timeout=120)
    return {path.name: path.read_text() for path in (folder / "secrets").iterdir()}


def test_secrets_fit_together(folder: Path) -> None:
    made = prepare(folder)

    assert made["database_url"] == f"postgres://imager:{made['postgres_password']}@postgres:5432/imager"
    assert made["redis_url"] == f"redis://:{made['redis_password']}@redis:6379/0"
    assert len(bytes.fromhex(made["jwt_signing_keys"])) == 32
    assert len(made["secret_key"]) >= 50
    assert made["email_password"] == ""
    random = [
        made[name] for name in ("secret_key", "jwt_signing_keys", "postgres_password", "redis_password")
    ]
    assert len(set(random)) == len(random)
    assert not any(text != text.strip() for text in made.values())
    assert "tls_cert" not in made


def test_nobody_else_gets_in(folder: Path) -> None:
    prepare(folder, "--self-signed")

    assert (folder / "secrets").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (folder / "secrets").iterdir()} == {0o444}


def test_second_run_changes_nothing(folder: Path) -> None:
    assert prepare(folder, "--self-signed") == prepare(folder, "--self-signed")


def test_what_is_there_is_kept(folder: Path) -> None:
    (folder / "secrets").mkdir()
    for name in ("postgres_password", "email_password", "tls_cert"):
        (folder / "secrets" / name).write_text(f"mine: {name}")
    made = prepare(folder, "--self-signed")

    assert made["postgres_password"] == "mine: postgres_password"
    assert made["email_password"] == "mine: email_password"
    assert made["tls_cert"] == "mine: tls_cert"
    assert "ca" not in made  # a certificate of one's own gets no second CA beside it


@pytest.mark.parametrize("name", NAMES)
def test_certificate_holds_for_all_names(folder: Path, name: str) -> None:
    prepare(folder, "--self-signed")
    assert handshake(folder / "secrets", name) == ""


def test_certificate_holds_for_no_other_name(folder: Path) -> None:
    prepare(folder, "--self-signed")
    assert "no.test" in handshake(folder / "secrets", "no.test")


def test_no_certificate_without_all_names(folder: Path) -> None:
    lines = (folder / ".env").read_text().splitlines()
    (folder / ".env").write_text("\n".join(line for line in lines if not line.startswith("BROKER_NAME")))
    with pytest.raises(subprocess.CalledProcessError):
        prepare(folder, "--self-signed")
    assert not (folder / "secrets/tls_cert").exists()


def handshake(secrets: Path, name: str) -> str:
    """What a client that trusts `ca` says about the certificate; nothing if it holds."""
    offers = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    offers.load_cert_chain(secrets / "tls_cert", secrets / "tls_key")
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = offers.wrap_bio(there, back, server_side=True)
    client = ssl.create_default_context(cafile=str(secrets / "ca")).wrap_bio(
        back, there, server_hostname=name
    )
    for side in (client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            return str(error)
    return ""
