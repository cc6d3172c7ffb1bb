"""Somebody deletes the account while others work on the same orders."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import transaction

from imager.accounts import leaving, ledger
from imager.accounts.models import Organization, User
from orders.models import Order
from tests.integration.orders.conftest import school
from tests.together import PATIENCE, alone, somebody_waits_for_me

__all__ = ["school"]

pytestmark = pytest.mark.django_db(transaction=True)


def test_who_waits_for_an_order_does_not_hold_the_organization(school):
    Organization.objects.filter(pk=school.organization.pk).update(limited=True)
    ledger.grant(school.organization, units=1000, by=school.staff, note="x")
    orders = [school.place(), school.place()]
    last = max(orders, key=lambda order: order.pk)
    nobody = Event()
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Order.objects.select_for_update(of=("self",)).get(pk=last.pk)
            deletion = pool.submit(alone, lambda: leaving.delete(school.member))
            while not somebody_waits_for_me():
                assert not deletion.done()
                nobody.wait(0.01)
            free = Organization.objects.select_for_update(no_key=True, of=("self",), nowait=True)
            assert free.get(pk=school.organization.pk)
        deletion.result(PATIENCE)
    assert not User.objects.filter(pk=school.member.pk).exists()
    assert {order.status for order in Order.objects.all()} == {"canceled"}
    assert ledger.purse(school.organization).balance == 1000
