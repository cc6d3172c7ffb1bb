"""The API describes itself without a warning."""

from __future__ import annotations

import pytest
import yaml
from django.core.management import call_command

PATHS = {
    "/api/v1/orders/": {"get", "post"},
    "/api/v1/orders/{id}/": {"get"},
    "/api/v1/orders/{id}/cancel/": {"post"},
    "/api/v1/orders/{id}/expire/": {"post"},
    "/api/v1/orders/{id}/retry/": {"post"},
    "/api/v1/orders/{id}/ship/": {"post"},
    "/api/v1/configurations/": {"get", "post"},
    "/api/v1/configurations/{id}/": {"get", "patch", "delete"},
    "/api/v1/addresses/": {"get", "post"},
    "/api/v1/addresses/{id}/": {"get", "patch", "delete"},
    "/api/v1/media/": {"get"},
    "/api/v1/contents/": {"get"},
}


@pytest.fixture(scope="module")
def schema(tmp_path_factory) -> dict:
    file = tmp_path_factory.mktemp("schema") / "schema.yml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(file))
    return yaml.safe_load(file.read_text())


@pytest.mark.parametrize("path", PATHS)
def test_paths_and_methods(schema, path):
    assert set(schema["paths"][path]) == PATHS[path]


def test_secrets_are_write_only_and_the_recipe_is_unknown(schema):
    schemas = schema["components"]["schemas"]
    readable = [
        name
        for name, one in schemas.items()
        for field, facts in one.get("properties", {}).items()
        if field in {"wifi_password", "admin_password", "recipe", "download_token"}
        and not facts.get("writeOnly")
    ]

    assert readable == []


def test_the_key_is_described(schema):
    parameters = schema["paths"]["/api/v1/orders/"]["post"]["parameters"]

    assert [(one["name"], one["in"]) for one in parameters] == [("Idempotency-Key", "header")]
