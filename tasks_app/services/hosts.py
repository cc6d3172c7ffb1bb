"""Hosts: enrolment."""

from __future__ import annotations

import re

from django.db import transaction

from imager.accounts.models import Channel, Role, User
from tasks_app.models import Host

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,49}")


@transaction.atomic
def enrol(
    name: str,
    *,
    kind: str,
    channel: Channel,
    password: str,
    signing_key: str = "",
    operator_email: str = "",
) -> Host:
    """A host and its account. Raises ValueError.

    One that exists gets new credentials and its old ones die; if it was disabled it stays so.
    """
    if not NAME.fullmatch(name):  # names are parts of queues, patterns of broker keys, and addresses
        raise ValueError(f"“{name}” is no name for a host: use 1 to 50 letters, digits and hyphens")
    host = Host.objects.select_related("account").filter(name__iexact=name).first()
    if host is None:
        role = Role.CREATOR if kind == Host.Kind.CREATOR else Role.WRITER
        return Host.objects.create(
            name=name,
            kind=kind,
            channel=channel,
            account=_account(f"{name}@hosts.invalid", password, name=name, role=role),
            signing_key=signing_key,
            operator_email=operator_email,
        )
    if host.name != name:
        raise ValueError(f"there is a host {host.name} already: names must differ by more than their case")
    if host.kind != kind:
        raise ValueError(f"host {name} is a {host.kind}; choose another name for a {kind}")
    _renew(host.account, password, active=not host.disabled)
    host.channel, host.signing_key = channel, signing_key
    host.operator_email = operator_email or host.operator_email
    host.save(update_fields=["channel", "signing_key", "operator_email"])
    return host


def _account(email: str, password: str, *, name: str, role: Role) -> User:
    """A new account, or the one that a deleted host of that name left."""
    left = User.objects.filter(email__iexact=email, host=None).first()
    if left is None:
        return User.objects.create_user(email, password, name=name, role=role)
    left.role = role
    return _renew(left, password, active=True)


def _renew(account: User, password: str, *, active: bool) -> User:
    account.set_password(password)
    account.token_epoch += 1
    account.is_active = active
    account.save()
    return account
