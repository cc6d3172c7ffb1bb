"""The client that docs/client shows, before the real server."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

import pytest

from imager.demo.seeds import MEMBER, STAFF

pytestmark = pytest.mark.acceptance

CLIENT = Path(__file__).parents[3] / "docs" / "client"


@pytest.fixture
def client(line, seeds, monkeypatch):
    monkeypatch.syspath_prepend(str(CLIENT))
    from imager_client import Imager

    with Imager(line.url, MEMBER, seeds.passwords[MEMBER]) as imager:
        yield imager
    for name in ("imager_client", "imager_models"):
        sys.modules.pop(name, None)


def wish(client, seeds):
    from imager_models import OrderInputRequest

    media = next(each for each in client.media() if each.kind == "virtual" and each.gigabytes == 8)
    return OrderInputRequest(configuration=seeds.configuration, kind="virtual", media=media.id)


def test_a_member_orders_and_follows_it(client, seeds):
    key = str(uuid.uuid4())
    order = client.place(wish(client, seeds), key=key)
    assert client.place(wish(client, seeds), key=key).id == order.id
    assert client.order(order.id).history[0].went_to == "placed"
    assert order.id in {each.id for each in client.orders(kind="virtual")}


def test_whoever_is_late_is_told(client, seeds):
    from imager_client import Refused
    from imager_models import PatchedConfigurationRequest

    configuration, tag = client.configuration(seeds.configuration)
    client.change(configuration.id, PatchedConfigurationRequest(name="First"), tag=tag)
    with pytest.raises(Refused) as refused:
        client.change(configuration.id, PatchedConfigurationRequest(name="Second"), tag=tag)
    assert (refused.value.problem.status, refused.value.problem.code) == (412, "changed")
    assert client.configuration(seeds.configuration)[0].name == "First"


def test_staff_leave_a_note_that_members_do_not_read(client, line, seeds):
    from imager_client import Imager, Refused

    order = client.place(wish(client, seeds).model_copy(update={"confirm_duplicate": True})).id
    with Imager(line.url, STAFF, seeds.passwords[STAFF]) as staff:
        staff.note(order, "paid by cheque")
        assert [note.text for note in staff.notes(order)] == ["paid by cheque"]
        assert (staff.desk(order).priority.value, staff.desk(order).notes) == ("normal", 1)
    with pytest.raises(Refused, match="403"):
        client.desk(order)


def test_a_token_is_exchanged_before_it_ends(client):
    before = client._http.headers["Authorization"]
    client._until = 0
    assert list(client.media())
    assert client._http.headers["Authorization"] != before


def test_a_wrong_password_is_a_problem(client, line):
    from imager_client import Imager, Refused

    with pytest.raises(Refused, match="no_active_account"):
        Imager(line.url, MEMBER, "wrong")
