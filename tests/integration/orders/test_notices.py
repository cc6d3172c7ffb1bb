"""Which move sends which mail, to whom, in which language — and what no mail ever says."""

from __future__ import annotations

import polib
import pytest
from django.core import mail

from imager.accounts.models import User
from orders import notices, services
from orders.models import Configuration, Order
from tasks_app import outbox
from tasks_app import services as tasks
from tasks_app.models import Host, Outbox
from tests import factories as make
from workers.contract import Kind

MEMBER, AWA, STAFF = "amina@example.org", "awa@example.org", "operator@example.org"
SUPPORT = "support@example.org"


def posted() -> list[tuple[str, str]]:
    """(addressee, subject) of every mail, in the order of posting."""
    return [(entry.payload["to"][0], entry.payload["subject"]) for entry in Outbox.objects.order_by("pk")]


def last() -> dict:
    return Outbox.objects.latest("pk").payload


def test_the_mails_of_two_cards(school, line):
    order = school.place(quantity=2)
    n = order.number
    line.build(order)
    line.download(order)
    line.write(order, 1)
    line.write(order, 2)
    services.ship(order, by=school.staff, tracking="DHL 1234")

    assert posted() == [
        (MEMBER, f"Order {n}: “Library” is received and will be made"),
        (STAFF, f"Order {n}: insert 2 cards ({school.card})"),
        (STAFF, f"Order {n}: please ship 2 cards to Awa Diop"),
        (AWA, f"Order {n}: “Library” was shipped"),
        (MEMBER, f"Order {n}: “Library” was shipped"),
    ]


def test_after_a_retry_the_operator_is_asked_for_the_cards_that_failed_and_no_others(school, line):
    order = school.place(quantity=3)
    line.build(order)
    line.download(order)
    line.write(order, 1)
    line.fail(line.insert(order, 2))
    asked = f"Order {order.number}: insert"

    services.retry(order, by=school.member)

    assert [said for said in posted() if said[1].startswith(asked)] == [
        (STAFF, f"{asked} 3 cards ({school.card})"),
        (STAFF, f"{asked} 2 cards ({school.card})"),  # the failed one, and the one that still waits
    ]


def test_a_retry_asks_for_no_card_while_the_image_is_on_its_way_to_another_station(school, line):
    order = school.place()
    line.build(order)
    line.download(order)
    line.fail(line.insert(order, 1))
    elsewhere = make.host(Host.Kind.WRITER, name="elsewhere", operator_email="there@example.org")
    tasks.relocate(order.tasks.get(kind=Kind.DOWNLOAD), to=elsewhere, by="staff")
    before = len(posted())

    services.retry(order, by=school.member)
    assert len(posted()) == before

    download = order.tasks.get(kind=Kind.DOWNLOAD, unit=1)
    tasks.claim(download.pk, elsewhere, make.claim_body())
    tasks.report(download.pk, elsewhere, make.report_body(attempt=1, outcome="done", result={}))
    assert posted()[before:] == [
        ("there@example.org", f"Order {order.number}: insert 1 card ({school.card})")
    ]


def test_what_the_mails_say(school, line, settings):
    settings.PUBLIC_URL = "https://imager.example"
    order = school.place()
    body = last()["body"]
    assert f"1 card ({school.card})" in body
    assert "- Wikipedia" in body
    assert f"https://imager.example/orders/{order.pk}/" in body

    line.build(order)
    line.download(order)
    body = last()["body"]
    assert f"https://imager.example/station/{line.writer.name}/" in body
    assert "erased" in body

    line.write(order, 1)
    body = last()["body"]
    assert "Awa Diop\nRue 17\nBamako\nMali\n" in body

    services.ship(order, by=school.staff, tracking="DHL <1234>")
    assert "DHL <1234>" in last()["body"]
    assert last()["reply_to"] == [SUPPORT]


def test_a_finished_download_is_told_with_its_link_and_its_end(school, line, settings):
    settings.PUBLIC_URL = "https://imager.example"
    order = school.place(kind="virtual")

    line.build(order)

    order.refresh_from_db()
    assert last()["to"] == [MEMBER]
    link = f"https://imager.example/d/{order.download_token}/{order.image_name}.img.zst"
    assert link in last()["body"]
    assert str(order.expires_at.year) in last()["body"]


