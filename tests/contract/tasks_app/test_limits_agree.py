"""What a host may say is exactly what the server takes: one constant each, tried on both sides."""

from __future__ import annotations

import json
import uuid

import pytest

from tasks_app.api.bodies import is_report
from tasks_app.api.serializers import PermitSerializer, ReportSerializer, SlotSerializer
from tasks_app.models import Slot
from workers.contract import MAX_SLOT_NAME, MAX_TROUBLE
from workers.errors import HostError
from workers.pace import Pace
from workers.writer.slots import SlotConfig

NAMES = [
    "A",
    "a.b_c-1",
    "9",
    "A" * MAX_SLOT_NAME,
    "A" * (MAX_SLOT_NAME + 1),
    "",
    "-a",
    ".a",
    "a b",
    "é",
    "a/b",
]


def configured(name: str) -> bool:
    try:
        SlotConfig(name, port="1-1")
    except HostError:
        return False
    return True


@pytest.mark.parametrize("name", NAMES)
def test_a_slot_that_can_be_configured_can_be_shown(name):
    state = {
        "name": name,
        "present": False,
        "size": 0,
        "diskseq": None,
        "model": "",
        "contents": "",
        "problem": "",
    }

    assert SlotSerializer(data=state).is_valid() == configured(name)


def test_the_longest_name_of_a_slot_fits_everywhere():
    permit = {"event_id": str(uuid.uuid4()), "attempt": 1, "diskseq": 1, "boot_id": "b", "card_bytes": 1}

    assert PermitSerializer(data={**permit, "slot": "A" * MAX_SLOT_NAME}).is_valid()
    assert Slot._meta.get_field("name").max_length == MAX_SLOT_NAME


@pytest.mark.parametrize(("length", "taken"), [(MAX_TROUBLE, True), (MAX_TROUBLE + 1, False)])
def test_the_longest_trouble_is_taken(length, taken):
    trouble = {"fault": "job", "code": "x", "message": "é" * length}
    report = {
        "event_id": str(uuid.uuid4()),
        "attempt": 1,
        "step": "writing",
        "outcome": "failed",
        "trouble": trouble,
    }

    assert ReportSerializer(data=report).is_valid() is taken


@pytest.mark.parametrize("done", [[0], [0, 5], [0, 5, 10], [0, 5, 4]])
@pytest.mark.parametrize("total", [None, 10])
def test_what_a_worker_reports_while_it_works_has_the_short_way(done, total):
    pace = Pace(total, 0.0)
    for second, bytes_done in enumerate(done):
        pace.update(bytes_done, float(second))
    said = {
        "event_id": str(uuid.uuid4()),
        "attempt": 1,
        "step": "building",
        "progress": pace.progress(done[-1]),
    }

    assert is_report(json.loads(json.dumps(said)))
    assert ReportSerializer(data=said).is_valid()
