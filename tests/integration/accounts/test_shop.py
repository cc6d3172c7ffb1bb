"""A shop that sells access: who may call, how often the same counts, and what comes of it."""

from __future__ import annotations

import itertools
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.utils import timezone

from imager.accounts import invitations, ledger, shop, signatures
from imager.accounts.models import Invitation, Organization, ShopEvent, ShopSignature, User
from tests import factories as make
from tests.together import PATIENCE, alone, somebody_waits_for_me, together

pytestmark = pytest.mark.django_db

URL = "/api/v1/shop/accounts/"
SECRET, NEXT = "a-secret-of-the-shop", "the-next-one"
_told = itertools.count()
SOLD = {"event": "order-17", "email": "Awa@example.org", "name": "Awa Diop", "days": 31, "units": 5000}


@pytest.fixture(autouse=True)
def _configured(settings):
    settings.SHOP_WEBHOOK_SECRETS = [SECRET, NEXT]
    make.channel()
    cache.clear()


def tell(body: dict, *, secret: str = SECRET, at: float = 0, signed: bytes | None = None, header: str = ""):
    raw = json.dumps(body).encode() + b" " * next(_told)  # so that no two signatures of a second are the same
    made = header or signatures.sign(signed or raw, secret=secret, at=int(time.time() + at))
    return Client().post(URL, raw, content_type="application/json", headers={"imager-signature": made})


def link() -> str:
    words = mail.outbox[-1].body.split()
    return next(word for word in words if "/invitation/" in word).rstrip("/").rpartition("/")[2]


class TestWhoMayCall:
    def test_both_secrets_count_while_they_are_exchanged(self):
        assert tell(SOLD).status_code == 201
        assert tell({**SOLD, "event": "order-18"}, secret=NEXT).status_code == 201

    @pytest.mark.parametrize(
        ("how", "code"),
        [
            ({"secret": "guessed"}, "signature_wrong"),
            ({"signed": b"{}"}, "signature_wrong"),
            ({"at": -301}, "signature_old"),
            ({"at": 302}, "signature_old"),
            ({"header": "nonsense"}, "signature_missing"),
            ({"header": "t=x,v1=y"}, "signature_missing"),
            ({"header": "t=1,v1=é".encode().decode("latin-1")}, "signature_missing"),
        ],
    )
    def test_anything_else_is_refused(self, how, code):
        answer = tell(SOLD, **how)
        assert (answer.status_code, answer.json()["code"]) == (401, code)
        assert answer["Content-Type"] == "application/problem+json"
        assert not ShopEvent.objects.exists()
        assert not mail.outbox

    def test_a_call_that_is_played_again_is_refused(self):
        raw = json.dumps(SOLD).encode()
        header = {"imager-signature": signatures.sign(raw, secret=SECRET, at=int(time.time()))}
        first, answer = (
            Client().post(URL, raw, content_type="application/json", headers=header) for _ in range(2)
        )
        assert first.status_code == 201
        assert (answer.status_code, answer.json()["code"]) == (401, "signature_used")

    def test_without_a_secret_there_is_no_such_address(self, settings):
        settings.SHOP_WEBHOOK_SECRETS = []
        assert tell(SOLD, secret="").status_code == 404

    def test_too_many_calls_wait(self, settings):
        from rest_framework.throttling import ScopedRateThrottle

        rates = {**ScopedRateThrottle.THROTTLE_RATES, "shop": "2/min"}
        ScopedRateThrottle.THROTTLE_RATES, kept = rates, ScopedRateThrottle.THROTTLE_RATES
        try:
            answers = [tell(SOLD, secret="guessed") for _ in range(3)]
        finally:
            ScopedRateThrottle.THROTTLE_RATES = kept
        assert [answer.status_code for answer in answers] == [401, 401, 429]
        assert int(answers[-1]["Retry-After"]) > 0

    def test_signatures_are_forgotten_when_they_are_too_old_anyway(self):
        tell(SOLD)
        assert signatures.prune_signatures() == 0
        ShopSignature.objects.update(at=timezone.now() - timedelta(minutes=16))
        assert signatures.prune_signatures() == 1


