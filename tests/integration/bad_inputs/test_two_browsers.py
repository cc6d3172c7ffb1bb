"""Somebody was faster: what the slower one reads, and that nothing was ordered or overwritten.

Prices, one browser and one change at a time: `tests/integration/pages/test_order_summary.py`. The last units:
`tests/integration/orders/test_units_races.py`.
"""

from __future__ import annotations

import uuid

import pytest

from orders.models import Configuration, Media, Order
from tests.integration.bad_inputs.reading import of_api
from tests.integration.orders.test_api_orders import URL as ORDERS
from tests.integration.orders.test_api_orders import body as order_body
from tests.integration.pages.conftest import Page
from tests.integration.pages.test_order_form import URL as NEW
from tests.integration.pages.test_order_form import filled, shown
from tests.together import together

__all__ = ["filled"]

SENTENCE = "The price has changed meanwhile: it is 240 units, and was 160."


@pytest.mark.django_db(transaction=True)
def test_the_price_changes_while_two_browsers_look_at_it(school, browse, staff, filled):
    """Both said yes to 160 units at the same moment; a third browser had made it 240 in the admin."""
    browsers = [browse(school.member), browse(school.member)]
    seen = [
        shown(each.post(NEW, filled(recipient_name=name, key=str(uuid.uuid4()))))
        for each, name in zip(browsers, ("Awa", "Moussa"), strict=True)
    ]
    form = staff.get(f"/admin/orders/media/{school.card.pk}/change/").context["adminform"].form
    dearer = {**form.initial, "units_per_gigabyte": 15, "active": "on"}
    assert staff.post(f"/admin/orders/media/{school.card.pk}/change/", dearer).status_code == 302
    assert Media.objects.get(pk=school.card.pk).units_per_gigabyte == 15

    answers = together(
        *(
            lambda each=each, fields=fields: each.post(NEW, {**fields, "step": "place"})
            for each, fields in zip(browsers, seen, strict=True)
        )
    )

    assert not Order.objects.exists()
    for answer in answers:
        words = Page(answer.text).words
        assert SENTENCE in words
        assert "Nothing was ordered" in words
    again = browsers[0].post(NEW, {**shown(answers[0]), "step": "place"})
    assert again.status_code == 302
    assert Order.objects.get().units == 240


def test_the_price_changes_while_a_program_looks_at_it(school, api, keeps_nothing):
    Media.objects.filter(pk=school.card.pk).update(units_per_gigabyte=15)
    body = order_body(school, expected_units=160)
    told = keeps_nothing(lambda: of_api(api(school.member).post(ORDERS, body)))
    assert told == f"price_changed: {SENTENCE} Nothing was ordered: look at it, then ask again."


@pytest.mark.parametrize(
    ("version", "tag", "sentence"),
    [
        (0, "", "stale: {by} has saved version 1 since you opened it. Compare, then save again."),
        (
            None,
            "old",
            "changed: Somebody has changed this since you read it. Read it again, then make your change.",
        ),
        (
            0,
            "old",
            "changed: Somebody has changed this since you read it. Read it again, then make your change.",
        ),
        (0, "new", "stale: {by} has saved version 1 since you opened it. Compare, then save again."),
    ],
)
def test_a_configuration_that_somebody_saved_first(school, api, keeps_nothing, version, tag, sentence):
    """By `version` 409, by `If-Match` 412, and with both the tag is looked at first."""
    url, client = f"/api/v1/configurations/{school.configuration.pk}/", api(school.member)
    tags = {"old": client.get(url)["ETag"]}
    tags["new"] = api(school.staff).patch(url, {"name": "Theirs"})["ETag"]
    body = {"name": "Mine"} if version is None else {"name": "Mine", "version": version}
    headers = {"If-Match": tags[tag]} if tag else {}
    told = keeps_nothing(lambda: of_api(client.patch(url, body, headers=headers)))
    assert told == sentence.format(by=school.staff)
    assert Configuration.objects.get(pk=school.configuration.pk).name == "Theirs"
