"""What a configuration holds, over HTTP: what is missing and replaced, what it takes, and which are found."""

from __future__ import annotations

import pytest

from imager import clock
from orders import keeping
from tests import factories as make
from tests.integration.bad_inputs.reading import of_api
from tests.integration.orders.test_api_configurations import URL
from tests.integration.orders.test_check_configs import content


@pytest.fixture
def lacking(school):
    """One content of it went, and a newer one is there; another went for good."""
    content("ted", ident="other:ted:maxi", publisher="other", version="2026-11")
    school.configuration.contents.add(
        content("ted", missing_since=clock.now()), content("lost", active=False)
    )
    return school


def test_what_is_missing_is_named_and_replaced(lacking, api):
    url, client = f"{URL}{lacking.configuration.pk}/", api(lacking.member)
    assert client.get(url).data["missing_contents"] == ["openZIM:lost:maxi", "openZIM:ted:maxi"]

    told = client.post(f"{url}replace/").json()

    assert told["replaced"] == [
        {"old": "openZIM:lost:maxi", "new": None},
        {"old": "openZIM:ted:maxi", "new": "other:ted:maxi"},
    ]
    assert told["configuration"]["missing_contents"] == ["openZIM:lost:maxi"]
    assert "other:ted:maxi" in told["configuration"]["contents"]
    version = told["configuration"]["version"]
    again = client.post(f"{url}replace/").json()
    assert again["replaced"] == [{"old": "openZIM:lost:maxi", "new": None}]
    assert again["configuration"]["version"] == version


def test_only_by_whom_it_belongs_to(lacking, api, stranger):
    assert api(stranger).post(f"{URL}{lacking.configuration.pk}/replace/").status_code == 404


def test_it_is_measured_before_it_is_saved_as_after(school, api):
    client, contents = api(school.member), ["kiwix:gutenberg", "kiwix:wikipedia"]
    asked = {"contents": contents, "option_kiwix_readers": True}
    told = client.post(f"{URL}measure/", asked).json()
    saved = client.post(URL, {"name": "New", "admin_password": "secret-1", **asked}).json()
    assert told["needed_bytes"] == saved["needed_bytes"]
    assert (told["card"], told["download"]) == (school.card.pk, school.download.pk)
    assert told["free_bytes"] == school.card.bytes - told["needed_bytes"]
    assert client.post(f"{URL}measure/", {}).json()["needed_bytes"] < told["needed_bytes"]


def test_nothing_is_large_enough(school, api):
    content("all", size=10**13)
    told = api(school.member).post(f"{URL}measure/", {"contents": ["openZIM:all:maxi"]}).json()
    assert (told["card"], told["download"], told["free_bytes"]) == (None, None, 0)


def test_what_cannot_be_measured(school, api):
    told = of_api(api(school.member).post(f"{URL}measure/", {"contents": ["kiwix:klingon"], "size": 3}))
    assert told == "size: “size” is no key of this body: leave it out, or correct its spelling."


def test_they_are_found(school, api):
    other = make.configuration(make.organization(), name="Archive", ssid="Reading room")
    make.configuration(school.organization, name="Workshop")
    keeping.keep(school.configuration, by=school.member)
    client = api(school.staff)

    def names(**query: str) -> list[str]:
        return sorted(row["name"] for row in client.get(URL, query).json()["results"])

    assert names() == ["Archive", "Library", "Workshop"]
    assert names(search="work") == ["Workshop"]
    assert names(search="reading") == ["Archive"]
    assert names(organization=other.organization.slug) == ["Archive"]
    client = api(school.member)
    assert names(mine="true") == ["Library"]
    assert names(mine="false") == ["Workshop"]
    assert names(organization=other.organization.slug) == []
