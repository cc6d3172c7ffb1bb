"""Whether a host is on duty: staff drain and resume, disable and enable it. The admin's history says who."""

from __future__ import annotations

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.utils.translation import gettext as _

from imager.accounts.models import User
from tasks_app import dispatch
from tasks_app.models import Host


def drain(host: Host, *, by: User) -> Host:
    """It finishes its work and takes no more."""
    return _set(host, _("draining"), by=by, draining=True)


def resume(host: Host, *, by: User) -> Host:
    """A draining host takes work again."""
    return _set(host, _("resumed"), by=by, draining=False)


@transaction.atomic
def disable(host: Host, *, by: User) -> Host:
    """It is out at once: its tokens die and it cannot log in. What it was doing is lost, or moved."""
    host = _set(host, _("disabled"), by=by, disabled=True)
    _admit(host, False)
    return host


@transaction.atomic
def enable(host: Host, *, by: User) -> Host:
    """A disabled host may log in again, with the password that it has."""
    host = _set(host, _("enabled"), by=by, disabled=False)
    _admit(host, True)
    return host


def _admit(host: Host, admitted: bool) -> None:
    account = User.objects.select_for_update().get(pk=host.account_id)
    account.is_active = admitted
    account.save(update_fields=["is_active"])  # ends tokens and sessions when it falls: see User.save


@transaction.atomic
def _set(host: Host, note: str, *, by: User, **fields: bool) -> Host:
    """Change the flag, leave a row of history if that changed anything, and ring if the host takes work."""
    host = Host.objects.select_for_update(of=("self",)).get(pk=host.pk)
    if any(getattr(host, name) != value for name, value in fields.items()):
        for name, value in fields.items():
            setattr(host, name, value)
        host.save(update_fields=[*fields])
        LogEntry.objects.log_actions(by.pk, [host], CHANGE, note)
        dispatch.notify("task")
    return host
