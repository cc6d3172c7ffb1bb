"""The admin speaks the language of its visitor: fields have names, and codes are told in words."""

from __future__ import annotations

import re
import uuid
from functools import reduce
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.functional import Promise

from orders.lifecycle import OrderStatus
from tasks_app import followers, outbox, pulse, scheduler
from tasks_app.admin.facts import in_words
from tasks_app.causes import CAUSES
from tasks_app.fact_names import NAMES
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Outbox, Pulse, RefusedReport, Stumble, Task
from tasks_app.record_words import CHORES, JOBS, PROCESSES, REFUSALS, WORKS
from tasks_app.services import release, retry_task
from tasks_app.words import OUTCOMES, STEPS
from workers.contract import (
    CardResult,
    ChangedRange,
    CreateResult,
    CreateSpec,
    DownloadSpec,
    Fault,
    FileFacts,
    Kind,
    Latencies,
    LogPiece,
    PermitRequest,
    PersonalFacts,
    Progress,
    Report,
    SlotFacts,
    Trouble,
    WriteSpec,
)
from workers.writer.identity import Identity

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


RECORDS = {  # list, the column's codes and words, a row
    "refusedreport": (
        REFUSALS,
        "reason",
        lambda task, code: RefusedReport.objects.create(task=task, attempt=1, reason=code),
    ),
    "outbox": (
        WORKS,
        "kind",
        lambda _task, code: outbox.post(code, dedupe=f"entry {len(code)}", payload={"to": ["x@example.org"]}),
    ),
    "stumble": (
        JOBS,
        "job",
        lambda _task, code: Stumble.objects.create(job=code, subject="it", not_before=timezone.now()),
    ),
    "pulse": (
        PROCESSES,
        "role",
        lambda _task, code: Pulse.objects.create(role=code, place="here", at=timezone.now()),
    ),
}


@pytest.mark.parametrize("model", RECORDS)
def test_records_are_told_in_words_and_found_by_their_code(french, staff, order, line, model):
    codes, field, made = RECORDS[model]
    Outbox.objects.all().delete()
    task = line.task(order, Kind.CREATE)
    for code in codes:
        made(task, code)
    url = reverse(f"admin:tasks_app_{model}_changelist")
    words = french(url, "<tbody", "</tbody>")
    with translation.override("fr"):
        told = {code: str(meaning) for code, meaning in codes.items()}
    assert [code for code in codes if told[code] not in words] == []
    codes = {code for code in codes if code not in told[code]}  # “catalogue” is French
    assert not [code for code in codes if re.search(rf"\b{code}\b", words)]
    for code in codes:
        narrowed = {field: code}, {"q": f'"{code}"'}
        for query in narrowed:
            rows = staff.get(url, query).context["cl"].result_list
            assert [getattr(row, field) for row in rows] == [code], query
    page = reverse(f"admin:tasks_app_{model}_change", args=[rows[0].pk])
    assert f"{told[code]} ({code})" in french(page, "<fieldset", "</fieldset>"), "nobody points on a phone"


def test_every_code_of_a_record_has_words():
    texts = "".join(path.read_text() for room in ROOMS - {"accounts"} for path in (ROOT / room).rglob("*.py"))
    refused = set(re.findall(r'\brefuse\(.*"(\w+)"\)', texts))
    jobs = set(re.findall(r'\bFooting\("([\w ]+)"\)', texts))
    assert (refused, jobs) == (set(REFUSALS), set(JOBS))
    assert {outbox.MAIL, *outbox._works} == set(WORKS)
    chores = [work for _period, work in followers.chores()]
    assert {scheduler._name(work) for work in [*chores, *followers.periodic()]} == set(CHORES)
    assert {pulse.SCHEDULER, pulse.RINGER, pulse.SERVER_WORKER} == set(PROCESSES)


