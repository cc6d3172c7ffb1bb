"""The admin speaks the language of its visitor: fields have names, and codes are told in words."""

from __future__ import annotations

import re
import uuid
from html import unescape
from pathlib import Path

import pytest
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise

from orders.lifecycle import OrderStatus
from tasks_app.causes import CAUSES
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Task
from tasks_app.services import release, retry_task
from tasks_app.words import OUTCOMES, STEPS
from workers.contract import Fault, Kind

ROOT = Path(__file__).parents[3]
ROOMS = {"accounts", "orders", "tasks_app", "warehouse"}  # the names of other fields are not ours
MODELS = {
    model
    for registered, made in admin.site._registry.items()
    for model in (registered, *(inline.model for inline in made.inlines))
    if model._meta.app_label in ROOMS
}


@pytest.mark.parametrize(
    "model", sorted(MODELS, key=lambda one: one._meta.label), ids=lambda one: one.__name__
)
def test_every_field_has_a_name_that_is_translated(model):
    fields = [*model._meta.fields, *model._meta.many_to_many]
    unnamed = [field.name for field in fields if not field.primary_key and not is_named(field)]
    assert unnamed == [], f"give these fields of {model._meta.label} a verbose_name in gettext_lazy"


def is_named(field) -> bool:
    """By somebody, and not by Django after its attribute."""
    return isinstance(field.verbose_name, Promise) or field.verbose_name != field.name.replace("_", " ")


CODES = {*OrderStatus.values, *TaskStatus.values, *Kind, *Fault, *OUTCOMES, *(str(step) for step in STEPS)}


@pytest.fixture
def french(staff):
    """`french(url)`: the words of a page."""

    def read(url: str, within: str = "<main", until: str = "</main>", *, first: bool = False) -> str:
        html = staff.get(url, headers={"Accept-Language": "fr"}).content.decode()
        assert html.count(within) == 1 or first
        part = html.split(within)[1].split(until)[0]
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", part)).split())

    return read


@pytest.fixture
def order(school, line):
    """Given back, built, put on one card of two; the building had failed for a code of hosts before."""
    order = school.place(quantity=2)
    task = line.claim(line.task(order, Kind.CREATE))
    trouble = {"fault": "job", "code": "base_missing", "message": "Take another one."}
    line.report(task, outcome="failed", trouble=trouble)
    retry_task(task, by="staff@example.org")
    line.claim(line.task(order, Kind.CREATE))
    task.refresh_from_db()
    release(task.pk, line.creator, event_id=uuid.uuid4(), attempt=task.attempt)
    task.refresh_from_db()
    Task.objects.filter(pk=task.pk).update(queued_at=timezone.now(), not_before=timezone.now())
    line.build(order)
    line.download(order)
    line.write(order, 1)
    line.report(
        line.insert(order, 2), step="writing", progress={"done": 1, "total": 2, "rate": 1.0, "eta": 1.0}
    )
    return order


@pytest.mark.parametrize("table", ["moves", "tasks", "cards"])
def test_tables_of_an_order_show_no_code(french, order, table):
    url = reverse("admin:orders_order_change", args=[order.pk])
    words = french(url, f'id="{table}-group"', "</fieldset>")
    assert CODES.isdisjoint(words.split())
    told = {
        "moves": "passée → création de l’image",
        "tasks": "écriture de la carte",
        "cards": "vérifiée",
    }
    assert told[table] in words


def test_the_page_of_an_order_tells_where_it_failed(french, school, line):
    failed = school.place()
    line.fail(line.claim(line.task(failed, Kind.CREATE)))
    words = french(
        reverse("admin:orders_order_change", args=[failed.pk]), "<fieldset", "</fieldset>", first=True
    )
    assert "Échec pendant : création de l’image" in words


@pytest.mark.parametrize("table", ["moves", "attempts"])
def test_tables_of_a_task_show_no_code(french, order, line, table):
    url = reverse("admin:tasks_app_task_change", args=[line.task(order, Kind.CREATE).pk])
    words = french(url, f'id="{table}-group"', "</fieldset>")
    assert CODES.isdisjoint(words.split())
    assert {"moves": "en cours en file d’attente", "attempts": "Take another one."}[table] in words
    assert "rendue" in words  # the note of the move, the outcome of the attempt
    if table == "moves":
        assert {"attempt", "retry"}.isdisjoint(words.split())


@pytest.mark.parametrize("model", ["task", "attempt"])
def test_lists_show_no_code(french, order, model):
    words = french(reverse(f"admin:tasks_app_{model}_changelist"), "<tbody", "</tbody>")
    assert CODES.isdisjoint(words.split())


def test_statistics_tell_causes_in_words(french, order):
    words = french(reverse("statistics"))
    assert CODES.isdisjoint(words.split())
    assert "construction · image de base absente" in words
    assert "construction la commande image de base absente 1" in words


@pytest.mark.parametrize("room", ["workers", "tasks_app"])
def test_every_code_has_words(room):
    """Of what hosts raise, and of what they or the server tell with a fault."""
    raised = re.compile(r'\b(?:Job|Host|Slot|Card)Error\(\s*"(\w+)"')
    told = re.compile(r'\bfault\b.*\s*"code": "(\w+)"|\btrouble\(\s*"(\w+)"')
    texts = [path.read_text() for path in (ROOT / room).rglob("*.py")]
    codes = {code for text in texts for found in (raised, told) for match in found.findall(text)
             for code in ([match] if isinstance(match, str) else match) if code}  # fmt: skip
    assert codes
    assert sorted(codes - CAUSES.keys()) == []
