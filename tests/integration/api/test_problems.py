"""Whatever goes wrong below /api/ is told as a problem (RFC 9457), by whomever it is refused."""

from __future__ import annotations

import pytest
from django.test import Client, override_settings
from rest_framework.test import APIClient

from imager.accounts.tokens import AccessToken
from imager.api.pages import Filters
from tests import factories as make

pytestmark = pytest.mark.django_db

ORDERS, CONFIGURATIONS = "/api/v1/orders/", "/api/v1/configurations/"
KEYS = {"type", "title", "status", "code", "detail"}


@pytest.fixture
def member() -> dict[str, str]:
    return {"authorization": f"Bearer {AccessToken.of(make.user())}"}


def told(answer, status: int, code: str) -> dict:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body.keys() >= KEYS
    assert (body["status"], body["code"]) == (status, code)
    assert body["detail"]
    return body


def test_an_address_that_is_not_there(member):
    told(Client().get("/api/v1/nothing/", headers=member), 404, "not_found")
    told(Client().get(f"{ORDERS}6a1c1c0e-0000-4000-8000-000000000000/", headers=member), 404, "not_found")


def test_a_method_that_is_not_there(member):
    answer = Client().delete(ORDERS, headers=member)
    told(answer, 405, "method_not_allowed")
    assert "GET" in answer["Allow"]


def test_a_form_that_is_not_given(member):
    told(Client().get(ORDERS, headers={**member, "accept": "text/csv"}), 406, "not_acceptable")


def test_a_form_that_is_not_taken(member):
    told(Client().post(ORDERS, {"kind": "virtual"}, headers=member), 415, "unsupported_media_type")


@pytest.mark.parametrize("body", ['{"kind": ', "\xff\xfe", "NaN", "[" * 3000 + "]" * 3000])
def test_a_body_that_is_no_json(member, body):
    answer = Client().post(ORDERS, body, content_type="application/json", headers=member)
    assert told(answer, 400, answer.json()["code"])["code"] in {"parse_error", "invalid"}


@pytest.mark.parametrize(
    ("url", "body"),
    [
        (CONFIGURATIONS, r'{"name": "x", "contents": ["\u0000"]}'),
        (CONFIGURATIONS, r'{"name": "x", "contents": ["\ud800"]}'),
        (CONFIGURATIONS, r'{"name": "x", "organization": "\u0000"}'),
    ],
)
def test_text_that_cannot_be_stored(member, url, body):
    answer = Client().post(url, body, content_type="application/json", headers=member)
    assert "zero byte" in told(answer, 400, "parse_error")["detail"]


def test_text_that_cannot_be_repeated(member):
    answer = Client().post(ORDERS, r'{"\ud800": 1}', content_type="application/json", headers=member)
    assert "?" in str(told(answer, 400, "invalid")["errors"])


def test_a_body_that_is_too_large(member):
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=1000):
        answer = Client().post(
            ORDERS, '"' + "x" * 1000 + '"', content_type="application/json", headers=member
        )
    assert "1000 bytes" in told(answer, 413, "too_large")["detail"]


def test_nobody_and_a_token_that_is_wrong():
    told(Client().get(ORDERS), 401, "not_authenticated")
    told(Client().get(ORDERS, headers={"authorization": "Bearer x.y.z"}), 401, "token_not_valid")


def test_a_name_that_is_not_ours(member):
    with override_settings(ALLOWED_HOSTS=["imager.example"]):
        told(Client().get(ORDERS, headers={**member, "host": "evil.example"}), 400, "bad_request")


def test_staff_without_their_second_factor():
    client = Client()
    client.force_login(make.staff())
    with override_settings(SECOND_FACTOR_FOR_STAFF=True):
        told(client.get(ORDERS), 403, "second_factor_missing")


def test_a_session_without_its_token_against_forgery():
    client = Client(enforce_csrf_checks=True)
    client.force_login(make.user())
    told(client.post(ORDERS, "{}", content_type="application/json"), 403, "permission_denied")


def test_a_page_that_is_not_there(member):
    told(Client().get(ORDERS, {"page": "99"}, headers=member), 404, "not_found")


def test_a_page_without_a_number(member):
    told(Client().get(ORDERS, {"page": ""}, headers=member), 400, "invalid")


def test_outside_the_api_pages_stay_pages():
    answer = Client().get("/nothing/")
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")


class TestLimits:
    @pytest.fixture(autouse=True)
    def _few(self, settings):
        from django.core.cache import caches

        rates = {**settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], "user": "3/min", "anon": "2/min"}
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}
        caches["throttle"].clear()
        yield
        caches["throttle"].clear()

    def test_a_person_who_asks_too_often_waits_and_is_told_how_long(self):
        first, second = APIClient(), APIClient()
        first.force_authenticate(make.user())
        second.force_authenticate(make.user())
        assert [first.get(ORDERS).status_code for _ in range(3)] == [200] * 3
        answer = first.get(ORDERS)
        told(answer, 429, "throttled")
        assert 0 < int(answer["Retry-After"]) <= 60
        assert second.get(ORDERS).status_code == 200  # another account has a limit of its own

    def test_nobody_is_counted_by_address(self):
        near, far = APIClient(REMOTE_ADDR="192.0.2.1"), APIClient(REMOTE_ADDR="192.0.2.2")
        url = "/api/v1/schema/"
        assert [near.get(url).status_code for _ in range(3)] == [200, 200, 429]
        assert far.get(url).status_code == 200

    def test_hosts_have_no_limit(self):
        host = make.host()
        client = APIClient(headers={"authorization": f"Bearer {AccessToken.of(host.account)}"})
        answers = [client.get("/api/v1/hosts/me/assignments").status_code for _ in range(5)]
        assert answers == [200] * 5


def test_a_list_makes_its_filters_once(member, monkeypatch):
    made: list[object] = []
    make_one = Filters.get_filterset

    def counted(*args):
        made.append(args)
        return make_one(*args)

    monkeypatch.setattr(Filters, "get_filterset", counted)
    assert Client().get(ORDERS, {"status": "shipped"}, headers=member).status_code == 200
    assert len(made) == 1
    told(Client().get(ORDERS, {"status": "unheard-of"}, headers=member), 400, "invalid")
