"""From the body of a request to a placed order, or to the refusal as an answer."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS
from django.core.exceptions import ValidationError as Refused
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.settings import api_settings

from imager.accounts.models import User
from imager.api import Problem
from orders import addresses, services
from orders.models import Order


def refusal(error: Refused) -> ValidationError:
    """A service's refusal as an answer with an error per field."""
    named = {field: words for field, words in error.message_dict.items() if field != NON_FIELD_ERRORS}
    general = error.message_dict.get(NON_FIELD_ERRORS)
    return ValidationError(named | ({api_settings.NON_FIELD_ERRORS_KEY: general} if general else {}))


def place(fields: dict[str, Any], *, by: User, key: str | None, digest: str) -> tuple[Order, bool]:
    """The order, and whether it is new. `fields` are those of OrderInputSerializer, checked."""
    seen = services.Seen(
        units=fields.pop("expected_units", None), twin=None if fields.pop("confirm_duplicate") else 0
    )
    recipient = _recipient(fields)
    try:
        return services.place(
            **fields, by=by, recipient=recipient, idempotency_key=key, request_digest=digest, seen=seen
        )
    except Refused as error:
        raise refusal(error) from error
    except services.Changed as error:
        raise _changed(error) from error
    except services.IdempotencyConflict as error:
        raise Problem(status.HTTP_422_UNPROCESSABLE_ENTITY, "idempotency_conflict", str(error)) from error


def _recipient(fields: dict[str, Any]) -> services.Recipient:
    names = services.Recipient.__dataclass_fields__
    inline = services.Recipient(**{name: fields.pop(f"recipient_{name}") for name in names})
    address = fields.pop("address", None)
    return addresses.recipient_of(address) if address else inline


def _changed(error: services.Changed) -> Problem:
    twin = error.now.twin
    facts = {"units": error.now.units, "duplicate_of": str(twin.pk) if twin else None}
    told = _("%(what)s Nothing was ordered: look at it, then ask again.") % {"what": error}
    return Problem(status.HTTP_409_CONFLICT, error.code, told, **facts)
