"""Every address of the project, tried by everybody who has no business with what it names.

The routes come from the URL configuration itself: a new one is tried without a line here, and one whose
parameters nobody knows how to fill fails the test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from imager import clock
from imager.accounts import invitations
from imager.accounts.models import Invitation, Role, User
from orders import keeping, uploads
from orders.models import Content, Upload
from tasks_app.models import Host
from tests import factories as make
from tests.integration.orders.conftest import line, school
from tests.unit.orders.test_pictures import drawn
from workers.contract import Kind

__all__ = ["line", "school"]

pytestmark = pytest.mark.django_db

ROOMS = ("accounts", "orders", "tasks_app", "warehouse")
SECRETS = (
    "Parcel desk",
    "Library",
    "Awa Diop",
    "awa@example.org",
    "Rue 17",
    "canary",
    "École",
    "amina@example.org",
)
REFUSALS = {400, 401, 403, 404, 405, 409, 415, 422, 426}
METHODS = ["get", "post", "put", "patch", "delete"]
ROLES = ["nobody", "stranger", "lonely", "idle", "creator", "writer"]

# Whoever knows such an address may have what it leads to: the address itself is the key.
KEYS = {
    "download": "made to be passed on",
    "upload": "told to creator hosts in recipes alone",
    "invitation": "sent to one person",
}


# What is on a card and what was proved of it may be known by all who hold the card, and tells of nobody.
PUBLIC = {"certificate", "certificate_code"}


def routes(resolver: Any = None, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in (resolver or get_resolver()).url_patterns:
        path = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from routes(entry, path)
        else:
            yield path, entry


@pytest.fixture
def values(school, line) -> dict[str, str]:
    """What foreign parameters can be, by the place where they stand."""
    order = school.place()
    task = line.claim(line.task(school.place(), Kind.CREATE))
    make.slot(line.writer)
    written = school.place()
    line.build(written)
    line.download(written)
    verified = line.write(written, 1)
    invitation = invitations.invite(
        Invitation(organization=school.organization, email="x@example.org"), by=school.staff
    )
    logo = uploads.keep_picture(
        drawn(), kind=Upload.Kind.LOGO, name="canary.png", of=school.organization, by=school.member
    )
    school.configuration.branding_logo = logo
    keeping.keep(school.configuration, by=school.member)
    gone = Content.objects.create(
        ident="gone",
        title="Content canary",
        url="https://zim.example/gone.zim",
        path="/data/gone.zim",
        size=1,
        missing_since=clock.now(),
    )
    school.configuration.contents.add(gone)  # what vanished is shown to those who use it
    return {
        r"contents/<int:pk>": str(gone.pk),
        r"orders/<uuid:pk>": str(order.pk),
        r"configurations/<int:pk>": str(school.configuration.pk),
        r"addresses/<int:pk>": str(make.address(school.organization, name="Parcel desk").pk),
        r"versions/<int:number>": "1",
        r"pictures/<slug:what>": "logo",
        r"invitations/<int:pk>": str(invitation.pk),
        r"organizations/<slug:slug>": school.organization.slug,
        r"uploads/<uuid:pk>": str(logo.pk),
        r"u/<slug:key>": "x" * 43,
        r"tasks/<uuid:task>": str(task.pk),
        r"attempts/<int:attempt>": "1",
        r"station/<slug:name>": line.writer.name,
        r"<str:slot>": "A",
        r"d/<slug:token>": "x" * 32,
        r"c/<slug:key>": verified.cards.get().certificate_key,
        r"<str:name>": "x.img.zst",
        r"barred/<slug:why>": "expired",
        r"invitation/<str:token>": invitation.token_hash,
        r"webauthn/keys/<int:pk>": "1",
        r"organization/<int:pk>": str(school.organization.pk),
        r"admin/<path:object_id>": str(school.organization.pk),
        r"<path:object_id>": str(order.pk),
        r"<id>": str(school.member.pk),
        r"r/<path:content_type_id>": "1",
        r"^confirm-email/(?P<key>[-:\w]+)/$": "confirm-email/x/",
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$": "password/reset/key/1-x/",
        r"(?P<url>.*)$": "nothing",
    }


def filled(route: str, values: dict[str, str]) -> str:
    """The address, with foreign objects; what stays open fails."""
    route = re.sub(r"\^?\(\?P<app_label>[^)]*\)/\$", "orders/", route)
    for place, value in values.items():
        if place in route:
            route = route.replace(place, re.sub(r"<.*>$", "", place) + value if "(?P" not in place else value)
    assert not re.search(r"[<>()^$?\\]", route), f"{route}: say in `values` what stands there"
    return f"/{route}"


@pytest.fixture(params=ROLES)
def visitor(request, school, line) -> User | None:
    match request.param:
        case "stranger":
            return make.user(email="stranger@example.org")
        case "lonely":
            return make.user(email="lonely@example.org", organization=None)
        case "idle":  # staff of no group: the role alone opens nothing that is anybody's
            return make.user(role=Role.STAFF, email="idle@example.org")
        case Role.CREATOR:
            return make.host(Host.Kind.CREATOR, channel=make.channel("other")).account
        case Role.WRITER:
            return make.host(Host.Kind.WRITER, channel=make.channel("other")).account
    return None


def state(visitor: User | None) -> dict[str, list[dict[str, Any]]]:
    """Every row of ours but the visitor's own."""
    found: dict[str, list[dict[str, Any]]] = {}
    for model in apps.get_models():
        if model._meta.app_label not in ROOMS:
            continue
        rows = model._default_manager.order_by("pk")
        own = {"User": "pk", "Host": "account"}.get(model.__name__)
        if own and visitor:
            rows = rows.exclude(**{own: visitor.pk})
        found[model.__name__] = list(rows.values())
    return found


