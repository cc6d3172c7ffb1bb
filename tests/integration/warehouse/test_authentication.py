"""`Authorization: Warehouse <slug>:<secret>`."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from tests import factories
from tests.integration.accounts.doors import bearer, is_problem, log_in
from warehouse import services
from warehouse.models import Warehouse

pytestmark = pytest.mark.django_db

ENDED = "/api/v1/warehouse/ended"


@pytest.fixture
def main() -> Warehouse:
    return Warehouse(slug="main", host="ftp.example", port=2121)


def call(header: str):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=header)
    return client.get(ENDED)


def test_the_secret_opens_and_is_kept_as_a_hash(main: Warehouse) -> None:
    secret = services.set_secret(main)
    assert call(f"Warehouse main:{secret}").status_code == 200
    assert call(f"warehouse main:{secret}").status_code == 200
    assert secret not in str(vars(Warehouse.objects.get()))
    assert len(secret) >= 40


def test_a_new_secret_ends_the_old_one(main: Warehouse) -> None:
    old = services.set_secret(main)
    new = services.set_secret(main)
    assert is_problem(call(f"Warehouse main:{old}"), 401, "wrong_secret")
    assert call(f"Warehouse main:{new}").status_code == 200


@pytest.mark.parametrize(
    "credentials", ["main:wrong", "main:", "main", ":", "", "other:SECRET", "main:SECRETx", "é:x"]
)
def test_everything_else_is_refused(main: Warehouse, credentials: str) -> None:
    secret = services.set_secret(main)
    answer = call("Warehouse " + credentials.replace("SECRET", secret))
    assert is_problem(answer, 401, "wrong_secret")
    assert answer["WWW-Authenticate"] == "Warehouse"
    assert secret not in answer.content.decode()


def test_a_warehouse_without_a_secret_lets_nobody_in(main: Warehouse) -> None:
    main.save()
    assert is_problem(call("Warehouse main:"), 401, "wrong_secret")


def test_people_and_hosts_are_no_warehouse() -> None:
    assert APIClient().get(ENDED).status_code == 401
    for account in (factories.staff(), factories.host().account):
        assert bearer(log_in(account)["access"]).get(ENDED).status_code == 401


def test_a_warehouse_is_no_person(main: Warehouse) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Warehouse main:{services.set_secret(main)}")
    assert client.get("/api/v1/orders/").status_code == 401