class TestANewPerson:
    def test_gets_an_organization_and_an_invitation(self):
        answer = tell(SOLD)
        assert (answer.status_code, answer.json()) == (
            201,
            {"organization": "awa-diop", "outcome": "invited"},
        )
        organization = Organization.objects.get(slug="awa-diop")
        assert organization.limited
        assert ledger.purse(organization).balance == 5000
        assert mail.outbox[0].to == ["awa@example.org"]
        user = invitations.accept(link(), name="Awa", password=make.PASSWORD)
        assert user.organization == organization
        assert timedelta(days=30) < user.expires_at - timezone.now() <= timedelta(days=31)

    def test_names_may_be_taken(self):
        make.organization(slug="awa-diop")
        assert tell(SOLD).json()["organization"] == "awa-diop-2"

    def test_the_same_purchase_told_again_changes_nothing(self):
        tell(SOLD)
        again = tell(SOLD)
        assert (again.status_code, again.json()["organization"]) == (200, "awa-diop")
        assert (ShopEvent.objects.count(), len(mail.outbox)) == (1, 1)
        assert ledger.purse(Organization.objects.get(slug="awa-diop")).balance == 5000

    def test_one_number_is_one_purchase(self):
        tell(SOLD)
        answer = tell({**SOLD, "units": 1})
        assert (answer.status_code, answer.json()["code"]) == (409, "event_conflict")

    def test_a_mail_that_did_not_go_goes_with_the_next_call(self, monkeypatch):
        from imager.accounts import mail as accounts_mail

        def away(*_args, **_fields):
            raise OSError

        with monkeypatch.context() as broken:
            broken.setattr(accounts_mail, "send_now", away)
            answer = tell(SOLD)
        assert (answer.status_code, answer.json()["code"]) == (503, "mail_away")
        assert tell(SOLD).status_code == 200
        assert len(mail.outbox) == 1
        assert Organization.objects.filter(slug="awa-diop").count() == 1

    def test_who_buys_twice_before_coming_gets_more_of_the_same(self):
        tell(SOLD)
        tell({**SOLD, "event": "order-18"})
        invitation = Invitation.objects.get()
        assert invitation.account_ends_at - timezone.now() > timedelta(days=61)
        assert ledger.purse(invitation.organization).balance == 10_000
        invitations.accept(link(), name="Awa", password=make.PASSWORD)

    def test_what_was_told_before_there_were_cards_is_known_again(self):
        """The digest is of the body as it was then; kept rows hold it."""
        digest = "bc2ce4bab2ae17b3875cb00fd34c73c3044e0494009ae69e081ed260e80154a7"
        ShopEvent.objects.create(event="order-17", digest=digest, organization=make.organization(slug="awa"))
        again = tell(SOLD)
        assert (again.status_code, again.json()["organization"]) == (200, "awa")
        assert tell({**SOLD, "cards": False}).json()["code"] == "event_conflict"

    @pytest.mark.parametrize(
        ("first", "then", "may"),
        [
            ({}, {}, True),
            ({"cards": False}, {}, False),
            ({"cards": False}, {"cards": None}, False),
            ({"cards": False}, {"cards": True}, True),
            ({"cards": True}, {"cards": False}, False),
        ],
    )
    def test_the_last_purchase_that_speaks_of_cards_counts(self, first, then, may):
        tell({**SOLD, **first})
        tell({**SOLD, "event": "order-18", **then})
        assert invitations.accept(link(), name="Awa", password=make.PASSWORD).can_order_cards is may


