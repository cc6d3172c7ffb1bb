"""Whole ways of people through the pages, from the mail that begins them to what they wanted."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from django.core.mail import EmailMessage
from playwright.sync_api import Page, expect

from imager.accounts.models import User
from orders.models import Order
from tasks_app import outbox
from tasks_app.models import Outbox
from tests import factories as make
from tests.browser.conftest import shoot
from tests.factories import PASSWORD
from warehouse.models import StoredFile

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NEW_PASSWORD = "another correct horse"
IMAGE = b"an image" * 5000


@pytest.fixture(autouse=True)
def own_address(live_server, settings) -> None:
    """Links in mails lead to this server."""
    settings.PUBLIC_URL = live_server.url


def link(message: EmailMessage, path: str) -> str:
    """The link of a mail, as its reader clicks on it."""
    found = re.search(rf"https?://\S*{path}\S*", message.body)
    assert found, message.body
    return found[0]


def invite(page: Page, organization: str, email: str) -> None:
    """As staff do it in the admin."""
    page.goto("/admin/")
    page.get_by_role("link", name="Invitations", exact=True).click()
    page.get_by_role("link", name="Add invitation").click()
    page.locator(".field-organization .select2-selection").click()
    page.locator(".select2-search__field").fill(organization)
    page.locator(".select2-results__option", has_text=organization).click()
    page.fill("#id_email", email)
    page.fill("#id_name", "Fatou")
    shoot(page, "journey-1-invite")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist")).to_contain_text("was added successfully")


def describe(page: Page) -> None:
    """The first configuration: its name, who may use it, two contents."""
    page.get_by_label("Name", exact=True).fill("Bibliobus de Kita")
    page.get_by_label("Admin password").fill("admin-password-1")
    for title in ("Gutenberg", "Wikipedia"):
        page.get_by_role("button", name=f"Add “{title}”").click()
        expect(page.get_by_role("button", name=f"Remove “{title}”").first).to_be_visible()
    expect(page.locator("#total")).to_contain_text("2 ·")
    shoot(page, "journey-4-configuration")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#messages")).to_contain_text("“Bibliobus de Kita” is saved")


def test_from_the_invitation_to_the_first_order(enter, school, mailoutbox):
    invite(enter(make.clerk("support")), school.organization.name, "Fatou@Example.org")
    (message,) = mailoutbox
    assert message.to == ["fatou@example.org"]

    page = enter(None)
    page.goto(link(message, "/invitation/"))
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Join {school.organization.name}")
    shoot(page, "journey-2-join")
    page.get_by_label("Your name").fill("Fatou Keïta")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password, once more").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    expect(page.locator("#messages")).to_contain_text("Welcome")
    shoot(page, "journey-3-home")

    page.get_by_role("main").get_by_role("link", name="New configuration").first.click()
    describe(page)
    page.get_by_role("link", name="Order “Bibliobus de Kita”").click()
    expect(page.locator("#summary")).to_contain_text("Bibliobus de Kita")
    for name, value in {"name": "Awa Diop", "address": "Rue 17", "city": "Bamako"}.items():
        page.fill(f"#id_recipient_{name}", value)
    page.select_option("#id_recipient_country", "ML")
    shoot(page, "journey-5-order")
    page.get_by_role("button", name="Continue to the summary").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Is this right?")
    shoot(page, "journey-6-summary")
    page.get_by_role("button", name="Place the order").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Bibliobus de Kita")
    shoot(page, "journey-7-order")

    order, fatou = Order.objects.get(), User.objects.get(email="fatou@example.org")
    assert (order.created_by, order.organization, order.quantity) == (fatou, school.organization, 1)
    assert {content["title"] for content in order.contents} == {"Gutenberg", "Wikipedia"}
    outbox.deliver(Outbox.objects.get(payload__to=["fatou@example.org"]).pk)
    confirmation = mailoutbox[-1]
    assert "is received" in confirmation.subject
    page.goto(link(confirmation, "/orders/"))
    expect(page.get_by_role("heading", level=1)).to_contain_text(str(order))


def test_an_image_is_ordered_and_downloaded(enter, school, line, tmp_path: Path, mailoutbox):
    page = enter(school.member)
    page.get_by_role("main").get_by_role("link", name="New order").click()
    page.select_option("#id_configuration", label="Library")
    page.get_by_label(re.compile("download", re.IGNORECASE)).check()
    expect(page.locator("#id_recipient_name")).to_be_hidden()
    expect(page.locator("#sizes .for-virtual input:checked")).to_have_count(1)
    page.get_by_role("button", name="Continue to the summary").click()
    expect(page.locator("main")).to_contain_text(f"A mail to {school.member.email}")
    shoot(page, "virtual-1-summary")
    page.get_by_role("button", name="Place the order").click()
    expect(page.locator("#head .status")).to_have_text("placed")

    order = Order.objects.get()
    line.build(order)
    folder = tmp_path / "images" / str(order.pk)
    folder.mkdir(parents=True)
    stored = StoredFile.objects.filter(name=f"{order.image_name}.img.zst")
    stored.update(size=len(IMAGE), sha256=hashlib.sha256(IMAGE).hexdigest())
    (folder / stored.get().name).write_bytes(IMAGE)

    expect(page.locator("#head .status")).to_have_text("available for download")
    shoot(page, "virtual-2-available")
    with page.expect_download() as begun:
        page.locator("#actions a[href*='/d/']").first.click()
    assert Path(begun.value.path()).read_bytes() == IMAGE
    assert begun.value.suggested_filename == f"{order.image_name}.img.zst"

    mail = Outbox.objects.get(payload__subject__icontains="ready for download")
    outbox.deliver(mail.pk)
    answer = enter(None).request.get(link(mailoutbox[-1], "/d/"))
    assert answer.body() == IMAGE


def test_a_forgotten_password_is_set_anew(enter, school, mailoutbox):
    other = enter(school.member)
    page = enter(None)
    page.goto("/accounts/login/")
    page.get_by_role("link", name=re.compile("forgot", re.IGNORECASE)).click()
    page.fill("#id_email", school.member.email)
    shoot(page, "reset-1-ask")
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mailbox")
    shoot(page, "reset-2-sent")
    (message,) = mailoutbox
    page.goto(link(message, "/password/reset/key/"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Set a new password")
    assert "/key/" in page.url
    page.locator("#id_password1").fill(NEW_PASSWORD)
    page.locator("#id_password2").fill("something else")
    page.get_by_role("button", name="Set password").click()
    expect(page.locator(".errorlist")).to_be_visible()
    shoot(page, "reset-3-mistyped")
    page.locator("#id_password1").fill(NEW_PASSWORD)
    page.locator("#id_password2").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your new password is set")

    page.get_by_role("main").get_by_role("link", name="Log in").click()
    for password in (PASSWORD, NEW_PASSWORD):
        page.locator("#id_login").fill(school.member.email)
        page.locator("#id_password").fill(password)
        page.get_by_role("main").get_by_role("button", name="Log in", exact=True).click()
        if password == PASSWORD:
            expect(page.locator(".errorlist").first).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Hello")

    other.goto("/orders/")
    expect(other.get_by_role("heading", level=1)).to_have_text("Log in")
    page.goto(link(message, "/password/reset/key/"))
    expect(page.locator("main")).to_contain_text("no longer valid")
