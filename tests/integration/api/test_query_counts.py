"""Every list of the API asks the database as often for three rows as for one, and seldom.

The lists come from the description of the API: a new one for which nobody knows how to make rows is red.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from drf_spectacular.generators import SchemaGenerator

from imager.accounts import invitations
from imager.accounts.models import Invitation
from orders import desk, keeping
from orders.models import Content, Media, Upload
from tests import factories as make
from tests.integration.orders.conftest import School, api, school

__all__ = ["api", "school"]

pytestmark = pytest.mark.django_db

MOST = 3  # how many there are, the rows, what they hold
PREFIX = "/api/v1"


def _content(_school: School, n: int) -> None:
    Content.objects.create(
        ident=f"k:{n}", title=f"T{n}", url="https://zim.example/x", size=1, path=f"/data/{n}"
    )


def _media(_school: School, n: int) -> None:
    facts = {"gigabytes": 100 + n, "bytes": 10**11, "units_per_gigabyte": 1}
    Media.objects.create(name=f"{n} GB", kind="physical", **facts)


def _upload(school: School, n: int) -> None:
    facts = {"size": 1, "unpacked": 1, "file": "logo/x", "name": "x.png", "kind": "logo"}
    Upload.objects.create(organization=school.organization, sha256=f"{n:064}", **facts)


def _configuration(school: School, n: int) -> None:
    made = make.configuration(school.organization, name=f"C{n}")
    made.contents.set(school.configuration.contents.all())


def _version(school: School, n: int) -> None:
    school.configuration.name = f"C{n}"
    keeping.keep(school.configuration, by=school.member)


ROWS: dict[str, Callable[[School, int], Any]] = {
    "/addresses/": lambda school, n: make.address(school.organization, name=f"A{n}"),
    "/configurations/": _configuration,
    "/configurations/{id}/versions/": _version,
    "/contents/": _content,
    "/invitations/": lambda school, n: invitations.invite(
        Invitation(organization=school.organization, email=f"new{n}@example.org"), by=school.staff
    ),
    "/media/": _media,
    "/orders/": lambda school, n: school.place(),
    "/orders/{id}/notes/": lambda school, n: desk.note(
        school.organization.orders.earliest("number"), f"note {n}", by=school.staff
    ),
    "/organizations/": lambda school, n: make.organization(),
    "/units/": lambda school, n: school.place(),
    "/uploads/": _upload,
}
# Two: the row that the list hangs on comes first.
INSIDE = {"/orders/{id}/notes/": 1, "/configurations/{id}/versions/": 2}


def lists() -> list[str]:
    """Every operation that answers with rows to people."""
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    found = [path.removeprefix(PREFIX) for path, methods in paths.items() if _is_list(methods.get("get"))]
    return [path for path in found if not path.startswith(("/hosts/", "/warehouse/"))]


def _is_list(operation: dict[str, Any] | None) -> bool:
    if operation is None:
        return False
    body = operation["responses"]["200"]["content"]["application/json"]["schema"]
    return body.get("type") == "array" or "Paginated" in body.get("$ref", "")


def test_the_lists_are_known():
    assert sorted(lists()) == sorted(ROWS)


@pytest.mark.parametrize("path", ROWS)
@pytest.mark.parametrize("who", ["member", "staff"])
def test_as_many_questions_for_three_rows_as_for_one(school, api, path, who):
    placed = school.place()
    key = placed.pk if path.startswith("/orders/") else school.configuration.pk
    client, url = api(getattr(school, who)), PREFIX + path.replace("{id}", str(key))
    if client.get(url).status_code == 403:
        assert who == "member"
        return
    asked, rows = [], []
    for n in (0, 1, 2):
        ROWS[path](school, n)
        if n == 1:
            continue
        with CaptureQueriesContext(
            connection,
        ) as seen:
            told = client.get(url).json()
        asked.append(len(seen))
        rows.append(len(told) if isinstance(told, list) else told["count"])
    assert rows[1] == rows[0] + 2 or (who, path) in {("member", "/organizations/"), ("staff", "/units/")}
    assert asked[0] == asked[1], [query["sql"][:120] for query in seen]
    assert asked[0] <= MOST + INSIDE.get(path, 0)
