"""The order's page: stages, cards, what can be done; the fragment that htmx asks for."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from orders import services
from orders.lifecycle import OrderStatus
from orders.models import Order
from tasks_app import services as tasks
from tests import factories as make
from tests.integration.pages.conftest import HTMX, Page
from workers.contract import Kind, Step


def line_of(page: Page) -> list[str | None]:
    """The states of the stages, in their order."""
    marks = {"done", "now", "ahead", "failed", "canceled"}
    return [attrs.get("class") for attrs in page.all("li") if attrs.get("class") in marks]


def look(client, order: Order) -> Page:
    return Page(client.get(order.get_absolute_url()).text)


def test_the_stages_of_cards_one_by_one(member, school, line):
    order = school.place(quantity=2)
    assert line_of(look(member, order)) == ["now", "ahead", "ahead", "ahead", "ahead", "ahead"]
    task = line.claim(line.task(order, Kind.CREATE))
    assert line_of(look(member, order)) == ["done", "now", "ahead", "ahead", "ahead", "ahead"]
    line.publish(task)
    line.report(task, outcome="done", result={"image_size": 1_000_000})
    assert line_of(look(member, order)) == ["done", "done", "now", "ahead", "ahead", "ahead"]
    line.download(order)
    page = look(member, order)
    assert line_of(page) == ["done", "done", "done", "now", "ahead", "ahead"]
    assert page.words.count("Waiting for a card") == 2
    line.write(order, 1)
    assert "1 of 2 cards verified" in look(member, order).words
    line.write(order, 2)
    assert line_of(look(member, order)) == ["done", "done", "done", "done", "now", "ahead"]
    services.ship(order, by=school.staff, tracking="DHL 1")
    page = look(member, order)
    assert line_of(page) == ["done"] * 6
    assert "DHL 1" in page.words


def test_what_was_ordered_for_whom_and_the_way_to_the_same_again(member, school):
    order = school.place(quantity=2)
    page = look(member, order)
    for told in (
        "Configuration Library",
        f"2 cards, {order.media}",
        "Organization École",
        f"Ordered by {school.member}",
        "Awa Diop Rue 17 Bamako Mali",
        "awa@example.org +223 20 22 52 29",
        "Gutenberg 1.0 MB Wikipedia 1.0 MB 2.0 MB altogether",
    ):
        assert told in page.words, told
    (again,) = page.all("a", href=f"/orders/new/?again={order.pk}")
    assert member.get(again["href"]).status_code == 200
    school.configuration.contents.clear()
    bare = look(member, school.place(kind="virtual"))
    assert "No contents: only the hotspot itself." in bare.words
    assert "Recipient" not in bare.words
    assert not bare.all("address")


def test_the_page_of_a_download(member, school, line):
    order = school.place(kind="virtual")
    line.build(order)
    page = look(member, order)
    assert line_of(page) == ["done", "done", "done"]
    assert "Expired" not in page.words
    assert "Cancel the order" not in page.words
    assert "End the download" in page.words
    order.refresh_from_db()
    assert [a for a in page.all("a") if order.download_token in (a.get("href") or "")]
    assert "Whoever has the link" in page.words
    Order.objects.filter(pk=order.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert order.download_token not in look(member, order).html


def test_a_download_is_ended_before_its_time(member, browse, stranger, school, line):
    order = school.place(kind="virtual")
    url = f"{order.get_absolute_url()}end/"
    assert "cannot be ended now" in member.post(url, follow=True).text
    line.build(order)
    assert browse(stranger).post(url).status_code == 404
    page = Page(member.post(url, follow=True).text)
    assert line_of(page) == ["done"] * 4
    assert "The download has ended" in page.words
    order.refresh_from_db()
    assert (order.status, order.moves.last().by) == (OrderStatus.EXPIRED, school.member.email)
    assert page.all("a", href=f"/orders/new/?again={order.pk}")


def test_progress_in_peoples_words(member, school, line):
    order = school.place()
    task = line.claim(line.task(order, Kind.CREATE))
    progress = {"done": 25 * 10**6, "total": 100 * 10**6, "rate": 2.0e6, "eta": 150.0}
    tasks.report(task.pk, line.creator, make.report_body(1, step=Step.FETCHING.value, progress=progress))
    page = look(member, order)
    bar = page.all("progress")[0]
    assert (bar["value"], bar["max"], bar["aria-label"]) == ("25", "100", "Fetching contents")
    words = page.words.replace("\xa0", " ")
    assert "25.0 MB of 100.0 MB" in words
    assert "2.0 MB/s" in words
    assert "about 2 minutes left" in words


def test_the_place_in_the_queue(member, school):
    first, second = school.place(), school.place()
    assert "next in the queue" in look(member, first).words
    assert "number 2 in the queue" in look(member, second).words


def test_a_failure_says_why_and_can_be_retried(member, school, line):
    order = school.place()
    line.fail(line.claim(line.task(order, Kind.CREATE)), "The base image is missing.")
    page = look(member, order)
    assert line_of(page)[:2] == ["done", "failed"]
    assert "The base image is missing." in page.words
    url = order.get_absolute_url()
    answer = member.post(f"{url}retry/", follow=True)
    assert "goes on where it stopped" in Page(answer.text).words
    order.refresh_from_db()
    assert order.status == OrderStatus.CREATING


def test_cancel_asks_without_javascript_and_is_final(member, school):
    order = school.place()
    url = order.get_absolute_url()
    page = look(member, order)
    assert page.all("form", action=f"{url}cancel/", method="post")
    assert "This cannot be undone." in page.words
    member.post(f"{url}cancel/")
    page = look(member, order)
    assert line_of(page) == ["canceled", "ahead", "ahead", "ahead", "ahead", "ahead"]
    assert not page.all("form", action=f"{url}cancel/")
    again = Page(member.post(f"{url}cancel/", follow=True).text)
    assert "cannot be canceled any more: it is “canceled”" in again.words
    assert "cannot be retried now" in Page(member.post(f"{url}retry/", follow=True).text).words


def test_a_canceled_order_shows_how_far_it_came(member, school, line):
    order = school.place()
    line.build(order)
    services.cancel(order, by=school.member)
    assert line_of(look(member, order))[:4] == ["done", "done", "canceled", "ahead"]


def test_staff_ship_once_with_a_tracking_text(staff, school, line):
    order = school.place()
    line.build(order)
    line.download(order)
    task = line.write(order, 1)
    url = order.get_absolute_url()
    page = look(staff, order)
    assert task.cards.get().serial in page.words
    empty = staff.post(f"{url}ship/", {"tracking": "  "})
    assert empty.status_code == 422
    assert Page(empty.text).by_id("id_tracking_error")
    long = staff.post(f"{url}ship/", {"tracking": "x" * 201})
    assert long.status_code == 422
    assert staff.post(f"{url}ship/", {"tracking": "DHL 1"}).status_code == 302
    twice = Page(staff.post(f"{url}ship/", {"tracking": "DHL 2"}, follow=True).text)
    assert "cannot be shipped now: it is “shipped”" in twice.words
    order.refresh_from_db()
    assert order.tracking == "DHL 1"


def test_bad_cards_are_for_staff(staff, member, school, line):
    order = school.place()
    line.build(order)
    line.download(order)
    task = line.insert(order, 1)
    line.report(task, outcome="failed", trouble={"fault": "card", "code": "bad", "message": "Lost 3 blocks."})
    assert "An earlier attempt failed: Lost 3 blocks." in look(staff, order).words
    page = look(member, order)
    assert "Lost 3 blocks." not in page.words
    assert task.cards.get().serial not in page.words


def test_htmx_gets_the_stages_alone_while_nothing_moves(member, school):
    order = school.place()
    url = order.get_absolute_url()
    whole, part = member.get(url), member.get(f"{url}?seen=placed", headers=HTMX)
    assert "<html" in whole.text
    page = Page(part.text)
    assert page.by_id("progress")["hx-get"] == f"{url}?seen=placed"
    assert not page.all("form")
    assert "<html" not in part.text


def test_htmx_gets_everything_around_once_the_order_has_moved(member, school, line):
    order = school.place()
    line.claim(line.task(order, Kind.CREATE))
    page = Page(member.get(f"{order.get_absolute_url()}?seen=placed", headers=HTMX).text)
    for ident in ("head", "actions", "history", "cancel", "cards"):
        assert page.by_id(ident)["hx-swap-oob"] == "true"
    assert page.by_id("progress")["hx-get"].endswith("?seen=creating")


@pytest.mark.parametrize("end", ["canceled", "failed", "available"])
def test_polling_stops_when_nothing_moves_by_itself_any_more(member, school, line, end):
    order = school.place(kind="virtual")
    url = order.get_absolute_url()
    page = look(member, order)
    assert page.by_id("progress")["hx-trigger"] == "every 2s"
    assert page.all("meta", content="10")
    if end == "canceled":
        services.cancel(order, by=school.member)
    elif end == "failed":
        line.fail(line.claim(line.task(order, Kind.CREATE)))
    else:
        line.build(order)
    part = Page(member.get(f"{url}?seen=placed", headers=HTMX).text)
    assert "hx-trigger" not in part.by_id("progress")
    assert "hx-trigger" not in look(member, order).by_id("progress")
    assert not look(member, order).all("meta", content="10")


def test_names_are_text_not_html(member, school):
    school.configuration.name = "<script>alert(1)</script>&amp;"
    school.configuration.save()
    order = school.place()
    for url in (order.get_absolute_url(), "/orders/", "/", "/configurations/"):
        page = Page(member.get(url).text)
        assert "<script>alert" not in page.html
        assert "<script>alert(1)</script>&amp;" in page.words


def test_query_counts_do_not_grow_with_cards(staff, school, line, django_assert_num_queries):
    one, three = school.place(), school.place(quantity=3)
    for order in (one, three):
        line.build(order)
        line.download(order)
        for unit in range(1, order.quantity + 1):
            line.write(order, unit)
    staff.get(one.get_absolute_url())
    for order in (one, three):
        with django_assert_num_queries(8):
            staff.get(order.get_absolute_url())
        with django_assert_num_queries(8):
            staff.get(order.get_absolute_url(), headers=HTMX)
