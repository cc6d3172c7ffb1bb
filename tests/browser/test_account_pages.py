"""The accounts' own pages in a real browser: no wider than a phone, no complaint, in both languages."""

from __future__ import annotations

import pytest

from imager.accounts import invitations, ledger
from imager.accounts.models import Invitation, Organization
from tests.browser.conftest import shoot
from tests.factories import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PAGES = {
    "units": "/units/",
    "profile": "/account/",
    "delete": "/account/delete/",
    "email": "/accounts/email/",
    "change-password": "/accounts/password/change/",
    "two-factor": "/accounts/2fa/",
    "totp": "/accounts/2fa/totp/activate/",
    "passkey": "/accounts/2fa/webauthn/add/",
    "sessions": "/accounts/sessions/",
    "barred": "/accounts/barred/expired/",
}


def wide(page) -> int:
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.parametrize(
    ("width", "scheme", "language"),
    [(390, "light", "fr"), (390, "dark", "en"), (1280, "light", "en"), (1280, "dark", "fr")],
)
def test_the_pages(enter, school, width, scheme, language, complaints, monkeypatch):
    Organization.objects.filter(pk=school.organization.pk).update(limited=True)
    ledger.grant(school.organization, units=1000, by=school.staff, note="For the school year 2026/27")
    school.place(quantity=3)
    school.member.language = language
    school.member.save()
    page = enter(school.member, width=width, scheme=scheme)
    page.goto("/accounts/reauthenticate/?next=/account/")
    shoot(page, f"reauthenticate-{language}-{scheme}-{width}")
    page.fill("input[name=password]", PASSWORD)
    page.click("main form button")
    page.wait_for_url("**/account/")
    too_wide = {}
    for name, url in PAGES.items():
        page.goto(url)
        shoot(page, f"{name}-{language}-{scheme}-{width}")
        if (over := wide(page)) > 0:
            too_wide[name] = over
    complaints[:] = [words for words in complaints if "403" not in words]  # the page that says why not
    assert not too_wide


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_pages_before_the_login(enter, school, width, scheme, mailoutbox):
    one = Invitation(organization=school.organization, email="fatou@example.org", name="Fatou")
    invitations.send(invitations.invite(one, by=school.staff))
    url = next(word for word in mailoutbox[0].body.split() if "/invitation/" in word)
    page = enter(None, width=width, scheme=scheme)
    for name, path in {
        "login": "/accounts/login/",
        "invitation": "/invitation/" + url.split("/invitation/")[1],
    }.items():
        page.goto(path)
        shoot(page, f"{name}-{scheme}-{width}")
        assert wide(page) <= 0
    page.fill("input[name=password1]", PASSWORD)
    page.fill("input[name=password2]", PASSWORD)
    page.click("main form button")
    page.wait_for_url("**/")
    assert "Welcome" in page.inner_text("#messages")