def ask(method: str, url: str, visitor: User | None, body: dict[str, Any]):
    if url.startswith("/api/"):
        api = APIClient()
        api.force_authenticate(visitor)
        return getattr(api, method)(url, body if method != "get" else None)
    client = Client(raise_request_exception=True)
    if visitor:
        client.force_login(visitor)
    if method in {"get", "post"}:
        return getattr(client, method)(url, body)
    return getattr(client, method)(url)


def test_nobody_reaches_what_is_not_theirs(visitor, values, school):
    body = {
        "configuration": school.configuration.pk,
        "organization": school.organization.slug,
        "order": values["orders/<uuid:pk>"],
        "task": values["tasks/<uuid:task>"],
    }
    before, tried, wrong = state(visitor), 0, []
    for route, entry in routes():
        url = filled(route, values)
        names_something = "<" in route
        for method in (
            ("get", "post") if route.startswith("admin/") else ("get", "post", "put", "patch", "delete")
        ):
            answer = ask(method, url, visitor, body)
            tried += 1
            text = "" if answer.streaming else answer.content.decode(errors="replace")
            told = [word for word in SECRETS if word in text]
            if told:
                wrong.append(f"{method} {url} tells {told}")
            allowed = REFUSALS | {302, 410} if entry.name in KEYS else REFUSALS | {302}
            if names_something and entry.name not in OWN | PUBLIC and answer.status_code not in allowed:
                wrong.append(f"{method} {url} answers {answer.status_code}")
    assert not wrong
    assert tried > 150
    after = state(visitor)
    for model, rows in before.items():
        assert after[model] == rows, f"{model}: something changed"


# Parameters that name nothing of anybody: a page of words, a void link of a mail, the visitor's own keys.
OWN = {"account_barred", "account_confirm_email", "account_reset_password_from_key", "mfa_edit_webauthn"}


def test_a_route_that_cannot_be_filled_is_noticed(values):
    with pytest.raises(AssertionError, match="say in `values`"):
        filled("parcels/<uuid:parcel>/", values)


@pytest.mark.parametrize("visitor", ["stranger"], indirect=True)
def test_a_hole_would_be_found(visitor, values, school, monkeypatch):
    """The same walk with the wall of orders taken out."""
    from orders import queries
    from orders.models import Order

    monkeypatch.setattr(queries, "visible_orders", lambda user: Order.objects.all())
    with pytest.raises(AssertionError):
        test_nobody_reaches_what_is_not_theirs(visitor, values, school)
