"""`manage.py create_user EMAIL`: an account for a person. Passwords never go through the command line."""

from __future__ import annotations

import secrets
import sys
from itertools import chain
from typing import Any

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils.translation import gettext as _

from imager.accounts import addresses, groups
from imager.accounts.models import Organization, Role, User
from imager.sentences import sentences


class Command(BaseCommand):
    """Creates a member or a staff user."""

    help = "Create an account for a person. Prints a new password, unless --password-stdin gives one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--organization", metavar="SLUG", help="the organization it belongs to")
        parser.add_argument("--role", choices=[Role.MEMBER.value, Role.STAFF.value], help="default: member")
        parser.add_argument("--name", default="", help="how to address the person")
        parser.add_argument("--group", choices=list(groups.GRANTED), help="what staff may do; makes it staff")
        parser.add_argument("--superuser", action="store_true", help="staff with all permissions")
        parser.add_argument(
            "--password-stdin", action="store_true", help="read the password from standard input"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        role = _role(options)
        user = User(
            email=options["email"],
            name=options["name"],
            role=role,
            is_superuser=options["superuser"],
            organization=_organization(options["organization"], role),
        )
        password = _given_password(user) if options["password_stdin"] else secrets.token_urlsafe(12)
        _create(user, password, options["group"])
        self.stdout.write(_("Created %(role)s %(email)s.") % {"role": user.role, "email": user.email})
        if not options["password_stdin"]:
            self.stdout.write(_("Password: %(password)s") % {"password": password})


def _role(options: dict[str, Any]) -> str:
    group, superuser = options["group"], options["superuser"]
    role: str = options["role"] or (Role.STAFF if superuser or group else Role.MEMBER)
    if superuser and role != Role.STAFF:
        raise CommandError(_("A superuser is staff: leave --role out, or say --role staff."))
    if group and role != Role.STAFF:
        raise CommandError(_("Groups are for staff: leave --role out, or say --role staff."))
    if role == Role.STAFF and not (group or superuser):
        known = "; ".join(f"{name}: {meaning}" for name, meaning in groups.MEANING.items())
        raise CommandError(_("Say what they may do: give --group. %(known)s") % {"known": known})
    return role


def _organization(slug: str | None, role: str) -> Organization | None:
    if slug is None:
        if role == Role.MEMBER:
            raise CommandError(_("A member belongs to an organization: give --organization SLUG."))
        return None
    organization = Organization.objects.filter(slug=slug).first()
    if organization is None:
        known = ", ".join(Organization.objects.values_list("slug", flat=True)[:20]) or "—"
        text = _("There is no organization “%(slug)s”. There are: %(known)s. Staff add others in the admin.")
        raise CommandError(text % {"slug": slug, "known": known})
    return organization


def _given_password(user: User) -> str:
    password = sys.stdin.readline().rstrip("\r\n")
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    return password


@transaction.atomic
def _create(user: User, password: str, group: str | None) -> None:
    user.set_password(password)
    try:
        user.full_clean()
    except ValidationError as error:
        raise CommandError(" ".join(chain(*sentences(error).values()))) from error
    user.save()
    if group:
        user.groups.add(Group.objects.get(name=group))
    addresses.vouch(user)
