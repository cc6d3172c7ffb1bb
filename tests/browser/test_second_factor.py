"""Real second factors in a real browser: a passkey, an app that shows codes; and staff who must have one."""

from __future__ import annotations

import re

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from playwright.sync_api import Page, expect

from imager.accounts.models import User
from tests.browser.conftest import shoot
from tests.factories import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def authenticator(page: Page) -> str:
    """Chromium's own virtual authenticator: a key of this machine that verifies its user."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return str(made["authenticatorId"])


def prove(page: Page) -> None:
    """The password once more, if the page asks for it."""
    if "/reauthenticate/" in page.url:
        page.fill("input[name=password]", PASSWORD)
        page.click("main form button")


def log_in(page: Page, user: User) -> None:
    page.fill("input[name=login]", user.email)
    page.fill("input[name=password]", PASSWORD)
    page.click("main form button:not([form])")


def log_out(page: Page) -> None:
    page.click(".menu summary")
    page.click(".drop form button")
    page.wait_for_url("**/accounts/**")


def test_a_passkey_is_made_and_opens_the_account(enter, school):
    page = enter(school.member)
    authenticator(page)
    page.goto("/accounts/2fa/webauthn/add/")
    prove(page)
    page.fill("input[name=name]", "This laptop")
    if page.locator("input[name=passwordless]").count():
        page.check("input[name=passwordless]")
    shoot(page, "passkey-add")
    page.click("main form button")
    page.wait_for_url(re.compile("/accounts/2fa/"))
    expect(page.locator("#messages")).to_contain_text("Security key added")
    assert Authenticator.objects.filter(user=school.member, type="webauthn").count() == 1
    shoot(page, "passkey-made")

    log_out(page)
    page.goto("/accounts/login/")
    shoot(page, "passkey-login")
    page.click("#passkey_login")
    page.wait_for_url(re.compile(r":\d+/$"))
    expect(page.locator(".menu .person")).to_contain_text(school.member.get_short_name())


def activate(page: Page) -> str:
    """Take the secret of the page into an app, which shows a code; the secret."""
    secret = page.locator("#authenticator_secret").input_value()
    shoot(page, "totp-activate")
    page.fill("input[name=code]", codes_of(secret)[1])
    page.click("main form button")
    expect(page.locator("#messages")).to_contain_text("Authenticator app activated")
    return secret


def test_a_code_of_an_app_is_asked_for(enter, school):
    page = enter(school.member)
    page.goto("/accounts/2fa/totp/activate/")
    prove(page)
    activate(page)
    assert Authenticator.objects.filter(user=school.member, type="totp").exists()

    log_out(page)
    page.goto("/accounts/login/")
    log_in(page, school.member)
    page.wait_for_url("**/2fa/authenticate/**")
    shoot(page, "totp-asked")
    page.fill("input[name=code]", "000000")
    page.click("main form button:not([formnovalidate])")
    expect(page.locator(".errorlist").first).to_be_visible()
    kept = Authenticator.objects.get(user=school.member, type="recovery_codes")
    page.fill("input[name=code]", kept.wrap().get_unused_codes()[0])
    page.click("main form button:not([formnovalidate])")
    page.wait_for_url(re.compile(r":\d+/$"))


def test_staff_who_must_have_a_second_factor_are_led_to_it_and_log_in_with_it(enter, school, settings):
    settings.SECOND_FACTOR_FOR_STAFF = True
    page = enter(None)
    page.goto("/admin/")
    log_in(page, school.staff)
    expect(page.locator("#messages")).to_contain_text("set one up first")
    shoot(page, "second-factor-needed")
    page.get_by_role("link", name="Activate").click()
    prove(page)
    secret = activate(page)
    page.goto("/admin/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Site administration")

    page.context.clear_cookies()
    page.goto("/admin/")
    log_in(page, school.staff)
    page.wait_for_url("**/2fa/authenticate/**")
    page.fill("input[name=code]", codes_of(secret)[2])  # the present one is spent
    page.click("main form button:not([formnovalidate])")
    expect(page.get_by_role("heading", level=1)).to_have_text("Site administration")


def codes_of(secret: str) -> list[str]:
    """What an app shows whose clock is one period late, right, or one early: all are taken, each once."""
    counters = totp.yield_hotp_counters_from_time()
    return [str(totp.format_hotp_value(totp.hotp_value(secret, counter))) for counter in counters]