class TestWhoIsHere:
    @pytest.mark.parametrize(
        ("before", "cards", "after"),
        [
            (False, {"cards": True}, True),
            (False, {}, False),
            (False, {"cards": False}, False),
            (True, {"cards": False}, True),
        ],
    )
    def test_may_order_cards_once_they_are_sold(self, before, cards, after):
        user = make.user(email="awa@example.org", can_order_cards=before)
        assert tell({**SOLD, **cards}).status_code == 201
        user.refresh_from_db()
        assert (user.can_order_cards, user.expires_at) == (after, None)

    def test_gets_more_time(self):
        end = timezone.now() + timedelta(days=10)
        user = make.user(email="awa@example.org", expires_at=end)
        answer = tell(SOLD)
        assert (answer.status_code, answer.json()["outcome"]) == (201, "extended")
        user.refresh_from_db()
        assert user.expires_at == end + timedelta(days=31)
        assert not mail.outbox

    def test_who_has_ended_comes_back_and_who_never_ends_stays_so(self):
        ended = make.user(email="awa@example.org", expires_at=timezone.now() - timedelta(days=10))
        forever = make.user(email="ali@example.org")
        tell(SOLD)
        tell({**SOLD, "event": "order-18", "email": "ali@example.org"})
        ended.refresh_from_db()
        forever.refresh_from_db()
        assert ended.bar is None
        assert forever.expires_at is None

    def test_whom_staff_disabled_stays_so(self):
        user = make.user(email="awa@example.org", is_active=False)
        answer = tell(SOLD)
        assert (answer.status_code, answer.json()["code"]) == (409, "disabled")
        assert not User.objects.get(pk=user.pk).is_active

    def test_an_organization_that_staff_disabled_stays_so(self):
        end = timezone.now() + timedelta(days=10)
        user = make.user(email="awa@example.org", expires_at=end)
        tell({**SOLD, "event": "order-18", "email": "ali@example.org"})
        Organization.objects.update(active=False)
        for email in ("awa@example.org", "ali@example.org"):
            answer = tell({**SOLD, "email": email})
            assert (answer.status_code, answer.json()["code"]) == (409, "disabled")
        assert User.objects.get(pk=user.pk).expires_at == end
        assert ledger.purse(user.organization).balance == 0
        assert ShopEvent.objects.count() == len(mail.outbox) == 1

    def test_staff_and_hosts_buy_nothing(self):
        make.staff(email="awa@example.org")
        answer = tell(SOLD)
        assert (answer.status_code, answer.json()["code"]) == (409, "not_a_member")


@pytest.mark.parametrize(
    "wrong",
    [
        {"event": ""},
        {"event": "two words"},
        {"email": "nobody"},
        {"days": 0},
        {"days": 100_000},
        {"units": -1},
        {"language": "xx"},
        {"role": "staff"},
        {"limited": "perhaps"},
    ],
)
def test_bodies_that_are_wrong(wrong):
    answer = tell({**SOLD, **wrong})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, list(wrong))
    assert not Organization.objects.filter(email="awa@example.org").exists()


@pytest.mark.django_db(transaction=True)
def test_told_twice_at_once_it_is_done_once():
    statuses = together(
        lambda: tell(SOLD).status_code,
        lambda: tell(SOLD).status_code,
    )
    assert sorted(statuses) == [200, 201]
    assert Organization.objects.filter(email="awa@example.org").count() == 1


def purchase(event: str) -> tuple[ShopEvent, bool]:
    return shop.deliver(shop.Purchase(**{**SOLD, "event": event}), digest=event)


@pytest.mark.django_db(transaction=True)
def test_one_mail_however_many_send_it_at_once():
    purchase("order-17")
    one, two = (ShopEvent.objects.select_related("invitation").get() for _ in range(2))
    assert sorted(together(lambda: shop.send(one), lambda: shop.send(two))) == [False, True]
    assert len(mail.outbox) == 1


@pytest.mark.django_db(transaction=True)
class TestWhoComesWhileTheirNextPurchaseIsTold:
    @pytest.fixture(autouse=True)
    def _invited(self):
        shop.send(purchase("order-17")[0])

    def _accepted(self) -> User:
        return invitations.accept(link(), name="Awa", password=make.PASSWORD)

    def _meanwhile(self, first, second):
        """What both return; `second` waits for the rows of `first`, which is over then."""
        nobody = Event()
        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                done = first()
                later = pool.submit(alone, second)
                while not (later.done() or somebody_waits_for_me()):
                    nobody.wait(0.01)
            return done, later.result(PATIENCE)

    def test_is_given_more_time_as_whoever_is_here(self):
        _user, answer = self._meanwhile(self._accepted, lambda: tell({**SOLD, "event": "order-18"}))
        assert (answer.status_code, answer.json()["outcome"]) == (201, "extended")
        self._has_all()

    def test_comes_with_more_time(self):
        self._meanwhile(lambda: purchase("order-18"), self._accepted)
        assert not shop.send(ShopEvent.objects.get(event="order-18"))
        self._has_all()

    def _has_all(self) -> None:
        user = User.objects.get(email="awa@example.org")
        assert timedelta(days=61) < user.expires_at - timezone.now() <= timedelta(days=62)
        assert ledger.purse(user.organization).balance == 10_000
        assert Organization.objects.count() == len(mail.outbox) == 1
