"""Every list and every page of the admin: it opens, can be searched, and asks the database a few questions.

The models come from the admin itself: a new one is tried without a line here, and one without rows fails.
"""

from __future__ import annotations

import re
import uuid

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from imager.accounts import invitations, ledger
from imager.accounts.models import Invitation, ShopEvent, User
from orders import desk, keeping, uploads
from orders.models import Address, Content, Feed, Media, Source, Upload
from tasks_app import outbox
from tasks_app.models import Chore, Lot, Pulse, RefusedReport, Slot, SlotEvent, Stumble
from tests import factories as make
from tests.integration.orders.conftest import Line, School
from tests.unit.orders.test_pictures import drawn
from warehouse.models import Warehouse

pytestmark = pytest.mark.django_db

MOST = 30  # questions, whatever the page
MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
NAMES = [model._meta.label for model in MODELS]

# Rows that the world below does not make of itself. Rooms with new models say here how one comes to be.
MORE = {
    "account.EmailAddress": lambda n: EmailAddress.objects.create(
        user=make.user(), email=f"a{n}@example.org"
    ),
    "accounts.Channel": lambda n: make.channel(f"channel-{n}"),
    "auth.Group": lambda n: Group.objects.create(name=f"group {n}"),
    "mfa.Authenticator": lambda n: Authenticator.objects.create(
        user=make.user(), type="totp", data={"secret": "canary"}
    ),
    "usersessions.UserSession": lambda n: UserSession.objects.create(
        user=make.user(), ip="::1", session_key=f"canary{n}", user_agent="x"
    ),
    "warehouse.Warehouse": lambda n: Warehouse.objects.create(slug=f"w{n}", host="x", port=21),
    "orders.Media": lambda n: Media.objects.create(
        name=f"m{n}", kind="physical", gigabytes=5000 + n, bytes=1
    ),
    "orders.Feed": lambda n: Feed.objects.update_or_create(
        source=[one for one in Source if one != Source.STAFF][n % 2], defaults={"url": "https://x.example/"}
    ),
    "orders.Content": lambda n: Content.objects.create(
        ident=f"c{n}", title=f"C {n}", url="https://x.example/x", path=f"/data/c{n}", size=1
    ),
    "orders.Configuration": lambda n: make.configuration(make.organization()),
    "orders.Address": lambda n: Address.objects.create(
        organization=make.organization(), name=f"a{n}", recipient="x", street="y", city="z", country="ML"
    ),
    "tasks_app.Stumble": lambda n: Stumble.objects.create(
        job="ring", subject=str(n), not_before=timezone.now()
    ),
    "tasks_app.Pulse": lambda n: Pulse.objects.create(role="scheduler", place=f"p{n}", at=timezone.now()),
    "tasks_app.Chore": lambda n: Chore.objects.create(name=f"orders.c{n}", slot=timezone.now()),
    "orders.ConfigurationVersion": lambda n: keeping.record(make.configuration(), by=None, note=f"n{n}"),
    "orders.Upload": lambda n: uploads.keep_picture(
        drawn((300 + n, 100)),
        kind=Upload.Kind.LOGO,
        name=f"logo{n}.png",
        of=make.organization(),
        by=make.user(),
    ),
    "accounts.ShopEvent": lambda n: ShopEvent.objects.create(event=f"e{n}", organization=make.organization()),
    "tasks_app.Lot": lambda n: Lot.objects.create(brand="Sure", name=f"l{n}"),
    "tasks_app.Outbox": lambda n: outbox.post("mail", dedupe=f"x{n}", payload={}),
}


