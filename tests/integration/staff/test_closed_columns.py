"""What the admin never shows is not found out by looking for it, either: in no list, and by no relation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import reverse

from tests import factories as make

pytestmark = pytest.mark.django_db

SECRETS = {
    "accounts.Invitation": ["token_hash"],
    "accounts.User": ["password"],
    "mfa.Authenticator": ["data"],
    "orders.Configuration": ["wifi_password", "admin_password"],
    "orders.ConfigurationVersion": ["values"],
    "orders.Order": ["recipe", "download_token"],
    "orders.Upload": ["key"],
    "tasks_app.Card": ["certificate_key"],
    "usersessions.UserSession": ["session_key", "data"],
    "warehouse.Warehouse": ["secret_hash"],
}
LOOKUPS = [(label, column) for label, columns in SECRETS.items() for column in columns]
MODELS = {model._meta.label: model for model in admin.site._registry}
HINTS = ("secret", "password", "passphrase", "token", "_key", "recipe", "hash")
TOLD = {  # shown to whoever has the list, or no secret
    "accounts.User.token_epoch",
    "orders.Order.idempotency_key",
    "tasks_app.Host.signing_key",
}


@pytest.mark.parametrize(("label", "column"), LOOKUPS, ids=[".".join(one) for one in LOOKUPS])
@pytest.mark.parametrize("how", ["", "__startswith", "__contains", "__a__startswith"])
def test_no_list_is_narrowed_by_a_secret(school, label, column, how):
    client = Client(raise_request_exception=False)
    client.force_login(school.staff)
    meta = MODELS[label]._meta
    url = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
    assert client.get(url).status_code == 200
    assert client.get(url, {f"{column}{how}": "a"}).status_code == 400


def related(model: type[Model], steps: int) -> Iterator[tuple[str, type[Model]]]:
    """Ways from a model to others, forth and back."""
    for field in model._meta.get_fields():
        if not field.is_relation or field.related_model is None:
            continue
        name = field.name
        yield name, field.related_model
        if steps > 1:
            for way, end in related(field.related_model, steps - 1):
                yield f"{name}__{way}", end


def test_no_relation_leads_to_a_secret():
    request = RequestFactory().get("/")
    request.user = make.staff()
    ways = [
        (made, f"{way}__{column}__contains")
        for model, made in admin.site._registry.items()
        for way, end in related(model, 2)
        for column in SECRETS.get(end._meta.label, ())
    ]
    assert len(ways) > 100
    allowed = [
        f"{made.model._meta.label} {lookup}"
        for made, lookup in ways
        if made.lookup_allowed(lookup, "a", request)
    ]
    assert allowed == []


def test_every_column_that_sounds_like_a_secret_is_closed_or_told():
    """A new one is put in one of the two."""
    sounding = {
        f"{label}.{field.name}"
        for label, model in MODELS.items()
        for field in model._meta.fields
        if any(hint in field.name for hint in HINTS)
    }
    assert sounding - {".".join(one) for one in LOOKUPS} == TOLD
