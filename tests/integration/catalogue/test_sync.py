"""A library's feed over real HTTP: taken whole or not at all, and only what changed is written."""

from __future__ import annotations

import gzip
from datetime import date

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orders.catalogue import fetching
from orders.models import Content, Feed, Source
from tests import factories as make
from tests.feeds import many, opds, site

IDENT = "openZIM:wikipedia_fr_medicine:maxi"


def written(queries) -> list[str]:
    return [q["sql"] for q in queries if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]


def test_an_entry_is_taken_with_everything_it_says(look_at):
    looked = look_at(opds(site(tags="a;_category:other;b", language="fra,bam")))

    assert (looked.fault, looked.taken.new) == ("", 1)
    content = Content.objects.get()
    assert content.ident == IDENT
    assert (content.kind, content.title, content.category) == ("zim", "Wikipédia médicale", "wikipedia")
    assert content.description == "Des articles sur la médecine & la santé"
    assert (content.languages, content.tags) == (["fra", "bam"], ["a", "b"])
    assert (content.articles, content.medias) == (56_789, 1_234)
    assert (content.version, content.issued) == ("2026-10", date(2026, 10, 13))
    assert content.url.endswith("/wikipedia_fr_medicine_maxi_2026-10.zim.meta4")
    assert content.path == "/data/contents/zims/openZIM_wikipedia_fr_medicine_maxi.zim"
    assert (content.size, content.exact) == (1_234_567_168, False)
    assert content.illustration_url.startswith("http://127.0.0.1:")
    assert content.available
    assert content.source == Source.ZIMS


def test_a_new_edition_is_the_same_content_and_both_are_remembered(look_at):
    look_at(opds(site(period="2026-09")))
    first = Content.objects.get()
    looked = look_at(opds(site(period="2026-10")))

    assert (looked.taken.renewed, looked.taken.new) == (1, 0)
    content = Content.objects.get()
    assert (content.pk, content.version) == (first.pk, "2026-10")
    assert [edition.version for edition in content.editions.all()] == ["2026-10", "2026-09"]


def test_of_two_editions_in_a_feed_the_newest_counts(look_at):
    looked = look_at(opds(site(period="2026-10"), site(period="2026-03")))

    assert (looked.taken.entries, looked.taken.older) == (1, 1)
    assert Content.objects.get().version == "2026-10"


def test_only_what_changed_is_written(look_at):
    entries = list(many(40))
    look_at(opds(*entries))
    entries[7] = {**entries[7], "title": "Another title"}
    with CaptureQueriesContext(
        connection,
    ) as queries:
        looked = look_at(opds(*entries))

    assert (looked.taken.changed, looked.taken.same) == (1, 39)
    rows = [sql for sql in written(queries) if '"orders_content"' in sql]
    assert len(rows) == 1
    assert rows[0].count("Another title") >= 1
    assert rows[0].count("site_") < 10  # that row alone


def test_ten_thousand_entries(look_at, django_assert_max_num_queries):
    entries = list(many(10_000))
    with django_assert_max_num_queries(45):
        looked = look_at(opds(*entries))
    assert looked.words() == (
        "10000 entries: 10000 new, 0 in a new edition, 0 changed, 0 as before, 0 back, 0 gone."
    )
    with django_assert_max_num_queries(8):
        assert look_at(afresh=True).taken.same == 10_000


def test_a_server_that_says_unchanged_costs_nothing(look_at, library):
    look_at(opds(site()))
    taken = Feed.objects.get().taken_at
    looked = look_at()

    assert (looked.fault, looked.taken) == ("", None)
    assert looked.words() == "the feed is as it was."
    assert library.requests[-1]["if-none-match"] == library.etag
    assert Feed.objects.get().taken_at > taken
    look_at(afresh=True)
    assert "if-none-match" not in library.requests[-1]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_feed_cut_anywhere_changes_nothing(look_at, share):
    look_at(opds(*many(20)))
    whole = opds(*({**one, "title": "New"} for one in many(20)))
    looked = look_at(whole[: int(len(whole) * share)])

    assert "no whole XML" in looked.fault
    assert not Content.objects.filter(title="New").exists()
    assert Content.objects.available().count() == 20
    assert "no whole XML" in Feed.objects.get().outcome


def test_a_transfer_that_ends_early_changes_nothing(look_at, library):
    look_at(opds(*many(20)))
    library.claimed = 10_000_000
    looked = look_at(opds(*many(19)))

    assert looked.fault.startswith("it cannot be fetched:")
    assert Content.objects.available().count() == 20


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (opds(), "no entry that could be taken"),
        (b"", "no whole XML"),
        (b"<html><body>Down for maintenance</body></html>", "no Atom feed"),
        (b"<!DOCTYPE feed [<!ENTITY a 'aaaa'>]>" + opds(site()), "declares a document type or"),
        (
            opds(site()).replace(b"<feed", b"<!DOCTYPE feed [<!ENTITY a 'aaaa'>]><feed", 1),
            "declares a document type or entities",
        ),
        (
            opds(site()).replace(b"<feed", b"<!DOCTYPE feed SYSTEM 'file:///etc/passwd'><feed", 1),
            "declares a document type or entities",
        ),
        (opds(*many(3), total=3602), "3 of 3602 entries"),
    ],
    ids=["no entries", "nothing", "another page", "early", "entities", "outside", "a page of many"],
)
def test_what_is_no_whole_feed_changes_nothing(look_at, body, reason):
    look_at(opds(site()))
    looked = look_at(body)

    assert reason in looked.fault
    assert Content.objects.get().available
    assert Feed.objects.get().entries == 1


