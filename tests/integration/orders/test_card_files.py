"""Files of each card all along a configuration: API, versions, copies, JSON, recipe of an order."""

from __future__ import annotations

import json

import pytest
import yaml
from django.core.exceptions import ValidationError

from orders import exchange, inspection, json_file, keeping
from orders.differences import differences
from orders.models import Configuration

pytestmark = pytest.mark.django_db

URL = "/api/v1/configurations/"
SERIAL = {"to": "serial.txt", "content": "{serial}\n"}
NAME = {"to": "conf/hostname", "content": "hotspot-{suffix}"}


@pytest.fixture
def one(school) -> Configuration:
    return Configuration.objects.get(pk=school.configuration.pk)


def test_by_api(school, api):
    client = api(school.member)
    made = client.post(URL, {"name": "New", "admin_password": "secret-1", "per_card": [SERIAL, NAME]})
    assert made.status_code == 201, made.data
    assert made.data["per_card"] == [SERIAL, NAME]
    url = f"{URL}{made.data['id']}/"
    assert client.patch(url, {"name": "Other"}).data["per_card"] == [SERIAL, NAME], "left out, it stays"
    assert client.patch(url, {"per_card": []}).data["per_card"] == []
    assert Configuration.objects.get(pk=made.data["id"]).per_card == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"),
        ("serial.txt", "list of files"),
        ([{"to": "serial.txt"}], "list of files"),
        ([{"to": "../x", "content": "{serial}"}], "no name for a file"),
        ([{"to": "a", "content": "same"}], "same on all cards"),
        ([{"to": "a", "content": "{serial}\0"}], "cannot be shown"),
        ([SERIAL] * 9, "at most 8"),
    ],
)
def test_what_the_api_refuses(school, api, one, value, words):
    answer = api(school.member).patch(f"{URL}{one.pk}/", {"per_card": value})
    assert answer.status_code == 400
    assert words in str(answer.data["errors"]["per_card"])
    one.refresh_from_db()
    assert one.per_card == []


def test_versions_keep_compare_and_take_back(school, one):
    one.per_card = [SERIAL]
    keeping.keep(one, by=school.member)
    one.per_card = [SERIAL, NAME]
    keeping.keep(one, by=school.member)
    before, first, second = one.versions.order_by("number")

    assert [(d.field, d.label, d.before, d.after) for d in differences(first.values, second.values)] == [
        (
            "per_card",
            "Files of each card",
            "serial.txt: {serial}",
            "serial.txt: {serial}; conf/hostname: hotspot-{suffix}",
        )
    ]
    [difference] = differences(before.values, first.values)
    assert difference.before == "—"
    keeping.restore(one, first, by=school.member)
    assert Configuration.objects.get(pk=one.pk).per_card == [SERIAL]
    keeping.restore(one, before, by=school.member)
    assert Configuration.objects.get(pk=one.pk).per_card == []


def test_versions_from_before_there_were_such_files(school, one):
    """They had none: nothing differs, a save that changes nothing is no version, and back means none."""
    keeping.keep(one, by=school.member)
    old = one.versions.get()
    del old.values["per_card"]
    old.save()

    keeping.keep(one, by=school.member)
    assert one.versions.count() == 1
    assert differences(old.values, keeping.values_of(one)) == []
    one.per_card = [SERIAL]
    keeping.keep(one, by=school.member)
    keeping.restore(one, old, by=school.member)
    assert Configuration.objects.get(pk=one.pk).per_card == []


def test_a_copy_has_them(school, one):
    one.per_card = [SERIAL]
    assert keeping.duplicate(one, by=school.member).per_card == [SERIAL]


def test_out_and_in_again_is_the_same(school, one):
    one.per_card = [SERIAL, NAME]
    keeping.keep(one, by=school.member)
    text = json.dumps(exchange.exported(one, secrets=True)).encode()

    again = exchange.take_in(json_file.load(text), of=school.organization, by=school.member)

    assert again.configuration.per_card == [SERIAL, NAME]
    assert [sentence for sentence in again.left_out if "per_card" in sentence] == []


def test_a_wrong_one_in_a_file_is_refused_by_its_name(school, one):
    data = {**exchange.exported(one, secrets=True), "per_card": [{"to": "a", "content": "same"}]}
    with pytest.raises(ValidationError) as caught:
        exchange.take_in(data, of=school.organization, by=school.member)
    assert "same on all cards" in caught.value.message_dict["per_card"][0]


def test_an_order_freezes_them_in_its_recipe(school):
    assert "per_card" not in yaml.safe_load(school.place().recipe)
    school.configuration.per_card = [SERIAL, NAME]
    school.configuration.save()
    assert yaml.safe_load(school.place().recipe)["per_card"] == [SERIAL, NAME]


def test_a_configuration_that_went_bad_is_found(one):
    Configuration.objects.filter(pk=one.pk).update(per_card=[{"to": "a", "content": "same"}])
    assert [(f.code, f.what) for f in inspection.inspect()] == [("invalid", "per_card")]
