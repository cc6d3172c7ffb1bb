"""Drain, resume, disable, enable: what it does at once, and who did it; the admin asks before it acts."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from imager.accounts.models import Role
from imager.api import Problem
from tasks_app import services
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Host, Task
from tests import factories as make
from tests.integration.pages.conftest import Page
from workers.contract import Kind

HOSTS, TASKS = "/admin/tasks_app/host/", "/admin/tasks_app/task/"


def act(client, url: str, action: str, *chosen, **fields):
    data = {"action": action, "_selected_action": [str(one.pk) for one in chosen], **fields}
    return client.post(url, data, follow=True)


def login(host: Host):
    credentials = {"email": host.account.email, "password": make.PASSWORD}
    return APIClient().post("/api/v1/auth/token/", credentials, format="json")


def assignments(token: str) -> int:
    client = APIClient(headers={"Authorization": f"Bearer {token}"})
    return client.get("/api/v1/hosts/me/assignments").status_code


@pytest.fixture(autouse=True)
def _unthrottled(db):
    from django.core.cache import cache

    cache.clear()


def test_a_disabled_host_is_out_at_once_and_comes_back_with_its_password(line, school):
    old = login(line.writer).data["access"]
    assert assignments(old) == 200
    services.disable(line.writer, by=school.staff)
    assert assignments(old) == 401
    assert login(line.writer).status_code == 401
    services.enable(line.writer, by=school.staff)
    assert assignments(old) == 401
    new = login(line.writer)
    assert new.status_code == 200
    assert assignments(new.data["access"]) == 200
    line.writer.refresh_from_db()
    assert not line.writer.disabled


def test_draining_lets_it_finish(line, school):
    order = school.place()
    task = line.claim(line.task(order, Kind.CREATE))
    services.drain(line.creator, by=school.staff)
    assert line.report(task) == "go"
    line.creator.refresh_from_db()
    with pytest.raises(Problem, match="takes no new work"):
        line.claim(line.task(school.place(), Kind.CREATE))
    services.resume(line.creator, by=school.staff)
    line.creator.refresh_from_db()
    line.claim(line.task(school.place(), Kind.CREATE))


@pytest.mark.parametrize("verb", [services.drain, services.disable])
def test_who_did_it_is_written_once(line, school, verb):
    verb(line.writer, by=school.staff)
    verb(line.writer, by=school.staff)
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id) == (school.staff, str(line.writer.pk))
    assert entry.change_message in {"draining", "disabled"}


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("drain", {}, {"draining": True}),
        ("resume", {"draining": True}, {"draining": False}),
        ("disable", {}, {"disabled": True}),
        ("enable", {"disabled": True}, {"disabled": False}),
    ],
)
def test_the_admin_asks_first(staff, line, school, action, before, after):
    Host.objects.filter(pk=line.writer.pk).update(**before)
    other = make.host(Host.Kind.WRITER)
    page = Page(act(staff, HOSTS, action, line.writer).text)
    assert line.writer.name in page.words
    assert other.name not in page.words
    assert page.all("input", name="confirmed", value="1")
    untouched = Host.objects.filter(pk=line.writer.pk, **(before or dict.fromkeys(after, False)))
    assert untouched.exists()
    assert act(staff, HOSTS, action, line.writer, confirmed="1").status_code == 200
    assert Host.objects.filter(pk=line.writer.pk, **after).exists()
    assert LogEntry.objects.get().user == school.staff


def test_the_form_does_not_go_round_the_verbs(staff, line, school):
    url = f"{HOSTS}{line.writer.pk}/change/"
    slots = {f"slots-{name}_FORMS": "0" for name in ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM")}
    fields = {"name": line.writer.name, "channel": line.writer.channel_id, "operator_email": "", **slots}
    answer = staff.post(url, {**fields, "disabled": "on", "draining": "on", "automatic": "on"}, follow=True)
    assert answer.status_code == 200
    line.writer.refresh_from_db()
    assert (line.writer.automatic, line.writer.disabled, line.writer.draining) == (True, False, False)


def test_a_failed_task_is_retried_in_the_admin(staff, line, school):
    order = school.place()
    task = line.claim(line.task(order, Kind.CREATE))
    line.fail(task)
    page = Page(act(staff, TASKS, "retry", task).text)
    assert str(order) in page.words
    task.refresh_from_db()
    assert task.status == TaskStatus.FAILED
    act(staff, TASKS, "retry", task, confirmed="1")
    task.refresh_from_db()
    order.refresh_from_db()
    assert (task.status, order.status) == (TaskStatus.QUEUED, "creating")
    assert task.moves.last().by == school.staff.email
    again = act(staff, TASKS, "retry", task, confirmed="1")
    assert "no longer possible" in Page(again.text).words


def test_a_download_is_moved_in_the_admin(staff, line, school):
    order = school.place()
    line.build(order)
    task = line.task(order, Kind.DOWNLOAD)
    other, away = make.host(Host.Kind.WRITER), make.host(Host.Kind.WRITER, draining=True)
    page = Page(act(staff, TASKS, "relocate", task).text)
    assert page.all("option", value=str(other.pk))
    assert not page.all("option", value=str(away.pk))
    assert not page.all("option", value=str(line.creator.pk))
    for wrong in ("", "x", str(away.pk), "9" * 40, str(line.creator.pk)):
        page = Page(act(staff, TASKS, "relocate", task, confirmed="1", host=wrong).text)
        assert "Choose a host from the list." in page.words
        assert Task.objects.get(pk=task.pk).host == line.writer
    act(staff, TASKS, "relocate", task, confirmed="1", host=str(other.pk))
    assert Task.objects.get(pk=task.pk).host == other
    assert task.moves.last().by == school.staff.email
    again = act(staff, TASKS, "relocate", task, confirmed="1", host=str(other.pk))
    assert "is at" in Page(again.text).words


def test_a_confirmation_is_taken_back_in_the_admin(staff, line, school):
    order = school.place()
    line.build(order)
    line.download(order)
    slot = make.slot(line.writer)
    task = services.confirm(slot, diskseq=slot.diskseq, boot_id=slot.boot_id, by="operator")
    act(staff, TASKS, "unconfirm", task)
    assert Task.objects.get(pk=task.pk).status == TaskStatus.QUEUED
    act(staff, TASKS, "unconfirm", task, confirmed="1")
    assert Task.objects.get(pk=task.pk).status == TaskStatus.WAITING
    assert "can be taken back" in Page(act(staff, TASKS, "unconfirm", task, confirmed="1").text).words


def test_staff_who_may_only_look_cannot_act(browse, line, school):
    reader = make.user(role=Role.STAFF)
    reader.user_permissions.set(Permission.objects.filter(codename__in=["view_host", "view_task"]))
    client = browse(reader)
    task = line.claim(line.task(school.place(), Kind.CREATE))
    line.fail(task)
    assert client.get(HOSTS).status_code == client.get(TASKS).status_code == 200
    act(client, HOSTS, "disable", line.writer, confirmed="1")
    act(client, TASKS, "retry", task, confirmed="1")
    assert not Host.objects.get(pk=line.writer.pk).disabled
    assert Task.objects.get(pk=task.pk).status == TaskStatus.FAILED


def test_members_reach_none_of_it(member, line, school):
    for url, action in ((HOSTS, "disable"), (TASKS, "retry")):
        answer = member.post(url, {"action": action, "_selected_action": [line.writer.pk], "confirmed": "1"})
        assert answer.status_code in {302, 403}
    assert not Host.objects.get(pk=line.writer.pk).disabled