def world(school: School, line: Line, n: int) -> None:
    """Something of everything: an order with two cards, its history, its files; people who did things."""
    order = school.place(quantity=2)
    task = line.build(order)
    line.download(order)
    line.write(order, 1)
    line.fail(line.insert(order, 2), "The reader is gone.")
    desk.note(order, "note", by=school.staff)
    make.host(("creator", "writer")[n % 2])
    slot = Slot.objects.filter(host=line.writer).order_by("-pk")[0]
    SlotEvent.objects.create(slot=slot, what="released", by="x")
    RefusedReport.objects.create(
        task=task, attempt=1, host=line.creator, event_id=uuid.uuid4(), reason="stale"
    )
    ledger.grant(school.organization, units=10, by=school.staff, note="x")
    invitations.invite(
        Invitation(organization=school.organization, email=f"i{n}@example.org"), by=school.staff
    )
    LogEntry.objects.create(
        user=make.user(),
        content_type=ContentType.objects.get_for_model(User),
        object_id=str(school.member.pk),
        object_repr="x",
        action_flag=CHANGE,
        change_message='[{"changed": {"fields": ["Name"]}}]',
    )
    for more in MORE.values():
        more(n)


@pytest.fixture
def boss(school) -> Client:
    client = Client()
    client.force_login(school.staff)
    return client


def questions(client: Client, url: str) -> tuple[int, str]:
    client.get(url)  # what is kept for the next time is kept
    with CaptureQueriesContext(
        connection,
    ) as asked:
        answer = client.get(url)
    assert answer.status_code == 200, f"{url}: {answer.status_code}"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy, f"{url}: {policy}"
    assert "unsafe" not in policy, f"{url}: {policy}"
    text = answer.content.decode()
    assert "canary" not in text, f"{url} tells a secret"
    return len(asked), "\n".join(query["sql"][:300] for query in asked)


def pages(client: Client) -> dict[str, tuple[int, str]]:
    """Questions per list, search and page."""
    counted = {}
    for model in MODELS:
        label, base = model._meta.label, f"admin:{model._meta.app_label}_{model._meta.model_name}"
        subject = most_connected(model)
        assert subject is not None, f"there is no {label}: say in MORE how one comes to be"
        counted[f"{label} list"] = questions(client, reverse(f"{base}_changelist"))
        counted[f"{label} page"] = questions(client, reverse(f"{base}_change", args=[subject.pk]))
        if admin.site._registry[model].search_fields:
            for words in ("x", "1", "%", "é", "00000000-0000-0000-0000-000000000000"):
                questions(client, reverse(f"{base}_changelist") + f"?q={words}")
    return counted


def most_connected(model):
    """The row on whose page most is to be shown; the first ones have what the others hang on."""
    names = {field.name for field in model._meta.fields}
    times = [name for name in ("created_at", "permitted_at", "started_at", "at") if name in names]
    return model._default_manager.order_by(*times[:1], "pk").first()  # some keys are random


def test_no_page_asks_more_for_three_than_for_one(boss, school, line):
    world(school, line, 1)
    few = pages(boss)
    for n in (2, 3):
        world(school, line, n)
    many = pages(boss)
    grown = {
        page: f"{few[page][0]} → {count}\n{asked}"
        for page, (count, asked) in many.items()
        if count > few[page][0]
    }
    assert not grown, "\n\n".join(f"{page}: {told}" for page, told in grown.items())
    assert {page: count for page, (count, _asked) in many.items() if count > MOST} == {}


# Rows of machines for machines: looked at, they tell nobody anything, and are gone in time.
NOT_SHOWN = {
    "accounts.RefreshToken": "hashes; the page of an account ends them all",
    "accounts.Repeat": "a request that came twice, for a day",
    "accounts.ShopSignature": "a signature that was taken, for as long as it would be valid",
    "tasks_app.TaskEvent": "a report that came twice; moves and attempts tell what it did",
    "tasks_app.LogPiece": "the log has a page of its own",
}


def test_every_model_is_in_the_admin():
    """By itself, or on the page of what it belongs to."""
    shown = {*MODELS, *(inline.model for made in admin.site._registry.values() for inline in made.inlines)}
    ours = {
        model
        for app in ("accounts", "orders", "tasks_app", "warehouse")
        for model in apps.get_app_config(app).get_models()
    }
    assert {model._meta.label for model in ours - shown} == set(NOT_SHOWN)


