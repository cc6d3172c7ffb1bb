"""`POST auth/token/refresh/`: single use, a grace for lost replies, an end for stolen copies."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from imager.accounts import services
from imager.accounts.models import RefreshToken, Role, User
from tests import factories
from tests.integration.accounts.doors import REFRESH, VERIFY, bearer, is_problem, log_in, post
from tests.integration.accounts.test_login import claims_of

ME = "/api/v1/orders/"


def refreshed(token: str) -> dict:
    answer = post(REFRESH, refresh=token)
    assert answer.status_code == 200, answer.content
    return answer.json()


def age_consumption(seconds: int) -> None:
    RefreshToken.objects.update(consumed_at=F("consumed_at") - timedelta(seconds=seconds))


@pytest.mark.django_db
class TestRotation:
    def test_a_new_pair_with_its_life(self) -> None:
        first = log_in(factories.user())
        second = refreshed(first["refresh"])
        assert set(second) == {"access", "refresh", "expires_in"}
        assert second["refresh"] != first["refresh"]
        assert second["access"] != first["access"]
        assert post(VERIFY, token=second["access"]).status_code == 200

    def test_claims_come_from_the_database(self) -> None:
        user = factories.user()
        pair = log_in(user)
        User.objects.filter(pk=user.pk).update(role=Role.STAFF)
        assert claims_of(refreshed(pair["refresh"])["access"])["role"] == "staff"

    def test_a_lost_reply_gets_the_same_successor(self) -> None:
        first = log_in(factories.user())["refresh"]
        successors = {refreshed(first)["refresh"] for _ in range(3)}
        assert len(successors) == 1
        assert RefreshToken.objects.count() == 2

    def test_just_within_the_grace(self) -> None:
        first = log_in(factories.user())["refresh"]
        second = refreshed(first)["refresh"]
        age_consumption(25)
        assert refreshed(first)["refresh"] == second

    def test_reuse_after_the_grace_revokes_the_family(self, caplog) -> None:
        first = log_in(factories.user())["refresh"]
        second = refreshed(first)["refresh"]
        third = refreshed(second)["refresh"]
        age_consumption(31)
        with caplog.at_level(logging.WARNING):
            assert is_problem(post(REFRESH, refresh=first), 401, "token_not_valid")
        assert is_problem(post(REFRESH, refresh=third), 401, "token_not_valid")
        assert is_problem(post(REFRESH, refresh=second), 401, "token_not_valid")
        assert not RefreshToken.objects.filter(revoked_at=None).exists()
        assert "used twice" in caplog.text
        assert not any(token in caplog.text for token in (first, second, third))

    def test_other_families_of_the_account_live_on(self) -> None:
        user = factories.user()
        stolen, other = log_in(user)["refresh"], log_in(user)["refresh"]
        refreshed(stolen)
        age_consumption(31)
        post(REFRESH, refresh=stolen)
        assert refreshed(other)

    def test_a_successor_is_not_given_again_once_the_family_is_revoked(self) -> None:
        first = log_in(factories.user())["refresh"]
        refreshed(first)
        RefreshToken.objects.update(revoked_at=timezone.now())
        assert is_problem(post(REFRESH, refresh=first), 401, "token_not_valid")

    def test_the_family_ends_ninety_days_after_the_login(self) -> None:
        token = log_in(factories.user())["refresh"]
        row = RefreshToken.objects.get()
        assert row.family_expires_at - row.issued_at < timedelta(days=90, seconds=1)
        end = timezone.now() + timedelta(days=3)
        RefreshToken.objects.update(family_expires_at=end)
        claims = claims_of(refreshed(token)["refresh"])
        assert claims["exp"] == int(end.timestamp())

    def test_after_the_end_of_the_family_or_of_the_row(self) -> None:
        token = log_in(factories.user())["refresh"]
        RefreshToken.objects.update(family_expires_at=timezone.now() - timedelta(seconds=1))
        assert is_problem(post(REFRESH, refresh=token), 401, "token_not_valid")
        other = log_in(factories.user())["refresh"]
        RefreshToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert is_problem(post(REFRESH, refresh=other), 401, "token_not_valid")

    def test_a_row_that_is_gone(self) -> None:
        token = log_in(factories.user())["refresh"]
        RefreshToken.objects.all().delete()
        assert is_problem(post(REFRESH, refresh=token), 401, "token_not_valid")

    def test_an_access_token_is_no_refresh_token(self) -> None:
        assert is_problem(post(REFRESH, refresh=log_in(factories.user())["access"]), 401, "token_not_valid")

    def test_a_deleted_account(self) -> None:
        user = factories.user()
        pair = log_in(user)
        user.delete()
        assert is_problem(post(REFRESH, refresh=pair["refresh"]), 401, "token_not_valid")
        assert is_problem(post(VERIFY, token=pair["access"]), 401, "token_not_valid")
        assert is_problem(bearer(pair["access"]).get(ME), 401, "token_not_valid")

    def test_pruning_takes_expired_rows_alone(self) -> None:
        log_in(factories.user())
        RefreshToken.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
        alive = log_in(factories.user())["refresh"]
        assert services.prune_tokens() == 1
        assert refreshed(alive)


@pytest.mark.django_db(transaction=True)
class TestRace:
    """Real threads on a real database: stock rotation let eight of eight through."""

    def test_eight_at_once_have_one_successor(self) -> None:
        token = log_in(factories.user())["refresh"]
        together = Barrier(8)

        def refresh(_: int) -> str:
            try:
                together.wait()
                return services.refresh(token).refresh
            finally:
                connection.close()

        with ThreadPoolExecutor(8) as pool:
            successors = set(pool.map(refresh, range(8)))
        assert len(successors) == 1
        assert RefreshToken.objects.count() == 2
        assert RefreshToken.objects.filter(consumed_at=None).count() == 1

    def test_a_revoked_family_has_no_survivors(self) -> None:
        """The newest token is exchanged at the very moment at which the oldest is caught."""
        for _ in range(5):
            user = factories.user()
            first = services.log_in(email=user.email, password=factories.PASSWORD).refresh
            second = services.refresh(first).refresh
            age_consumption(31)
            together = Barrier(2)

            def exchange(token: str, together: Barrier = together) -> str | None:
                try:
                    together.wait()
                    return services.refresh(token).refresh
                except services.Refused:
                    return None
                finally:
                    connection.close()

            with ThreadPoolExecutor(2) as pool:
                third, caught = pool.map(exchange, [second, first])
            assert caught is None
            assert not RefreshToken.objects.filter(user=user, revoked_at=None).exists()
            with pytest.raises(services.Refused):
                services.refresh(third or second)