def test_a_feed_that_shrinks_absurdly_changes_nothing_unless_it_is_meant(look_at):
    look_at(opds(*many(40)))
    looked = look_at(opds(*many(19)))

    assert "19 entries where 40 are known" in looked.fault
    assert Content.objects.available().count() == 40

    looked = look_at(may_shrink=True)
    assert looked.taken.gone == 21
    assert Content.objects.available().count() == 19


def test_what_vanished_is_marked_and_comes_back(look_at):
    look_at(opds(*many(12)))
    gone = Content.objects.get(ident="openZIM:site_ar_00002:mini")
    configuration = make.configuration()
    configuration.contents.add(gone)
    looked = look_at(opds(*(one for one in many(12) if one["name"] != gone.name)))

    assert looked.taken.gone == 1
    gone.refresh_from_db()
    assert gone.missing_since is not None
    assert configuration.contents.get() == gone

    since = gone.missing_since
    look_at(opds(*(one for one in many(12) if one["name"] != gone.name)), afresh=True)
    gone.refresh_from_db()
    assert gone.missing_since == since

    assert look_at(opds(*many(12))).taken.back == 1
    gone.refresh_from_db()
    assert gone.available


def test_bad_entries_are_named_and_the_others_taken(look_at):
    look_at(opds(*many(3)))
    bad = [
        site("", title="Nameless"),
        site("no_link", url=""),
        site("long", title="x" * 300),
        site("odd_size", length="a lot"),
        site("no_size", length="0"),
        site("odd:colons"),
        site("ftp", url="ftp://download.example/x.zim"),
        site("odd_count", articles="-4"),
        site("huge", length=str(10**18)),
        site("tag", tags="t" * 101),
    ]
    looked = look_at(opds(*many(3), *bad))

    assert looked.taken.entries == 3
    assert len(looked.taken.bad) == len(bad)
    told = {
        one.ident.split(":")[1]: one.reason for one in looked.taken.bad if not one.ident.startswith("urn")
    }
    assert "no address" in told["no_link"]
    assert "at most 200 fit" in told["long"]
    assert "'a lot' is no whole number" in told["odd_size"]
    assert "cannot be" in told["no_size"]
    assert "colons" in told["odd"]
    assert "https://" in told["ftp"]
    assert Feed.objects.get().bad[0]["reason"] == "it has no name"


def test_what_our_staff_keep_is_theirs(look_at):
    fields = {"url": "https://x.example/a", "size": 1}
    ours = Content.objects.create(ident=IDENT, title="Ours", path="/data/a", **fields)
    place = "/data/contents/zims/openZIM_taken_maxi.zim"
    Content.objects.create(ident="b", title="B", path=place, **fields)
    looked = look_at(opds(site(), site("taken"), site("free")))

    assert [one.ident for one in looked.taken.bad] == [IDENT, "openZIM:taken:maxi"]
    ours.refresh_from_db()
    assert ours.title == "Ours"
    assert Content.objects.filter(ident="openZIM:free:maxi").exists()
    look_at(opds(site("free"), site("more")))
    ours.refresh_from_db()
    assert ours.available


def test_what_staff_withdrew_stays_withdrawn(look_at):
    look_at(opds(site(period="2026-09")))
    Content.objects.update(active=False)
    look_at(opds(site(period="2026-10")))

    content = Content.objects.get()
    assert (content.version, content.active) == ("2026-10", False)


def test_servers_that_fail_are_told(look_at, library):
    library.status = 503
    assert look_at(opds(site())).fault.startswith("its server answers 503")
    assert Feed.objects.get().taken_at is None


def test_a_server_that_is_not_there(db):
    from orders.catalogue.syncing import look

    assert "cannot be fetched" in look(Source.ZIMS, "http://127.0.0.1:9/catalog").fault


def test_packed_feeds_and_other_addresses_are_followed(look_at, library):
    library.packed, library.location = True, "/moved"
    assert look_at(opds(site())).taken.new == 1


def test_a_feed_without_end_is_not_followed(look_at, library, monkeypatch):
    monkeypatch.setattr(fetching, "MOST_BYTES", 100_000)
    library.packed = True
    body = opds(site(summary=" " * 200_000))
    assert len(gzip.compress(body)) < 5_000

    assert "more than 100000 bytes" in look_at(body).fault
    assert not Content.objects.exists()


def test_entries_without_end_are_not_read(look_at, monkeypatch):
    monkeypatch.setattr("orders.catalogue.opds.MOST_ENTRIES", 5)

    assert "more than 5 entries" in look_at(opds(*many(6))).fault
    assert not Content.objects.exists()


def test_the_command_tells_and_fails_where_it_must(library, db, capsys, tmp_path):
    library.body = opds(*many(3), site("no_link", url=""))
    call_command("sync_catalog", zims=library.url)
    told = capsys.readouterr().out
    assert "3 entries: 3 new" in told
    assert "1 could not be taken" in told
    assert "not taken: openZIM:no_link:maxi: it has no address to fetch it from" in told

    copy = tmp_path / "feed.xml"
    copy.write_bytes(opds(*many(4)))
    call_command("sync_catalog", zims=str(copy))
    assert "4 entries: 1 new" in capsys.readouterr().out

    with pytest.raises(CommandError, match="stays as it was"):
        call_command("sync_catalog", zims=str(tmp_path / "none.xml"))
    assert "the file cannot be read: No such file or directory" in capsys.readouterr().out
    assert Content.objects.available().count() == 4

    with pytest.raises(CommandError, match="No feed is set"):
        call_command("sync_catalog")


def test_an_address_that_is_none_is_one_bad_entry(look_at):
    looked = look_at(opds(site("good"), site("broken", url="http://[")))
    assert (looked.fault, len(looked.taken.bad)) == ("", 1)
    assert Content.objects.get().name == "good"
