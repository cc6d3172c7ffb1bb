"""Two people and one configuration, and a create that is sent twice."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from imager.accounts.models import Repeat
from imager.accounts.repeats import prune_repeats
from orders.models import Address, Configuration
from tests import factories as make
from tests.integration.orders.conftest import school
from tests.together import together

__all__ = ["school"]

pytestmark = pytest.mark.django_db

URL = "/api/v1/configurations/"
BODY = {"name": "New", "admin_password": "secret-word"}


@pytest.fixture
def api():
    from rest_framework.test import APIClient

    def client(user):
        made = APIClient()
        made.force_authenticate(user)
        return made

    return client


class TestConditions:
    def test_only_what_was_read_is_changed(self, school, api):
        url = f"{URL}{school.configuration.pk}/"
        one, two = api(school.member), api(make.user(organization=school.organization))
        tag = one.get(url)["ETag"]
        assert tag == two.get(url)["ETag"]
        first = one.patch(url, {"name": "Mine"}, headers={"if-match": tag})
        assert first.status_code == 200
        late = two.patch(url, {"name": "Theirs"}, headers={"if-match": tag})
        assert (late.status_code, late.json()["code"]) == (412, "changed")
        assert late.json()["etag"] == first["ETag"] == one.get(url)["ETag"]
        assert two.delete(url, headers={"if-match": tag}).status_code == 412
        school.configuration.refresh_from_db()
        assert school.configuration.name == "Mine"
        assert two.delete(url, headers={"if-match": first["ETag"]}).status_code == 204

    def test_a_password_that_nobody_reads_changes_the_tag_too(self, school, api):
        url = f"{URL}{school.configuration.pk}/"
        tag = api(school.member).get(url)["ETag"]
        api(school.member).patch(url, {"admin_password": "another-one"})
        assert api(school.member).get(url)["ETag"] != tag

    def test_without_a_condition_the_last_one_wins_and_any_takes_any(self, school, api):
        url = f"{URL}{school.configuration.pk}/"
        assert api(school.member).patch(url, {"name": "A"}).status_code == 200
        assert api(school.member).patch(url, {"name": "B"}, headers={"if-match": "*"}).status_code == 200

    @pytest.mark.parametrize("verb", ["patch", "delete"])
    def test_without_a_condition_nothing_is_held(self, school, api, verb):
        address = Address.objects.create(
            organization=school.organization, name="a", recipient="x", street="y", city="z", country="ML"
        )
        url = f"/api/v1/addresses/{address.pk}/"
        client = api(school.member)

        def told(**headers: str) -> str:
            with CaptureQueriesContext(connection) as asked:
                answer = getattr(client, verb)(url, {"name": "b"}, headers=headers)
            assert answer.status_code in {200, 204, 412}
            return "; ".join(one["sql"] for one in asked)

        assert re.findall("SAVEPOINT|FOR NO KEY UPDATE", told(**{"if-match": "x"}))[:2] == [
            "SAVEPOINT",
            "FOR NO KEY UPDATE",
        ]
        assert "SAVEPOINT" not in told()

    def test_what_the_reader_has_is_not_sent_again(self, school, api):
        url = f"{URL}{school.configuration.pk}/"
        tag = api(school.member).get(url)["ETag"]
        again = api(school.member).get(url, headers={"if-none-match": f'"x", W/{tag}'})
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag)
        assert api(school.member).get(url, headers={"if-none-match": '"x"'}).status_code == 200

    def test_a_strangers_tag_opens_nothing(self, school, api):
        url = f"{URL}{school.configuration.pk}/"
        assert api(make.user()).patch(url, {"name": "X"}, headers={"if-match": "*"}).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_is_told_to_read_again(school, api):
    url = f"{URL}{school.configuration.pk}/"
    tag = api(school.member).get(url)["ETag"]

    def change(name: str):
        return lambda: api(school.member).patch(url, {"name": name}, headers={"if-match": tag}).status_code

    assert sorted(together(change("A"), change("B"))) == [200, 412]


class TestRepeats:
    def test_the_same_again_makes_nothing(self, school, api):
        headers = {"idempotency-key": "k-1"}
        first = api(school.member).post(URL, BODY, headers=headers)
        again = api(school.member).post(URL, BODY, headers=headers)
        assert (first.status_code, again.status_code) == (201, 200)
        assert again.json() == first.json()
        assert Configuration.objects.filter(name="New").count() == 1

    def test_the_key_is_for_one_request_of_one_person(self, school, api):
        headers = {"idempotency-key": "k-1"}
        api(school.member).post(URL, BODY, headers=headers)
        other = api(school.member).post(URL, {**BODY, "name": "Other"}, headers=headers)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
        assert api(make.user()).post(URL, BODY, headers=headers).status_code == 201

    def test_what_was_refused_used_up_nothing(self, school, api):
        headers = {"idempotency-key": "k-1"}
        assert api(school.member).post(URL, {}, headers=headers).status_code == 400
        assert api(school.member).post(URL, BODY, headers=headers).status_code == 201

    @pytest.mark.parametrize("key", ["x" * 101, "two words", "ключ", ""])
    def test_a_key_that_can_be_none(self, school, api, key):
        answer = api(school.member).post(URL, BODY, headers={"idempotency-key": key})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_idempotency_key")

    def test_what_is_deleted_since_is_not_made_again(self, school, api):
        headers = {"idempotency-key": "k-1"}
        made = api(school.member).post(URL, BODY, headers=headers).json()["id"]
        Configuration.objects.filter(pk=made).delete()
        assert api(school.member).post(URL, BODY, headers=headers).status_code == 404

    def test_a_copy_is_made_once(self, school, api):
        headers, client = {"idempotency-key": "k-1"}, api(school.member)
        url = f"{URL}{school.configuration.pk}/duplicate/"
        first, again = (client.post(url, headers=headers) for _time in range(2))
        assert (first.status_code, again.status_code) == (201, 200)
        assert again.json() == first.json()
        assert Configuration.objects.count() == 2
        assert client.post(url).status_code == 201

    def test_an_import_is_made_once_and_another_file_is_another_request(self, school, api):
        client = api(school.member)
        data = client.post(f"{URL}{school.configuration.pk}/export/", {"secrets": True}).content

        def send(text: bytes, name: str = "a.json"):
            file = SimpleUploadedFile(name, text)
            headers = {"idempotency-key": "k-1"}
            return client.post(f"{URL}import/", {"file": file}, format="multipart", headers=headers)

        data = data.replace(b'"name":', b'"colour":1,"name":', 1)
        first, again = send(data), send(data, "b.json")
        assert (first.status_code, again.status_code) == (201, 200)
        assert again.json() == first.json()
        assert again.json()["left_out"] == ["Unknown keys: colour."]
        assert Configuration.objects.count() == 2
        assert send(data + b" ").json()["code"] == "idempotency_conflict"

    def test_keys_are_forgotten_after_a_day(self, school, api):
        from datetime import timedelta

        from django.utils import timezone

        api(school.member).post(URL, BODY, headers={"idempotency-key": "k-1"})
        assert prune_repeats() == 0
        Repeat.objects.update(at=timezone.now() - timedelta(hours=25))
        assert prune_repeats() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_creates_at_once_one_is_made(school, api):
    def create() -> tuple[int, int]:
        answer = api(school.member).post(URL, BODY, headers={"idempotency-key": "k-1"})
        return answer.status_code, answer.json()["id"]

    answers = together(create, create)
    assert sorted(status for status, _ in answers) == [200, 201]
    assert len({made for _, made in answers}) == 1
