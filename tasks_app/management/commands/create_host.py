"""`manage.py create_host`: account, broker user and signing key of a host; prints what goes on that host."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email

from imager.accounts.models import Channel
from imager.tls import certificates
from tasks_app import broker
from tasks_app.models import Host
from tasks_app.services import enrol

DEFAULT_CHANNEL = "main"


class Command(BaseCommand):
    help = "Creates a host (or gives it new credentials) and prints its environment file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="short name: letters, digits, hyphens")
        parser.add_argument("--kind", required=True, choices=Host.Kind.values)
        parser.add_argument(
            "--channel",
            help=f"slug of the channel (default: where the host is; a new one: {DEFAULT_CHANNEL})",
        )
        parser.add_argument("--operator-email", default="", help="who is told to insert cards")
        parser.add_argument(
            "--env-file",
            type=Path,
            help="write the environment to this file (mode 0600) instead of printing it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        before = Host.objects.select_related("channel").filter(name=options["name"]).first()
        channel = _channel(options["channel"] or (before.channel.slug if before else DEFAULT_CHANNEL))
        _check_email(options["operator_email"])
        authority = _authority()
        out = _Out(options["env_file"])  # before anything changes: it may be no place to write to
        password, key = secrets.token_urlsafe(24), Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes_raw().hex() if options["kind"] == Host.Kind.CREATOR else ""
        try:
            host = enrol(
                options["name"],
                kind=options["kind"],
                channel=channel,
                password=password,
                signing_key=public,
                operator_email=options["operator_email"],
            )
        except ValueError as error:
            out.discard()
            raise CommandError(str(error)) from None
        values = self._environment(host, password, authority) | (
            {"IMAGER_SIGNING_KEY": key.private_bytes_raw().hex()} if public else {}
        )
        self._tell(host, before)
        text = "".join(f"{name}={value}\n" for name, value in values.items())
        self.stdout.write(out.hand_over(text), ending="")

    def _environment(self, host: Host, password: str, authority: str) -> dict[str, str]:
        values = {
            "IMAGER_URL": settings.PUBLIC_URL,
            "IMAGER_HOST": host.name,
            "IMAGER_EMAIL": host.account.email,
            "IMAGER_PASSWORD": password,
            "IMAGER_CHANNEL": host.channel.slug,
        }
        if not settings.HOST_BROKER_URL:
            return values
        try:
            url = broker.admit(
                host,
                server_url=settings.REDIS_URL,
                host_url=settings.HOST_BROKER_URL,
                ca_file=settings.REDIS_CA_FILE,
            )
        except redis.RedisError as error:
            self.stderr.write(
                f"The broker did not answer ({type(error).__name__}): {host} will ask the web for work."
            )
            return values
        trusted = {"IMAGER_BROKER_CA": authority} if authority and url.startswith("rediss:") else {}
        return {**values, "IMAGER_BROKER_URL": url, **trusted}

    def _tell(self, host: Host, before: Host | None) -> None:
        """What became of a host that was there: on stderr, for stdout is the file."""
        if before is None:
            return
        self.stderr.write(
            f"{host} has new credentials; the old ones are void: put the new file on that host."
        )
        if before.channel_id != host.channel_id:
            self.stderr.write(f"It moved from the channel {before.channel.slug} to {host.channel.slug}.")
        if host.disabled:
            self.stderr.write("It stays disabled: enable it in the admin (Hosts), then it may log in.")
        elif host.draining:
            self.stderr.write("It stays draining: resume it in the admin (Hosts), then it takes work.")


class _Out:
    """Where the environment goes: standard output, or a file that is replaced as a whole (mode 0600)."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        if path is None:
            return
        self.fresh = path.with_name(f".{path.name}.new")
        try:
            if path.is_dir():
                raise CommandError(f"{path} is a folder: name a file in it.")
            self.fresh.unlink(missing_ok=True)
            self.file = os.fdopen(os.open(self.fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
        except OSError as error:
            raise CommandError(f"{path} cannot be written ({error.strerror}): name another file.") from None

    def hand_over(self, text: str) -> str:
        """Write it; returns what to print."""
        if self.path is None:
            return text
        with self.file as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        self.fresh.replace(self.path)
        return f"written to {self.path}\n"

    def discard(self) -> None:
        """Leave no trace."""
        if self.path is not None:
            self.file.close()
            with suppress(FileNotFoundError):
                self.fresh.unlink()


def _channel(slug: str) -> Channel:
    channel = Channel.objects.filter(slug=slug).first()
    if channel is None:
        raise CommandError(f"There is no channel “{slug}”. Create it in the admin, or name another.")
    return channel


def _check_email(email: str) -> None:
    try:
        if email:
            validate_email(email)
    except ValidationError:
        raise CommandError(
            f"“{email}” is no e-mail address: name one, or leave --operator-email out."
        ) from None


def _authority() -> str:
    """What hosts need to know the broker by."""
    if settings.HOST_BROKER_URL and not broker.is_safe(settings.HOST_BROKER_URL):
        raise CommandError(
            "HOST_BROKER_URL must begin with rediss:// (redis:// is for hosts on this machine only), or be "
            "empty: then hosts ask the web for work."
        )
    try:
        return certificates(settings.HOST_BROKER_CA_FILE)
    except ImproperlyConfigured as error:
        raise CommandError(f"HOST_BROKER_CA_FILE: {error}") from None