def test_facts_of_tasks_are_told_in_words(french, staff, order, line):
    build = line.task(order, Kind.CREATE)
    failed = reverse("admin:tasks_app_attempt_change", args=[build.attempts.get(attempt=1).pk])
    words = french(failed, "<fieldset", "</fieldset>", first=True).split("Tel quel")[0]
    for told in ("à qui la faute la commande", "cause image de base absente (base_missing)"):
        assert told in words, told
    assert "ce qu’a dit l’hôte Take another one." in words
    assert CODES.isdisjoint(words.split())
    done = reverse("admin:tasks_app_task_change", args=[build.pk])
    words = french(done, "<fieldset", "</fieldset>", first=True)
    assert "taille de l’image 1,0 Mo" in words
    write = reverse("admin:tasks_app_task_change", args=[line.task(order, Kind.WRITE, 1).pk])
    words = french(write, "<fieldset", "</fieldset>", first=True)
    assert "clé publique du constructeur" in words
    assert ".img.zst ·" in words
    assert "signing_key" in staff.get(write).text, "letter by letter, too"


def test_a_fact_that_nobody_knows_is_shown_as_well_as_can_be():
    shown = in_words({"newer_fact": [1, 2], "more": {"a<b": "<script>"}, "none": [], "whether": True})
    assert "<dt>newer fact</dt><dd>1, 2</dd>" in shown
    assert "<dt>a&lt;b</dt><dd>&lt;script&gt;</dd>" in shown
    assert "<dt>whether</dt><dd>yes</dd>" in shown
    many = in_words({"files": [{"name": f"f{n}", "size": 1} for n in range(60)]})
    assert many.split("<details>")[0].count("<li>") == 51
    assert in_words(None) == in_words({}) == "–"


ODD_FACTS: dict[str, dict[str, Any]] = {
    "an endless number": {"mapped_bytes": 10**400},
    "a size that is none": {"files": [{"name": "a", "size": {"a": 1}}]},
    "deep": reduce(lambda inner, _depth: {"deeper": inner}, range(250), {"size": 1}),
    "too deep": reduce(lambda inner, _depth: [inner], range(5000), ["x"]),
    "too long": {"size": 10**5000},
}


@pytest.mark.parametrize("odd", ODD_FACTS)
def test_odd_facts_are_shown_letter_by_letter(odd):
    words, letters = in_words(ODD_FACTS[odd]).split("<details>")
    assert words == '<div class="facts">'
    assert {
        "an endless number": "0" * 400,
        "a size that is none": "&quot;size&quot;",
        "deep": "&quot;size&quot;",
        "too deep": "<pre>…</pre>",
        "too long": "<pre>…</pre>",
    }[odd] in letters


def test_odd_facts_break_no_page(staff, order, line):
    task = line.task(order, Kind.CREATE)
    for odd in ("an endless number", "a size that is none", "deep"):
        Task.objects.filter(pk=task.pk).update(result=ODD_FACTS[odd])
        assert staff.get(reverse("admin:tasks_app_task_change", args=[task.pk])).status_code == 200


def test_files_keep_their_names():
    shown = in_words({"per_card": {"files": {"my_boot_file.txt": "abc", "code": "base_missing"}}})
    assert "<dt>my_boot_file.txt</dt><dd>abc</dd>" in shown
    assert "<dt>code</dt><dd>base_missing</dd>" in shown


PROTOCOL = [
    CardResult,
    ChangedRange,
    CreateResult,
    CreateSpec,
    DownloadSpec,
    FileFacts,
    Identity,
    Latencies,
    LogPiece,
    PermitRequest,
    PersonalFacts,
    Progress,
    Report,
    SlotFacts,
    Trouble,
    WriteSpec,
]


@pytest.mark.parametrize("facts", PROTOCOL, ids=lambda one: one.__name__)
def test_every_fact_of_the_protocol_has_a_name(facts):
    assert sorted(facts.__annotations__.keys() - NAMES.keys() - {"recipe"}) == []


def test_apps_are_told_apart(staff):
    """In the admin's index, in each language."""
    for language in ("en", "fr"):
        page = staff.get("/admin/", headers={"Accept-Language": language})
        names = [str(app["name"]) for app in page.context["app_list"]]
        assert len(names) == len(set(names)), names


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
