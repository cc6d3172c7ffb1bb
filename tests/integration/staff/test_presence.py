"""What is thought of a host, by when it was last heard of; and the page of all hosts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tasks_app import services as tasks
from tasks_app.models import Host
from tasks_app.presence import Presence, heard, presence
from tests import factories as make
from tests.integration.pages.conftest import HTMX, Page
from workers.contract import Kind, Step

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
URL = "/staff/hosts/"


@pytest.mark.parametrize(
    ("away", "fields", "state"),
    [
        (0, {}, Presence.ONLINE),
        (90, {}, Presence.ONLINE),
        (91, {}, Presence.SUSPECT),
        (900, {}, Presence.SUSPECT),
        (901, {}, Presence.SILENT),
        (-3600, {}, Presence.ONLINE),
        (None, {}, Presence.UNSEEN),
        (0, {"draining": True}, Presence.DRAINING),
        (300, {"draining": True}, Presence.DRAINING),
        (901, {"draining": True}, Presence.SILENT),
        (None, {"draining": True}, Presence.UNSEEN),
        (0, {"disabled": True}, Presence.DISABLED),
        (901, {"disabled": True, "draining": True}, Presence.DISABLED),
        (None, {"disabled": True}, Presence.DISABLED),
    ],
)
def test_states(away, fields, state):
    seen = None if away is None else NOW - timedelta(seconds=away)
    assert presence(Host(last_seen_at=seen, **fields), NOW) is state


def test_heard_of_lately():
    assert heard(Host(last_seen_at=NOW - timedelta(seconds=90)), NOW)
    assert not heard(Host(last_seen_at=NOW - timedelta(seconds=91)), NOW)
    assert not heard(Host(last_seen_at=None), NOW)


def rows(page: Page) -> dict[str, str]:
    """The words of each row, by the host's name."""
    parts = page.html.split("<tr>")[2:]
    words = [Page(f"<tr>{part.split('</tr>')[0]}</tr>").words for part in parts]
    return {text.split()[0]: text.replace("\xa0", " ") for text in words}


def test_the_page_tells_of_each_host(staff, school, line, seen):
    built, queued = school.place(quantity=2), school.place()
    line.build(built)
    line.download(built)
    task = line.insert(built, 1)
    progress = {"done": 30, "total": 100, "rate": 1000.0, "eta": 20.0}
    tasks.report(task.pk, line.writer, make.report_body(1, step=Step.WRITING.value, progress=progress))
    make.slot(line.writer, "Y", present=False, diskseq=None)
    make.slot(line.writer, "Z", disabled=True)
    seen(line.writer, 0, version="0.1.0", free_bytes=12_500_000_000)
    seen(line.creator, 3600)
    found = rows(Page(staff.get(URL).text))
    writer, creator = found[line.writer.name], found[line.creator.name]
    for words in (
        "online",
        "0.1.0",
        "12.5 GB",
        "1 of 2 slots hold a card",
        str(built),
        "writing the card",
        "30 %",
    ):
        assert words in writer, words
    assert "Card 1" in writer
    assert "0 1 card is needed" in writer
    assert "silent" in creator
    assert creator.endswith("1")
    assert str(queued) not in creator


def test_queues_of_builds_belong_to_the_channel(staff, school, line):
    other = make.host(Host.Kind.CREATOR, channel=make.channel("other"))
    second = make.host(Host.Kind.CREATOR)
    for _ in range(2):
        school.place()
    found = rows(Page(staff.get(URL).text))
    assert found[line.creator.name].endswith("2")
    assert found[second.name].endswith("2")
    assert found[other.name].endswith("0")


def test_it_follows_with_htmx_and_without_javascript(staff, line, school):
    whole, part = Page(staff.get(URL).text), Page(staff.get(URL, headers=HTMX).text)
    assert whole.all("noscript")
    assert "<html" not in part.html
    assert part.by_id("hosts")["hx-get"] == URL
    assert "HX-Request" in staff.get(URL)["Vary"]


def test_no_host_at_all(staff, school):
    assert "There is no host yet." in Page(staff.get(URL).text).words


def test_members_and_hosts_do_not_see_it(member, line, browse, school):
    assert member.get(URL).status_code == 403
    assert member.get("/station/").status_code == 403
    assert browse(line.writer.account).get(URL).status_code == 302
    assert browse(None).get(URL).status_code == 302
    assert line.writer.name not in Page(member.get("/").text).words


def test_as_many_queries_for_one_host_as_for_five(staff, school, line, django_assert_num_queries):
    staff.get(URL)
    with django_assert_num_queries(7):  # session, user, running tasks, counts, clock, hosts, slots
        staff.get(URL)
    for _ in range(2):
        make.slot(make.host(Host.Kind.WRITER))
        line.claim(line.task(school.place(), Kind.CREATE))
    with django_assert_num_queries(7):
        staff.get(URL)


def test_stations_and_the_admin_tell_the_state(staff, line, seen, school):
    seen(line.writer, 3600)
    seen(line.creator, 0, draining=True)
    assert "silent" in Page(staff.get("/station/").text).words
    page = Page(staff.get("/admin/tasks_app/host/").text)
    assert page.words.count("silent") == 1
    assert "draining" in page.words
    assert "silent" in Page(staff.get(f"/admin/tasks_app/host/{line.writer.pk}/change/").text).words
