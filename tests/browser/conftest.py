"""A real browser before the real pages. Whatever the browser complains about fails the test."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from imager.accounts.models import User
from tests.integration.orders.conftest import line, school

__all__ = ["line", "school"]

SCREENSHOTS = Path(__file__).parent / "screenshots"
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 20_000  # ms; how long a live update may take on a busy machine

expect.set_options(timeout=PATIENCE)

Enter = Callable[..., Page]


@pytest.fixture
def browser(live_server, monkeypatch) -> Iterator[Browser]:
    """Debian's Chromium, anew for each test: its event loop must be gone before the database is cleared."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # that loop is not ours; our queries do not wait
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not path:
        pytest.skip("needs Chromium: apt-get install --no-install-recommends chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield started
        started.close()
        connections.close_all()  # those that our queries opened beside that loop
    for thread in threading.enumerate():  # each holds a connection to the database until it ends
        if "process_request_thread" in thread.name:
            thread.join(PATIENCE / 1000)


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained about. A test that provokes complaints empties it."""
    return []


@pytest.fixture
def enter(browser, live_server, complaints) -> Iterator[Enter]:
    """`enter(user, width=…, scheme=…, javascript=…)`: a page of a browser where that user has logged in."""
    contexts = []

    def open_page(
        user: User | None, *, width: int = 1280, scheme: str = "light", javascript: bool = True
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            java_script_enabled=javascript,
            base_url=live_server.url,
            locale="en-GB",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: _note(message, complaints))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if user:
            client = Client()
            client.force_login(user)
            session = client.cookies["sessionid"].value
            context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
            page.goto("/")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


def _note(message: ConsoleMessage, complaints: list[str]) -> None:
    if message.type in {"error", "warning"}:
        complaints.append(message.text)


def shoot(page: Page, name: str) -> None:
    """Keep a picture for people to look at."""
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
