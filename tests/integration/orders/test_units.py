"""Units: reserved when an order is placed, charged when it succeeds, given back when it does not."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from imager.accounts import ledger
from imager.accounts.ledger import Kind, Purse, ShortOfUnits
from imager.accounts.models import Organization, UnitEntry
from imager.lifecycle import IllegalMove
from orders import services
from orders.models import Order
from tests import factories as make
from tests.integration.orders.conftest import RECIPIENT
from workers.contract import Kind as Work

pytestmark = pytest.mark.django_db

CARD = 80  # units of an 8 GB card


@pytest.fixture
def limited(school):
    """The school, which needs units from now on, and has enough for one card."""
    Organization.objects.filter(pk=school.organization.pk).update(limited=True)
    school.organization.refresh_from_db()
    school.configuration.organization = school.organization
    ledger.grant(school.organization, units=CARD, by=school.staff, note="The first card")
    return school


def kinds(order: Order) -> list[str]:
    return list(order.unit_entries.order_by("number").values_list("kind", flat=True))


def purse(school) -> tuple[int, int]:
    now = ledger.purse(school.organization)
    return now.balance, now.reserved


def consistent(organization: Organization) -> None:
    """The running balances are the sums, in one line without a gap.

    While limited, nothing takes them below zero; what was below it before may come nearer.
    """
    entries = list(organization.unit_entries.order_by("number"))
    assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
    balance = reserved = 0
    for entry in entries:
        balance, reserved = balance + entry.units, reserved + entry.held
        assert (entry.balance, entry.reserved) == (balance, reserved)
        assert balance >= 0 or not entry.limited or entry.units >= 0
    sums = organization.unit_entries.aggregate(units=Sum("units", default=0), held=Sum("held", default=0))
    assert (sums["units"], sums["held"]) == (balance, reserved)
    held = sum(
        order.units for order in organization.orders.all() if kinds(order)[-1:] == [Kind.RESERVE]
    )  # what orders under way hold, and nothing else
    assert held == reserved


def test_an_order_takes_its_units_and_a_second_one_is_refused_with_cost_and_balance(limited):
    order = limited.place()
    assert order.units == CARD
    assert purse(limited) == (0, CARD)
    with pytest.raises(ValidationError) as refused:
        limited.place()
    words = str(refused.value.message_dict["__all__"])
    assert "costs 80 units" in words
    assert "has 0" in words
    assert Order.objects.count() == 1


def test_success_spends_what_was_reserved(limited, line):
    order = limited.place()
    line.build(order)
    line.download(order)
    line.write(order, 1)
    assert purse(limited) == (0, CARD)
    services.ship(order, by=limited.staff, tracking="by hand")
    assert purse(limited) == (0, 0)
    assert kinds(order) == ["reserve", "charge"]


def test_a_download_is_charged_when_it_is_available_and_not_given_back_after(limited, line):
    order = limited.place(kind="virtual")
    line.build(order)
    assert purse(limited) == (CARD - order.units, 0)
    services.cancel(order, by=limited.member)
    assert purse(limited) == (CARD - order.units, 0)
    assert kinds(order) == ["reserve", "charge"]


def test_a_cancel_gives_units_back(limited):
    order = limited.place()
    services.cancel(order, by=limited.member)
    assert purse(limited) == (CARD, 0)
    assert limited.place().units == CARD


def test_a_failure_gives_units_back_and_a_retry_reserves_again(limited, line):
    order = limited.place()
    line.fail(line.claim(line.task(order, Work.CREATE)))
    assert purse(limited) == (CARD, 0)
    services.retry(order, by=limited.member)
    assert purse(limited) == (0, CARD)
    services.cancel(order, by=limited.member)
    assert kinds(order) == ["reserve", "refund", "reserve", "refund"]
    consistent(limited.organization)


def test_a_retry_without_units_is_refused_and_changes_nothing(limited, line):
    failed = limited.place()
    line.fail(line.claim(line.task(failed, Work.CREATE)))
    limited.place()
    with pytest.raises(ShortOfUnits, match=r"costs 80 units.*has 0"):
        services.retry(failed, by=limited.member)
    failed.refresh_from_db()
    assert failed.status == "failed"
    assert failed.tasks.get().status == "failed"


def test_unlimited_organizations_are_counted_only(school):
    order = school.place()
    assert ledger.purse(school.organization) == Purse(-CARD, CARD, limited=False, last=1)
    services.cancel(order, by=school.member)
    assert purse(school) == (0, 0)


def test_orders_from_before_there_was_a_ledger_hold_nothing(limited):
    order = make.order(organization=limited.organization)
    services.cancel(order, by=limited.member)
    assert not kinds(order)


# limits


def limit(school, **fields) -> None:
    Organization.objects.filter(pk=school.organization.pk).update(**fields)
    school.configuration.organization.refresh_from_db()


def test_open_orders_of_the_organization_and_of_a_member(school):
    colleague = make.user(organization=school.organization)
    limit(school, max_open_orders=2, max_open_orders_per_member=1)
    first = school.place()
    with pytest.raises(ValidationError, match="You may have 1 open orders"):
        school.place()
    school.place(by=colleague)
    with pytest.raises(ValidationError, match="École may have 2 open orders at a time, and has 2"):
        school.place(by=make.user(organization=school.organization))
    services.cancel(first, by=school.member)
    school.place()


def test_cards_per_order(school):
    limit(school, max_quantity=3)
    school.place(quantity=3)
    with pytest.raises(ValidationError, match="Order 1 to 3 cards at a time; you asked for 4"):
        school.place(quantity=4)


# what the database refuses, whoever asks


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": Kind.REFUND, "units": CARD, "held": -CARD},  # the order's reservation has ended
        {"kind": Kind.RESERVE, "units": -CARD, "held": CARD},  # and it has one already
        {"kind": Kind.CHARGE, "units": -1, "held": -1},
        {"kind": Kind.RESERVE, "units": CARD, "held": -CARD},
        {"kind": Kind.RESERVE, "units": -1, "held": 1, "round": 2, "balance": -1},
        {"kind": Kind.GRANT, "units": 5, "held": 0},  # of an order
        {"kind": Kind.GRANT, "units": 5, "held": 0, "order": None, "round": 0, "note": ""},
        {"kind": Kind.ADJUST, "units": 0, "held": 0, "order": None, "round": 0, "note": "x"},
        {"kind": Kind.ADJUST, "units": -1, "held": 0, "order": None, "round": 0, "note": "x", "number": 1},
        {"kind": "theft", "units": -1, "held": 0, "order": None, "round": 0, "note": "x"},
    ],
)
def test_entries_that_must_never_be(limited, wrong):
    order = limited.place()
    services.cancel(order, by=limited.member)
    fields = {
        "number": 9,
        "balance": 0,
        "reserved": 0,
        "limited": True,
        "order": order,
        "round": 1,
        "by": "x",
    }
    with pytest.raises(IntegrityError), transaction.atomic():
        UnitEntry.objects.create(organization=limited.organization, **{**fields, **wrong})


@pytest.mark.parametrize("statement", ["UPDATE {} SET units = units + 1", "DELETE FROM {}"])
def test_entries_are_never_changed_or_deleted(limited, statement):
    refused = pytest.raises(IntegrityError, match="never changed or deleted")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(UnitEntry._meta.db_table))
    UnitEntry.objects.update(by="somebody", note="gone")  # addresses of people can be taken out
    assert purse(limited) == (CARD, 0)


# any sequence


STEPS = st.lists(
    st.sampled_from(["place", "download", "cancel", "fail", "retry", "finish", "grant", "take", "switch"]),
    max_size=14,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
@example(steps=["switch", "place", "place", "switch", "grant"])  # in debt, then limited, then given some
def test_whatever_happens_the_ledger_adds_up(limited, line, steps):
    with transaction.atomic():
        for step in steps:
            _take(step, limited, line)
            consistent(limited.organization)
        transaction.set_rollback(True)


def _take(step: str, school, line) -> None:  # noqa: C901  # one line per step
    organization = school.organization
    order = organization.orders.order_by("-number").first()
    try:
        with transaction.atomic():
            match step:
                case "place":
                    school.place(recipient=RECIPIENT)
                case "download":
                    school.place(kind="virtual")
                case "grant":
                    ledger.grant(organization, units=50, by=school.staff, note="more")
                case "take":
                    ledger.grant(organization, units=-30, by=school.staff, note="less")
                case "switch":
                    organization.limited = not organization.limited
                    organization.save()
                case "cancel" if order:
                    services.cancel(order, by=school.member)
                case "retry" if order:
                    services.retry(order, by=school.member)
                case "fail" if order and order.status == "placed":
                    line.fail(line.claim(line.task(order, Work.CREATE)))
                case "finish" if order and order.status == "placed":
                    line.build(order)
    except (ValidationError, IllegalMove):
        pass  # a refusal is an answer; what it must not do is leave something behind
