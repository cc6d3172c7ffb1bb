"""The pages of accounts, as a browser without JavaScript sees them."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client

from imager.accounts.models import Language, Role, User
from tests import factories
from tests.integration.accounts.doors import is_problem, log_in, post

pytestmark = pytest.mark.django_db

LOGIN = "/accounts/login/"
CHANGE = "/accounts/password/change/"
RESET = "/accounts/password/reset/"


def browser() -> Client:
    return Client(enforce_csrf_checks=True)


def submit(client: Client, path: str, **fields: str):
    """Open the page and send its form, token and all."""
    page = client.get(path, follow=True)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.content.decode())
    assert token, page.content
    return client.post(page.request["PATH_INFO"], {"csrfmiddlewaretoken": token[1], **fields})


def is_logged_in(client: Client) -> bool:
    return client.get(CHANGE).status_code == 200


def test_login_and_logout() -> None:
    client, user = browser(), factories.user()
    answer = submit(client, LOGIN, login=user.email.upper(), password=factories.PASSWORD)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert is_logged_in(client)
    assert client.get("/accounts/logout/").status_code == 200
    assert is_logged_in(client), "a GET changes nothing"
    assert submit(client, "/accounts/logout/").status_code == 302
    assert not is_logged_in(client)


def test_a_page_behind_the_login_comes_after_it() -> None:
    client, user = browser(), factories.user()
    answer = submit(
        client, f"{LOGIN}?next={CHANGE}", login=user.email, password=factories.PASSWORD, next=CHANGE
    )
    assert answer["Location"] == CHANGE


def test_no_way_out_to_other_sites() -> None:
    client, user = browser(), factories.user()
    evil = "https://evil.example/"
    answer = submit(client, f"{LOGIN}?next={evil}", login=user.email, password=factories.PASSWORD, next=evil)
    assert answer["Location"] == "/"


def test_wrong_unknown_and_host_get_the_same_page() -> None:
    host = factories.host()
    attempts = [
        (factories.user().email, "wrong password"),
        ("nobody@example.org", factories.PASSWORD),
        (host.account.email, factories.PASSWORD),
    ]
    pages = set()
    for login, password in attempts:
        client = browser()
        answer = submit(client, LOGIN, login=login, password=password)
        assert answer.status_code == 200
        assert not is_logged_in(client)
        text = re.sub(r'(csrfmiddlewaretoken" value=)"[^"]+"', r"\1", answer.content.decode())
        pages.add(text.replace(login, "LOGIN"))
    assert len(pages) == 1


def test_a_disabled_person_stays_outside() -> None:
    client, user = browser(), factories.user(is_active=False)
    submit(client, LOGIN, login=user.email, password=factories.PASSWORD)
    assert not is_logged_in(client)


def test_a_person_who_becomes_a_host_is_shown_out() -> None:
    client, user = browser(), factories.user()
    submit(client, LOGIN, login=user.email, password=factories.PASSWORD)
    User.objects.filter(pk=user.pk).update(role=Role.WRITER)
    assert not is_logged_in(client)
    User.objects.filter(pk=user.pk).update(role=Role.MEMBER)
    assert not is_logged_in(client), "the session itself is gone"


def test_nobody_signs_up() -> None:
    client = browser()
    assert "Ask the people who run this service" in client.get("/accounts/signup/").content.decode()
    Client().post(
        "/accounts/signup/",
        {"email": "x@example.org", "password1": "a b c d e f", "password2": "a b c d e f"},
    )
    assert not User.objects.filter(email="x@example.org").exists()


def test_a_new_password_ends_tokens_and_keeps_this_session() -> None:
    client, user = browser(), factories.user()
    submit(client, LOGIN, login=user.email, password=factories.PASSWORD)
    pair = log_in(user)
    new = "a completely new one"
    answer = submit(client, CHANGE, oldpassword=factories.PASSWORD, password1=new, password2=new)
    assert answer.status_code == 302
    assert is_logged_in(client)
    assert is_problem(post("/api/v1/auth/token/verify/", token=pair["access"]), 401, "token_not_valid")
    assert log_in(user, new)


def test_a_poor_new_password_is_refused() -> None:
    client, user = browser(), factories.user()
    submit(client, LOGIN, login=user.email, password=factories.PASSWORD)
    answer = submit(client, CHANGE, oldpassword=factories.PASSWORD, password1="12345", password2="12345")
    assert answer.status_code == 200
    assert log_in(user)


def test_reset_by_mail() -> None:
    user = factories.user()
    pair = log_in(user)
    answer = submit(browser(), RESET, email=user.email)
    assert answer.status_code == 302
    (message,) = mail.outbox
    assert message.to == [user.email]
    link = re.search(r"https?://[^/]+(/\S+)", message.body)
    assert link, message.body
    new = "a completely new one"
    client = browser()
    assert submit(client, link[1], password1=new, password2=new).status_code == 302
    assert log_in(user, new)
    assert is_problem(post("/api/v1/auth/token/verify/", token=pair["access"]), 401, "token_not_valid")
    assert "no longer valid" in browser().get(link[1], follow=True).content.decode()


def test_reset_tells_nobody_who_has_an_account() -> None:
    host = factories.host()
    answers = [submit(browser(), RESET, email=who) for who in ("nobody@example.org", host.account.email)]
    assert {answer["Location"] for answer in answers} == {"/accounts/password/reset/done/"}
    assert host.account.email not in [to for message in mail.outbox for to in message.to]


@pytest.mark.parametrize("path", [LOGIN, RESET, f"{RESET}done/", "/accounts/signup/", "/accounts/inactive/"])
def test_pages_keep_to_the_content_security_policy(path: str) -> None:
    answer = browser().get(path)
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert not re.search(r"<style|\sstyle=|\son\w+=", text)
    data = 'type="application/json"'  # is not run
    assert all(re.search(r"\bsrc=", tag) or data in tag for tag in re.findall(r"<script[^>]*>", text))


class TestLanguage:
    def french(self, user: User, **headers: str) -> bool:
        client = Client(headers=headers)
        client.force_login(user, "django.contrib.auth.backends.ModelBackend")
        answer = client.get(CHANGE)
        assert answer.status_code == 200
        return answer["Content-Language"] == "fr" and '<html lang="fr"' in answer.content.decode()

    def test_of_the_person(self) -> None:
        assert self.french(factories.user(language=Language.FR))

    def test_of_the_organization(self) -> None:
        assert self.french(factories.user(organization=factories.organization(language=Language.FR)))

    def test_of_the_person_before_that_of_the_organization(self) -> None:
        organization = factories.organization(language=Language.FR)
        assert not self.french(factories.user(organization=organization, language=Language.EN))

    def test_of_the_browser_for_whoever_has_none(self) -> None:
        assert self.french(factories.staff(), **{"accept-language": "fr"})
        assert not self.french(factories.staff(), **{"accept-language": "en"})
