"""`manage.py seed_demo`: the demo's organization, people, contents, configuration; JSON in and out."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from imager.accounts.models import Channel, Organization, Role, User
from orders.models import Configuration, Content


class Command(BaseCommand):
    help = "For `make demo` only: fills an embedded database with a small organization."

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.SETTINGS_MODULE.endswith((".dev", ".test")):
            raise CommandError("seed_demo works with the development settings only.")
        wanted = json.load(sys.stdin)
        channel = Channel.objects.get_or_create(slug="main", defaults={"name": "Main"})[0]
        school = Organization.objects.get_or_create(
            slug="demo-school",
            defaults={
                "name": "École de démonstration",
                "channel": channel,
                "limited": False,
                "can_brand": True,
            },
        )[0]
        member = self._person(wanted["member"], wanted["passwords"], name="Amina", organization=school)
        self._person(
            wanted["staff"], wanted["passwords"], name="Operator", role=Role.STAFF, is_superuser=True
        )
        configuration = self._configuration(school, member)
        configuration.contents.set([self._content(row) for row in wanted["contents"]])
        self.stdout.write(json.dumps({"configuration": configuration.pk}))

    def _person(self, email: str, passwords: dict[str, str], **fields: Any) -> User:
        user = User.objects.filter(email=email).first() or User.objects.create_user(email, **fields)
        user.set_password(passwords[email])
        user.save()
        return user

    def _content(self, row: dict[str, Any]) -> Content:
        ident = row.pop("ident")
        return Content.objects.update_or_create(ident=ident, defaults={**row, "active": True})[0]

    def _configuration(self, school: Organization, member: User) -> Configuration:
        fields = {
            "ssid": "École Wi-Fi",
            "domain": "ecole",
            "wifi_password": "bonjour-le-monde",
            "admin_password": "secret-demo",
            "language": "fr",
            "timezone": "Africa/Bamako",
            "created_by": member,
        }
        return Configuration.objects.update_or_create(
            organization=school, name="School library", defaults=fields
        )[0]
