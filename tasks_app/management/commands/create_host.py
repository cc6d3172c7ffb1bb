"""`manage.py create_host`: account, broker user and signing key of a host; prints what goes on that host."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import redis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from imager.accounts.models import Channel
from tasks_app import broker
from tasks_app.models import Host
from tasks_app.services import enrol


class Command(BaseCommand):
    help = "Creates a host (or gives it new credentials) and prints its environment file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="short name: letters, digits, hyphens")
        parser.add_argument("--kind", required=True, choices=Host.Kind.values)
        parser.add_argument("--channel", default="main", help="slug of the channel (default: main)")
        parser.add_argument("--operator-email", default="", help="who is told to insert cards")
        parser.add_argument(
            "--env-file",
            type=Path,
            help="write the environment to this file (mode 0600) instead of printing it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        channel = Channel.objects.filter(slug=options["channel"]).first()
        if channel is None:
            raise CommandError(
                f"There is no channel “{options['channel']}”. Create it in the admin, or name another."
            )
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
            raise CommandError(str(error)) from None
        values = self._environment(host, password) | (
            {"IMAGER_SIGNING_KEY": key.private_bytes_raw().hex()} if public else {}
        )
        self._hand_over("".join(f"{name}={value}\n" for name, value in values.items()), options["env_file"])

    def _environment(self, host: Host, password: str) -> dict[str, str]:
        values = {
            "IMAGER_URL": settings.PUBLIC_URL,
            "IMAGER_HOST": host.name,
            "IMAGER_EMAIL": host.account.email,
            "IMAGER_PASSWORD": password,
            "IMAGER_CHANNEL": host.channel.slug,
        }
        if settings.HOST_BROKER_URL:
            try:
                values["IMAGER_BROKER_URL"] = broker.admit(
                    host, server_url=settings.REDIS_URL, host_url=settings.HOST_BROKER_URL
                )
            except redis.RedisError as error:
                self.stderr.write(
                    f"The broker did not answer ({type(error).__name__}): {host} will ask the web for work."
                )
        return values

    def _hand_over(self, text: str, env_file: Path | None) -> None:
        if env_file is None:
            self.stdout.write(text, ending="")
            return
        with os.fdopen(os.open(env_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text)
        self.stdout.write(f"written to {env_file}")
