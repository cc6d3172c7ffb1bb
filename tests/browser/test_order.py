"""From the order form to cards that are ready to ship, as people see it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from orders.models import Order
from tasks_app import services as tasks
from tests import factories as make
from tests.browser.conftest import shoot
from workers.contract import Kind, Step

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RECIPIENT = {"name": "Awa Diop", "address": "Rue 17", "city": "Bamako", "email": "awa@example.org"}


def fill(page: Page, *, quantity: int) -> None:
    page.select_option("#id_configuration", label="Library")
    page.fill("#id_quantity", str(quantity))
    for field, value in RECIPIENT.items():
        page.fill(f"#id_recipient_{field}", value)
    page.select_option("#id_recipient_country", "ML")


def report(line, task, step: Step, done: int) -> None:
    progress = {"done": done, "total": 1000, "rate": 50.0, "eta": (1000 - done) / 50}
    tasks.report(task.pk, task.host, make.report_body(task.attempt, step=step.value, progress=progress))


def test_an_order_is_followed_live_until_it_is_ready_to_ship(enter, school, line):
    page = enter(None)
    page.goto("/orders/")
    page.fill("#id_login", school.member.email)
    page.fill("#id_password", make.PASSWORD)
    page.keyboard.press("Enter")
    page.click("text=New order")
    fill(page, quantity=2)
    expect(page.locator("#summary")).to_contain_text("Library")
    expect(page.locator("#summary")).to_contain_text("Stays free")
    shoot(page, "order-form-light-1280")
    page.click("text=Continue to the summary")
    expect(page.locator("h1")).to_have_text("Is this right?")
    expect(page.locator("main")).to_contain_text("2 cards")
    shoot(page, "order-summary-light-1280")
    page.click("text=Place the order")
    expect(page.locator("h1")).to_contain_text("Order #")
    expect(page.locator("#progress")).to_contain_text("next in the queue")
    order = Order.objects.get()

    task = line.claim(line.task(order, Kind.CREATE))
    report(line, task, Step.FETCHING, 250)
    expect(page.locator("#progress")).to_contain_text("Fetching contents")
    expect(page.locator("#progress progress")).to_have_attribute("value", "25")
    expect(page.locator("#head .status")).to_have_text("creating the image")
    line.publish(task)
    line.report(task, outcome="done", result={"image_size": 1_000_000})
    line.download(order)
    expect(page.locator("#progress")).to_contain_text("Waiting for a card")

    first = line.insert(order, 1)
    report(line, first, Step.WRITING, 600)
    expect(page.locator("#progress progress")).to_have_attribute("value", "60")
    expect(page.locator("#announcer")).to_contain_text("writing cards")
    shoot(page, "order-page-light-1280")
    line.report(first, outcome="done", result={"slot": "A"})
    expect(page.locator("#cards")).to_contain_text(first.cards.get().serial)
    expect(page.locator("#announcer")).to_contain_text("1 of 2 cards verified")
    line.write(order, 2)
    expect(page.locator("#head .status")).to_have_text("ready to ship")
    expect(page.locator("#history")).to_contain_text("Ready to ship")
    expect(page.locator("#progress")).not_to_have_attribute("hx-trigger", "every 2s")


def test_the_form_answers_while_one_chooses(enter, school):
    page = enter(school.member)
    page.goto("/orders/new/")
    page.select_option("#id_configuration", label="Library")
    expect(page.locator("#sizes .for-physical input:checked")).to_have_count(1)
    expect(page.locator("#id_recipient_name")).to_be_visible()
    page.check("input[name=kind][value=virtual]")
    expect(page.locator("#sizes .for-virtual input:checked")).to_have_count(1)
    expect(page.locator("#id_recipient_name")).to_be_hidden()
    expect(page.locator("#sizes .for-physical").first).to_be_hidden()
    page.click("text=Continue to the summary")
    page.click("text=Place the order")
    expect(page.locator("h1")).to_contain_text("Order #")
    assert Order.objects.get().kind == "virtual"


def test_five_cards_to_an_address_of_the_book(enter, school):
    make.address(school.organization)
    page = enter(school.member)
    page.goto("/addresses/")
    shoot(page, "addresses-light-1280")
    page.click("text=New address")
    fields = {"name": "Kita", "recipient": "Chen", "street": "Rue 12", "city": "Kita", "phone": "20 22 52 29"}
    for field, value in fields.items():
        page.fill(f"#id_{field}", value)
    page.select_option("#id_country", "ML")
    shoot(page, "address-light-1280")
    page.click("text=Save")
    page.get_by_role("link", name="Order cards for “Kita”").click()
    expect(page.locator("#id_recipient_name")).to_be_hidden()
    page.select_option("#id_configuration", label="Library")
    expect(page.locator("#summary")).to_contain_text("80 units")
    page.fill("#id_quantity", "5")
    page.locator("#id_quantity").blur()
    expect(page.locator("#summary")).to_contain_text("400 units")
    page.click("text=Continue to the summary")
    expect(page.locator("address")).to_contain_text("Chen")
    shoot(page, "order-summary-five-1280")
    page.click("text=Place the order")
    expect(page.locator("h1")).to_contain_text("Order #")
    order = Order.objects.get()
    assert (order.quantity, order.recipient_name, order.recipient_phone) == (5, "Chen", "+223 20 22 52 29")


def test_the_whole_form_by_keyboard_alone(enter, school):
    page = enter(school.member)
    page.goto("/orders/new/")
    focused = lambda: page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")  # noqa: E731
    page.keyboard.press("Tab")
    assert focused() == "Skip to the content"
    page.keyboard.press("Enter")
    keys = {
        "id_configuration": ["L"],
        "id_quantity": ["ArrowUp"],
        "id_recipient_name": list("Awa"),
        "id_recipient_address": list("Rue 17"),
        "id_recipient_city": list("Bamako"),
        "id_recipient_country": list("Mali"),
    }
    for _ in range(40):
        page.keyboard.press("Tab")
        where = focused()
        assert (
            page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            or page.evaluate("getComputedStyle(document.activeElement.closest('label')).outlineStyle")
            != "none"
        ), f"nobody sees the focus on {where}"
        for key in keys.pop(where, []):
            page.keyboard.press(key)
        if where == "id_configuration":
            expect(page.locator("#summary")).to_contain_text("Library")
        if where == "Continue to the summary":
            break
    assert not keys, f"never reached: {keys}"
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Is this right?")
    for _ in range(20):
        page.keyboard.press("Tab")
        if focused() == "Place the order":
            break
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("Order #")
    order = Order.objects.get()
    assert (order.quantity, order.recipient_name, order.recipient_country) == (2, "Awa", "ML")


def test_everything_works_without_javascript(enter, school, line):
    page = enter(school.member, javascript=False)
    page.goto("/orders/new/")
    fill(page, quantity=11)
    page.check(f"#id_media_{school.card.pk}")
    page.click("text=Continue to the summary")
    expect(page.locator("#id_quantity_error")).to_contain_text("1 to 10")
    page.fill("#id_quantity", "1")
    page.click("text=Continue to the summary")
    page.click("text=Change something")
    expect(page.locator("#id_recipient_name")).to_have_value("Awa Diop")
    page.click("text=Continue to the summary")
    page.click("text=Place the order")
    expect(page.locator("h1")).to_contain_text("Order #")
    assert page.locator("noscript").count() == 1
    page.click("text=Cancel the order")
    page.click("text=Yes, cancel it")
    expect(page.locator("#head .status")).to_have_text("canceled")


def test_an_ended_session_leads_to_the_login_page(enter, school):
    page = enter(school.member)
    order = school.place()
    page.goto(order.get_absolute_url())
    school.member.set_password("another one, quite long")
    school.member.save()
    expect(page.locator("h1")).to_have_text("Log in")


def test_a_lost_connection_is_said_and_found_again(enter, school, complaints):
    page = enter(school.member)
    order = school.place()
    page.goto(order.get_absolute_url())
    page.route("**/orders/**", lambda route: route.abort())
    expect(page.locator("#offline")).to_be_visible()
    page.unroute("**/orders/**")
    expect(page.locator("#offline")).to_be_hidden()
    assert complaints
    complaints.clear()


def test_the_picker_searches_and_counts(enter, school):
    page = enter(school.member)
    page.goto(f"/configurations/{school.configuration.pk}/")
    expect(page.locator("#total")).to_contain_text("2 ·")
    page.fill("#pick-text", "WIKI")
    expect(page.locator("#found li")).to_have_count(1)
    page.locator("#found button").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#found button")).to_have_text("Add")
    expect(page.locator("#found button")).to_be_focused()
    expect(page.locator("#total")).to_contain_text("1 ·")
    page.fill("#pick-text", "nothing like this")
    expect(page.locator("#found")).to_contain_text("Nothing matches")
    expect(page.locator("#pick-text")).to_be_focused()
    page.locator("#pick-text").press("Enter")
    assert school.configuration.contents.count() == 2
    page.locator("#id_name").press("Enter")
    expect(page.locator("#messages")).to_contain_text("is saved")
    assert [content.title for content in school.configuration.contents.all()] == ["Gutenberg"]


def test_the_picker_without_javascript(enter, school):
    page = enter(school.member, javascript=False)
    page.goto(f"/configurations/{school.configuration.pk}/")
    page.fill("#id_name", "Typed before")
    page.fill("#pick-text", "wiki")
    page.click("#pick-search")
    expect(page.locator("#found li")).to_have_count(1)
    page.click("#found li button")
    expect(page.locator("#total")).to_contain_text("1 ·")
    expect(page.locator("#id_name")).to_have_value("Typed before")
    page.click("text=Save")
    expect(page.locator("#messages")).to_contain_text("is saved")
    assert [content.title for content in school.configuration.contents.all()] == ["Gutenberg"]


def test_searching_while_typing_and_going_back(enter, school):
    first, second = school.place(), school.place()
    Order.objects.filter(pk=second.pk).update(name="Bibliobus")
    page = enter(school.member)
    page.goto("/orders/")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.locator("#q").press_sequentially("biblio")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("#announcer")).to_have_text("1 order")
    assert "?q=biblio&" in page.url
    page.click("text=Bibliobus")
    expect(page.locator("h1")).to_contain_text(str(second))
    page.go_back()
    expect(page.locator("header.top")).to_be_visible()
    expect(page.locator("#q")).to_have_value("biblio")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert str(first) not in page.locator("table").inner_text()


def test_files_of_each_card_are_described(enter, school):
    page = enter(school.member)
    page.goto(f"/configurations/{school.configuration.pk}/")
    page.get_by_label("File (optional)").first.fill("serial.txt")
    page.get_by_label("What it says (optional)").first.fill("always the same")
    page.click("text=Save")
    expect(page.locator("#id_per_card_error")).to_contain_text("same on all cards")
    page.get_by_label("What it says (optional)").first.fill("{serial}\n")
    page.get_by_label("File (optional)").nth(1).fill("conf/hostname")
    page.get_by_label("What it says (optional)").nth(1).fill("school-{suffix}")
    page.click("text=Save")
    expect(page.locator("#messages")).to_contain_text("is saved")
    page.goto(f"/configurations/{school.configuration.pk}/")
    expect(page.get_by_label("File (optional)")).to_have_count(4)
    expect(page.get_by_label("What it says (optional)").nth(1)).to_have_value("school-{suffix}")
    shoot(page, "configuration-card-files-light-1280")
    page.set_viewport_size({"width": 390, "height": 844})
    shoot(page, "configuration-card-files-light-390")
    page.goto(f"/configurations/{school.configuration.pk}/versions/1/")
    expect(page.locator("main")).to_contain_text("conf/hostname: school-{suffix}")
