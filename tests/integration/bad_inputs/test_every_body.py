"""Every body that the API takes, with something wrong in each of its fields: no sentence is the library's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from tests.integration.api.test_permissions import PREFIX, World
from tests.integration.bad_inputs.reading import _flat
from tests.integration.orders.conftest import line, school

__all__ = ["line", "school"]

pytestmark = pytest.mark.django_db

WRONG: tuple[Any, ...] = ([], {}, "", "x" * 5000, "\0", None, -1, "no")
# What Django and DRF begin with.
THEIRS = (
    *("This ", "Not a valid", "A valid", "Must be a valid", "Ensure ", "Expected ", "Invalid ", "Enter "),
    *("Incorrect ", "No data", "The submitted", "Object with", "String value", "“x", '"'),
)
ASKING = ["staff", "member", "creator", "writer", "warehouse", "nobody"]


def bodies() -> Iterator[tuple[str, list[str]]]:
    """Operations with a JSON body, and the names of its fields."""
    schema = SchemaGenerator().get_schema(request=None, public=True)
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            content = (
                operation.get("requestBody", {}).get("content", {}) if method in {"post", "patch"} else {}
            )
            if "application/json" in content:
                named = content["application/json"]["schema"].get("$ref", "").rpartition("/")[2]
                fields = schema["components"]["schemas"].get(named, {}).get("properties", {})
                yield f"{method.upper()} {path.removeprefix(PREFIX)}", list(fields)


def ask(world: World, operation: str, body: Any, who: str) -> Any:
    """The answer; nothing is kept."""
    method, path = operation.partition(" ")[0].lower(), world.path(operation)
    with transaction.atomic():
        client = APIClient(headers={**world.headers[who], "accept-language": "en"})
        answer = getattr(client, method)(path, body)
        transaction.set_rollback(True)
    return answer


def whom(world: World, operation: str) -> str:
    """The first who may ask at all."""
    return next(
        (who for who in ASKING if ask(world, operation, {}, who).status_code not in {401, 403}), "nobody"
    )


def test_no_sentence_is_the_librarys(school, line):
    world, tried, told = World(school, line), 0, []
    for operation, fields in bodies():
        good, who = world.body(operation), whom(world, operation)
        for wrong in (None, [], "x", *({**good, name: value} for name in fields for value in WRONG), {}):
            answer = ask(world, operation, wrong, who)
            assert answer.status_code < 500, (operation, wrong)
            tried += 1
            if answer.status_code == 400 and "errors" in answer.data:
                lines = _flat(answer.data["errors"], "")
                told += [(operation, line) for line in lines if line.split(": ", 1)[1].startswith(THEIRS)]
    assert not told
    assert tried > 500
