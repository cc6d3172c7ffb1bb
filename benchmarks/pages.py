"""Pages before a large service: 1,000,000 orders and 10,000 contents. Writes out/pages.json.

Each page is asked for over HTTP, one request at a time, from the real server; p50, p95 and
the worst. Then once more in this process, to see its statements: the slowest of them with its plan.
"""

from __future__ import annotations

import argparse
import time
from typing import Any
from urllib.parse import urlencode

import requests

from benchmarks import rig
from benchmarks.crowd import PASSWORD, Crowd, settle
from imager.stack import Line

TIMES = 40
LIMIT_MS = 200.0  # p95 of a page
PATIENCE = 300.0  # seconds for what is counted behind the scenes


def main() -> None:
    """Seed, ask, explain, keep."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--orders", type=int, default=1_000_000)
    options.add_argument("--contents", type=int, default=10_000)
    options.add_argument("--times", type=int, default=TIMES)
    given = options.parse_args()
    with rig.servers() as line:
        began = time.perf_counter()
        rig.trust_rows(line)
        crowd = settle(given.orders, given.contents)
        seeded = round(time.perf_counter() - began, 1)
        print(f"seeded in {seeded} s", flush=True)
        pages = {name: measure(line, crowd, name, given.times) for name in addresses(crowd)}
    slow = [name for name, figures in pages.items() if figures["p95_ms"] > LIMIT_MS]
    kept = {"orders": given.orders, "contents": given.contents, "seeding_s": seeded, "limit_p95_ms": LIMIT_MS}
    rig.keep("pages", {**kept, "over_the_limit": slow, "pages": pages})


def addresses(crowd: Crowd) -> dict[str, tuple[Any, str]]:
    """Who asks for what."""
    member, staff = crowd.member, crowd.staff
    order, configuration = f"/orders/{crowd.order.pk}/", f"/configurations/{crowd.configuration.pk}/"
    old = f"{crowd.order.created_at.year - 2}-03"
    month, day = between(f"{old}-01", f"{old}-31"), between(f"{old}-07", f"{old}-08")
    both = {
        "home": "/",
        "orders": "/orders/",
        "orders, page 300": "/orders/?page=300",
        "orders, failed": "/orders/?status=failed",
        "orders, under way": "/orders/?status=open",
        "orders, downloads": "/orders/?kind=virtual",
        "orders, of an old month": f"/orders/?since={old}-01&until={old}-28",
        "orders, by name": "/orders/?sort=name",
        "orders, by status": "/orders/?sort=status",
        "orders, by person": "/orders/?sort=person",
        "orders, search: two words": "/orders/?q=library+diop",
        "orders, search: words that never meet": "/orders/?q=library+school",
        "orders, search: in vain": "/orders/?q=zyzzyva",
        "orders, search: one of two letters": "/orders/?q=ba",
        "orders, search: two letters in vain": "/orders/?q=qx",
        "orders, search: organization": "/orders/?q=crowd+777",
        "orders, search: number": f"/orders/?q={crowd.number}",
        "orders, search: tracking": f"/orders/?q=track{crowd.number % 1000}77",
        "order": order,
        "order form": f"/orders/new/?configuration={crowd.configuration.pk}",
        "configurations": "/configurations/",
        "configurations, by size": "/configurations/?sort=size",
        "configuration (editor)": configuration,
        "new configuration": "/configurations/new/",
        "contents": "/contents/",
        "contents, search": "/contents/?text=library+school",
        "contents, search: in vain": "/contents/?text=zyzzyva",
        "contents, a language": "/contents/?language=fra&order=large",
        "content": f"/contents/{crowd.content.pk}/",
        "addresses": "/addresses/",
        "API, orders": "/api/v1/orders/",
        "API, orders, failed": "/api/v1/orders/?status=failed",
        "API, order": f"/api/v1{order}",
        "API, contents": "/api/v1/contents/?page_size=100",
        "API, contents, search": "/api/v1/contents/?text=library",
        "API, configurations": "/api/v1/configurations/",
    }
    alone = {
        "units": "/units/",
        "API, units": "/api/v1/units/",
    }
    admin = {
        "orders": "orders/order/",
        "orders, page 90": "orders/order/?p=90",
        "orders, failed": "orders/order/?status__exact=failed",
        "orders, of an organization": f"orders/order/?organization__id__exact={member.organization_id + 7}",
        "orders, of an old month": f"orders/order/?{month}",
        "orders, search": "orders/order/?q=library+diop",
        "orders, search: in vain": "orders/order/?q=zyzzyva",
        "orders, search: person": "orders/order/?q=member-777",
        "order": f"orders/order/{crowd.order.pk}/change/",
        "tasks": "tasks_app/task/",
        "tasks, failed": "tasks_app/task/?status__exact=failed",
        "tasks, search": "tasks_app/task/?q=library+diop",
        "tasks, search: number": f"tasks_app/task/?q={crowd.number}",
        "attempts": "tasks_app/attempt/",
        "attempts, search: number": f"tasks_app/attempt/?q={crowd.number}",
        "cards": "tasks_app/card/",
        "cards, bad": "tasks_app/card/?verdict__exact=bad",
        "cards, search": f"tasks_app/card/?q=C{crowd.number}",
        "units": "accounts/unitentry/",
        "units, search": "accounts/unitentry/?q=crowd-777",
        "files": "warehouse/storedfile/",
        "files, search": "warehouse/storedfile/?q=crowd-777",
        "organizations": "accounts/organization/",
        "accounts": "accounts/user/",
        "configurations": "orders/configuration/",
        "addresses": "orders/address/",
        "contents": "orders/content/",
        "contents, search": "orders/content/?q=library",
    }
    desk = {
        "statistics": "/staff/statistics/",
        "statistics, another year": f"/staff/statistics/?since={old[:4]}-01-01&until={old[:4]}-12-31",
        "statistics of cards": "/staff/cards/",
        "statistics of cards, all": "/staff/cards/?days=all",
        "hosts": "/staff/hosts/",
        "station": f"/station/{crowd.writer}/",
        "stations": "/station/",
        "export, of a day": f"/admin/orders/order/export/?{day}",
        "admin: home": "/admin/",
    }
    return {
        **{f"member: {name}": (member, path) for name, path in {**both, **alone}.items()},
        **{f"staff: {name}": (staff, path) for name, path in {**both, **desk}.items()},
        **{f"admin: {name}": (staff, f"/admin/{path}") for name, path in admin.items()},
    }


def between(first: str, last: str) -> str:
    """As the calendar of the admin narrows a list."""
    times = {"gte": first, "lt": last}
    return urlencode({f"created_at__{side}": f"{day}T00:00:00+00:00" for side, day in times.items()})


def measure(line: Line, crowd: Crowd, name: str, times: int) -> dict[str, Any]:
    """A page's times and its slowest statement."""
    user, path = addresses(crowd)[name]
    session = logged_in(user)
    counted = await_figures(session, line.url + path)
    seconds = [ask(session, line.url + path) for _ in range(times + 3)][3:]
    figures = {
        "p50_ms": round(rig.percentile(seconds, 0.5) * 1000, 1),
        "p95_ms": round(rig.percentile(seconds, 0.95) * 1000, 1),
        "worst_ms": round(max(seconds) * 1000, 1),
    }
    print(f"{name}: {figures}", flush=True)
    return {**figures, **({"counted_behind_s": counted} if counted else {}), **explained(user, path)}


