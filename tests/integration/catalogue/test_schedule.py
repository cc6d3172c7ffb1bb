"""The catalogue by itself: asked for by the scheduler, done by the server's own worker, once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission

from imager import clock
from imager.accounts.models import Role
from orders.catalogue import syncing
from orders.models import Content, Feed, Source
from tasks_app import followers, outbox
from tasks_app.models import Outbox
from tests import factories as make
from tests.feeds import opds, site


@pytest.fixture
def followed(settings, library, db):
    settings.CATALOG_ZIMS = library.url
    library.body = opds(site())
    return library


def asked() -> list[Outbox]:
    return list(Outbox.objects.filter(kind=syncing.WORK))


def test_the_scheduler_asks_each_hour_until_it_has_worked_and_then_a_day_later(followed):
    assert ("hour", syncing.ask) in followers.chores()
    syncing.ask()
    syncing.ask()
    assert [entry.payload for entry in asked()] == [{"source": "zims"}]

    Outbox.objects.all().delete()
    Feed.objects.create(source=Source.ZIMS, taken_at=clock.now() - timedelta(hours=22))
    syncing.ask()
    assert asked() == []
    Feed.objects.update(taken_at=clock.now() - timedelta(hours=24))
    syncing.ask()
    assert len(asked()) == 1


def test_nobody_asks_for_what_is_not_followed(db, settings):
    syncing.ask()
    assert asked() == []
    syncing.serve({"source": "zims"})
    assert not Feed.objects.exists()


def test_the_servers_worker_takes_the_feed_once_and_outside_of_its_transaction(
    followed, django_capture_on_commit_callbacks
):
    syncing.ask()
    entry = asked()[0]
    with django_capture_on_commit_callbacks(execute=False) as callbacks:
        assert outbox.deliver(entry.pk)
    assert not Content.objects.exists()
    works = [one for one in callbacks if getattr(one, "func", None) is syncing.serve]
    assert len(works) == 1
    works[0]()
    assert Content.objects.get().available
    with django_capture_on_commit_callbacks(execute=True):
        assert not outbox.deliver(entry.pk)
    assert len(followed.requests) == 1


def test_staff_ask_at_once(client, followed, school_staff):
    Feed.objects.create(source=Source.ZIMS, outcome="nothing changed: its server answers 503.")
    client.force_login(school_staff)
    page = client.get("/admin/orders/feed/")
    assert "its server answers 503" in page.text
    body = {"action": "look_now", "_selected_action": [Feed.objects.get().pk], "confirmed": "1"}
    assert "Done for 1." in client.post("/admin/orders/feed/", body, follow=True).text
    assert len(asked()) == 1


def test_who_may_only_see_a_feed_has_nobody_look_at_it(client, db):
    Feed.objects.create(source=Source.ZIMS)
    looker = make.user(role=Role.STAFF)
    looker.user_permissions.add(Permission.objects.get(codename="view_feed"))
    client.force_login(looker)
    body = {"action": "look_now", "_selected_action": [Feed.objects.get().pk], "confirmed": "1"}
    assert "look_now" not in client.post("/admin/orders/feed/", body, follow=True).text
    assert not asked()
    looker.user_permissions.add(Permission.objects.get(codename="change_feed"))
    client.post("/admin/orders/feed/", body)
    assert len(asked()) == 1


def test_staff_browse_contents_and_withdraw_them(client, look_at, school_staff):
    look_at(opds(site(), site("other", language="eng")))
    client.force_login(school_staff)
    page = client.get("/admin/orders/content/?language=fra&q=medicale")
    assert "openZIM:wikipedia_fr_medicine:maxi" in page.text
    assert "openZIM:other:maxi" not in page.text
    content = Content.objects.get(name="other")
    assert client.get(f"/admin/orders/content/{content.pk}/change/").status_code == 200
    body = {"action": "withdraw", "_selected_action": [content.pk], "confirmed": "1"}
    client.post("/admin/orders/content/", body)
    content.refresh_from_db()
    assert not content.available


def test_who_may_only_look_withdraws_nothing(client, look_at):
    look_at(opds(site()))
    client.force_login(make.clerk("operator"))
    body = {"action": "withdraw", "_selected_action": [Content.objects.get().pk], "confirmed": "1"}
    client.post("/admin/orders/content/", body)
    assert Content.objects.get().available


def test_what_has_lost_its_place_is_not_offered_again(client, look_at, school_staff):
    look_at(opds(site()))
    first = Content.objects.get()
    Content.objects.update(active=False)
    Content.objects.create(ident="other", title="Other", path=first.path, url="https://x.example/", size=1)
    client.force_login(school_staff)
    body = {"action": "offer", "_selected_action": [first.pk], "confirmed": "1"}
    answer = client.post("/admin/orders/content/", body, follow=True)
    assert "another entry has the same place" in answer.text
    first.refresh_from_db()
    assert not first.available
