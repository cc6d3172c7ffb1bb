"""Pages before a large service: 1,000,000 orders and 10,000 contents. Writes out/pages.json.

Each page is asked for over HTTP, one request at a time, from the real server; p50, p95 and
the worst. Then once more in this process, to see its statements: the slowest of them with its plan.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import requests

from benchmarks import rig
from benchmarks.crowd import PASSWORD, Crowd, settle
from imager.stack import Line

TIMES = 40
LIMIT_MS = 200.0  # p95 of a page


def main() -> None:
    """Seed, ask, explain, keep."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--orders", type=int, default=1_000_000)
    options.add_argument("--contents", type=int, default=10_000)
    options.add_argument("--times", type=int, default=TIMES)
    given = options.parse_args()
    with rig.servers() as line:
        began = time.perf_counter()
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
    return {
        "member: home": (member, "/"),
        "member: orders": (member, "/orders/"),
        "member: orders, failed": (member, "/orders/?status=failed"),
        "member: orders, searched": (member, "/orders/?q=library+diop"),
        "member: order": (member, order),
        "member: order form": (member, f"/orders/new/?configuration={crowd.configuration.pk}"),
        "member: configurations": (member, "/configurations/"),
        "member: configuration": (member, configuration),
        "member: new configuration": (member, "/configurations/new/"),
        "staff: home": (staff, "/"),
        "staff: orders": (staff, "/orders/"),
        "staff: orders, page 1000": (staff, "/orders/?page=1000"),
        "staff: orders, failed": (staff, "/orders/?status=failed"),
        "staff: orders, searched by words": (staff, "/orders/?q=library+diop"),
        "staff: orders, searched in vain": (staff, "/orders/?q=zyzzyva"),
        "staff: orders, searched by number": (staff, f"/orders/?q={crowd.number}"),
        "staff: order": (staff, order),
        "staff: admin, orders": (staff, "/admin/orders/order/"),
        "member: API, orders": (member, "/api/v1/orders/"),
        "staff: API, orders": (staff, "/api/v1/orders/"),
        "member: API, contents": (member, "/api/v1/contents/?page_size=100"),
    }


def measure(line: Line, crowd: Crowd, name: str, times: int) -> dict[str, Any]:
    """A page's times and its slowest statement."""
    user, path = addresses(crowd)[name]
    session = logged_in(user)
    seconds = [ask(session, line.url + path) for _ in range(times + 3)][3:]
    figures = {
        "p50_ms": round(rig.percentile(seconds, 0.5) * 1000, 1),
        "p95_ms": round(rig.percentile(seconds, 0.95) * 1000, 1),
        "worst_ms": round(max(seconds) * 1000, 1),
    }
    print(f"{name}: {figures}", flush=True)
    return {**figures, **explained(user, path)}


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