def await_figures(session: requests.Session, url: str) -> float:
    """Seconds until the server's worker has counted what the page shows; 0: nothing is counted by it."""
    began, waited = time.perf_counter(), 0.0
    while "being counted" in session.get(url, timeout=60).text:
        assert waited < PATIENCE, f"{url}: not counted within {PATIENCE} s"
        time.sleep(0.5)
        waited = time.perf_counter() - began
    return round(waited, 1)


_sessions: dict[int, requests.Session] = {}


def logged_in(user: Any) -> requests.Session:
    """A browser's session, one for each account: logging in is not what is measured."""
    from django.test import Client

    if user.pk not in _sessions:
        client = Client()
        assert client.login(username=user.email, password=PASSWORD)
        _sessions[user.pk] = requests.Session()
        _sessions[user.pk].cookies.set("sessionid", client.cookies["sessionid"].value)
    return _sessions[user.pk]


def ask(session: requests.Session, url: str) -> float:
    """Seconds until the whole page is there."""
    began = time.perf_counter()
    answer = session.get(url, timeout=60, allow_redirects=False)
    seconds = time.perf_counter() - began
    assert answer.status_code == 200, (url, answer.status_code)
    return seconds


def explained(user: Any, path: str) -> dict[str, Any]:
    """How many statements the page makes, and the plan of the slowest."""
    from django.db import connection
    from django.test import Client

    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(user)
    made: list[tuple[float, str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            made.append((time.perf_counter() - began, sql, params))

    with connection.execute_wrapper(note):
        assert client.get(path).status_code == 200, path
    reads = [each for each in made if each[1].startswith("SELECT")]
    seconds, sql, params = max(reads, key=lambda each: each[0])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, SUMMARY OFF) {sql}", params)
        plan = [row[0] for row in cursor.fetchall()]
    return {
        "statements": len(made),
        "slowest_ms": round(seconds * 1000, 1),
        "sql": sql[-400:],
        "plan": plan[:25],
    }


if __name__ == "__main__":
    main()