def test_what_belongs_together_is_a_click_away(boss, school, line):
    """Each link between pages of the admin leads to something, narrowed to what it promises."""
    world(school, line, 1)
    leads: dict[str, set[str]] = {}
    for model in MODELS:
        base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        page = boss.get(reverse(f"{base}_change", args=[most_connected(model).pk])).text.split("<main")[1]
        for to in re.findall(r'href="(/admin/(\w+)/(\w+)/(?:\?[^"]+|[\w-]+/change/))"', page):
            if f"{to[1]}_{to[2]}" != f"{model._meta.app_label}_{model._meta.model_name}":
                leads.setdefault(model._meta.label, set()).add(to[0].replace("&amp;", "&"))
    for label, links in leads.items():
        for link in links:
            answer = boss.get(link)
            assert answer.status_code == 200, f"{label} → {link}: {answer.status_code}"
    assert {model._meta.label for model in MODELS} - leads.keys() == ALONE


# Nothing else of the admin hangs on them.
ALONE = {
    "auth.Group", "orders.Feed", "tasks_app.Outbox", "tasks_app.Stumble",
    "tasks_app.Pulse", "tasks_app.Chore",
}  # fmt: skip


def test_every_action_asks_before_it_acts(boss, school, line):
    world(school, line, 1)
    tried, acts = [], []
    for model in MODELS:
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for action in admin.site._registry[model].actions or ():
            chosen = model._default_manager.filter(pk=most_connected(model).pk)
            before = chosen.values().get()
            answer = boss.post(
                url, {"action": action, "_selected_action": [str(before[model._meta.pk.name])]}
            )
            asks = answer.status_code == 200 and 'name="confirmed"' in answer.text
            asks = asks and list(chosen.values()) == [before]
            tried.append(f"{model._meta.label} {action}")
            acts += [] if asks else tried[-1:]
    assert acts == []
    assert len(tried) >= 18, tried


CHOSEN = [
    (model._meta, name) for model, made in admin.site._registry.items() for name in made.autocomplete_fields
]


@pytest.mark.parametrize(("model", "name"), CHOSEN, ids=[f"{one.label}.{name}" for one, name in CHOSEN])
def test_what_is_chosen_by_typing_is_found(boss, school, model, name):
    remote = model.get_field(name).related_model._meta.label
    if remote in MORE:
        for n in (1, 2):
            MORE[remote](n)
    chosen = {"app_label": model.app_label, "model_name": model.model_name, "field_name": name, "term": ""}
    found = boss.get(reverse("admin:autocomplete"), chosen).json()["results"]
    assert found
    assert [one["text"] for one in found] == sorted(one["text"] for one in found)


@pytest.mark.parametrize("label", NAMES)
def test_every_list_is_made_to_be_used(label):
    """Columns, a way to narrow it, and no count of a whole table that grows with every order."""
    made = next(one for model, one in admin.site._registry.items() if model._meta.label == label)
    assert tuple(made.list_display) != ("__str__",)
    assert made.search_fields
    if label not in SMALL:
        assert made.list_filter, "no filter"
        assert not made.show_full_result_count, "it counts the whole table"


# At most some hundred rows, or of whose kind there is nothing to filter by.
SMALL = {
    "accounts.Channel", "accounts.Organization", "auth.Group", "orders.Media", "tasks_app.Host",
    "warehouse.Warehouse", "tasks_app.Slot", "tasks_app.Stumble", "accounts.User", "accounts.Invitation",
    "orders.Address", "orders.Feed",
    "orders.Configuration", "tasks_app.Pulse", "tasks_app.Chore", "tasks_app.SlotEvent", "tasks_app.Lot",
}  # fmt: skip