def test_a_failure_is_told_to_the_orderer_and_to_support(school, line):
    order = school.place()
    line.fail(line.claim(line.task(order, Kind.CREATE)), "The base image is missing.")

    assert [to for to, _ in posted()] == [MEMBER, MEMBER, SUPPORT]
    assert "The base image is missing." in last()["body"]


def test_a_second_failure_is_told_again(school, line):
    order = school.place()
    for _ in range(2):
        line.fail(line.claim(line.task(order, Kind.CREATE)))
        services.retry(order, by=school.member)

    assert [to for to, _ in posted()].count(SUPPORT) == 2


def test_a_cancel_is_no_failure_and_sends_nothing(school):
    order = school.place()

    services.cancel(order, by=school.member)

    assert len(posted()) == 1


def test_telling_twice_sends_once(school):
    order = school.place()

    notices.tell(order)

    assert len(posted()) == 1


@pytest.mark.parametrize(
    ("person", "organization", "subject"),
    [("fr", "en", "Commande"), ("", "fr", "Commande"), ("en", "fr", "Order"), ("", "en", "Order")],
)
def test_the_language_is_the_readers(school, settings, tmp_path, person, organization, subject):
    folder = tmp_path / "fr" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    catalogue = polib.POFile()
    catalogue.metadata = {"Content-Type": "text/plain; charset=UTF-8"}
    catalogue.append(
        polib.POEntry(
            msgid="Order %(number)s: “%(name)s” is received and will be made",
            msgstr="Commande %(number)s : « %(name)s » est en route",
        )
    )
    catalogue.save_as_mofile(str(folder / "django.mo"))
    settings.LOCALE_PATHS = [tmp_path]
    User.objects.filter(pk=school.member.pk).update(language=person)
    type(school.organization).objects.update(language=organization)
    school.member.refresh_from_db()
    school.configuration.refresh_from_db()

    school.place()

    assert last()["subject"].split(" ")[0] == subject


def test_without_an_operator_support_is_told(school, line):
    Host.objects.filter(pk=line.writer.pk).update(operator_email="")
    order = school.place()
    line.build(order)

    line.download(order)

    assert last()["to"] == [SUPPORT]


def test_without_anybody_to_tell_nothing_is_posted(school, line, settings):
    settings.SUPPORT_EMAIL = ""
    Host.objects.filter(pk=line.writer.pk).update(operator_email="")
    order = school.place()
    line.build(order)

    line.download(order)

    assert [to for to, _ in posted()] == [MEMBER]
    assert "reply_to" not in last()


def test_when_the_orderer_is_gone_the_organization_is_told(school):
    order = school.place()
    Order.objects.update(created_by=None, status="failed", failed_stage="creating")
    order = Order.objects.get(pk=order.pk)
    order.moves.create(came_from="creating", went_to="failed", by="test")

    notices.tell(order)

    assert [to for to, _ in posted()] == [MEMBER, "ecole@example.org", SUPPORT]


@pytest.mark.parametrize("kind", ["physical", "virtual"])
def test_no_mail_holds_a_password(school, line, kind):
    order = school.place(kind=kind)
    line.build(order)
    if kind == "physical":
        line.download(order)
        line.fail(line.insert(order, 1))
        services.retry(order, by=school.member)
        line.write(order, 1)
        services.ship(order, by=school.staff, tracking="x")

    assert "canary" not in str(list(Outbox.objects.values()))


def test_names_cannot_forge_headers_or_templates(school):
    evil = "x\r\nBcc: thief@example.org {{ order.recipe }} <b>"
    Configuration.objects.update(name=evil)
    school.configuration.refresh_from_db()

    school.place()
    outbox.deliver(Outbox.objects.get().pk)

    sent = mail.outbox[0]
    assert sent.recipients() == [MEMBER]
    assert "\n" not in sent.subject
    assert "{{ order.recipe }} <b>" in sent.subject
    assert "canary" not in sent.body
