"""`content_stats`: what is chosen and ordered how often, counted once each."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command

from imager import clock
from orders import services
from orders.models import Configuration, Content, Order
from tests import factories as make


def run(*args: str) -> str:
    out = io.StringIO()
    call_command("content_stats", *args, stdout=out)
    return out.getvalue()


def counted(*args: str) -> dict[str, tuple[int, int, int, int]]:
    names = ("orders", "cards", "downloads", "configurations")
    return {row["ident"]: tuple(row[name] for name in names) for row in json.loads(run("--json", *args))}


@pytest.fixture
def ordered(school):
    """Wikipedia twice on cards (3 of them) and once as a download; Gutenberg once."""
    school.place(quantity=2)
    school.configuration.contents.remove(Content.objects.get(ident="kiwix:gutenberg"))
    school.place(quantity=1)
    school.place(kind="virtual")
    services.cancel(school.place(), by=school.member)
    return school


def test_orders_cards_downloads_and_configurations(ordered):
    assert counted() == {"kiwix:wikipedia": (3, 3, 1, 1), "kiwix:gutenberg": (1, 2, 0, 0)}
    assert list(counted()) == ["kiwix:wikipedia", "kiwix:gutenberg"]
    last = datetime.fromisoformat(json.loads(run("--json"))[0]["last_ordered"])
    assert abs((last - Order.objects.get(kind="virtual").created_at).total_seconds()) < 0.001


def test_what_the_catalogue_has_forgotten_still_counts(ordered):
    Configuration.objects.update(deleted_at=clock.now())
    Content.objects.filter(ident="kiwix:gutenberg").delete()
    rows = {row["ident"]: row for row in json.loads(run("--json"))}
    assert rows["kiwix:wikipedia"]["configurations"] == 0
    assert (rows["kiwix:gutenberg"]["title"], rows["kiwix:gutenberg"]["available"]) == ("Gutenberg", False)
    assert "Gutenberg [kiwix:gutenberg] (no longer available)" in run()


def test_only_of_some_time_and_of_some_kind(ordered):
    Order.objects.filter(quantity=2).update(created_at=datetime(2026, 3, 31, 23, 59, tzinfo=UTC))
    assert counted("--since", "2026-03-31", "--until", "2026-03-31") == {
        "kiwix:wikipedia": (1, 2, 0, 1),
        "kiwix:gutenberg": (1, 2, 0, 0),
    }
    assert counted("--until", "2026-03-30") == {"kiwix:wikipedia": (0, 0, 0, 1)}
    assert counted("--since", "2026-04-01") == {"kiwix:wikipedia": (2, 1, 1, 1)}
    assert counted("--kind", "app") == {}
    assert "No content was chosen or ordered." in run("--kind", "app")


def test_what_is_chosen_less_than_a_tenth_as_often_is_left_out(ordered):
    wikipedia, gutenberg = Content.objects.order_by("-ident")
    for _ in range(10):
        make.configuration(ordered.organization).contents.add(wikipedia)
    Order.objects.update(status="canceled")
    ordered.configuration.contents.add(gutenberg)
    assert list(counted()) == ["kiwix:wikipedia"]
    assert counted("--all")["kiwix:gutenberg"] == (0, 0, 0, 1)


def test_as_csv_and_what_is_refused(ordered):
    Content.objects.filter(ident="kiwix:gutenberg").update(title="=cmd()")
    Order.objects.update(status="canceled")
    ordered.configuration.contents.set(Content.objects.all())
    rows = list(csv.DictReader(io.StringIO(run("--csv"))))
    assert [(row["ident"], row["title"], row["configurations"]) for row in rows] == [
        ("kiwix:gutenberg", "'=cmd()", "1"),
        ("kiwix:wikipedia", "Wikipedia", "1"),
    ]
    with pytest.raises(CommandError, match="comes after the last one") as refused:
        run("--since", "2026-02-01", "--until", "2026-01-01")
    assert refused.value.returncode == 2
    with pytest.raises(CommandError, match="“yesterday” is no day of the calendar: write it as YYYY-MM-DD"):
        run("--since", "yesterday")
    run("--until", "9999-12-31")


def test_two_questions_however_many_there_are(ordered, django_assert_num_queries):
    with django_assert_num_queries(
        5
    ):  # around the first: a savepoint, the limit of time, the savepoint's end
        run()
