"""A large service: a thousand organizations, their members, configurations and orders, and the catalogue."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection, models

from benchmarks import crowd_work
from benchmarks.filling import copies, fill

ORGANIZATIONS = 1_000
MEMBERS = 2_000
PASSWORD = "bench-" + "x" * 20
WORDS = "ARRAY['library','school','village','clinic','refuge','museum','harbour','mountain','river','market']"
NAMES = "ARRAY['Awa','Ali','Fatou','Ibrahim','Mariam','Moussa','Aminata','Ousmane','Kadia','Seydou']"
FAMILIES = "ARRAY['Diop','Traoré','Keïta','Coulibaly','Cissé','Diallo','Touré','Sow','Ba','Konaté']"
STATUS = "array_fill('shipped'::text, ARRAY[6]) || ARRAY['expired','expired','canceled','failed']"
OPEN = "ARRAY['placed','creating','downloading','writing','ready_to_ship','available']"
UNDER_WAY = 200


@dataclass(frozen=True)
class Crowd:
    """Who looks at it, and at what."""

    member: Any
    staff: Any
    order: Any
    configuration: Any
    content: Any
    number: int
    writer: str


@contextmanager
def told(what: str) -> Iterator[None]:
    """Say how long it took."""
    began = time.perf_counter()
    yield
    print(f"seeding, {what}: {time.perf_counter() - began:.0f} s", flush=True)


def settle(orders: int, contents: int) -> Crowd:
    """Fill the empty database. The first organization is a large one: every nineteenth order is its own."""
    from imager.accounts.models import Channel, Organization, Role, User
    from orders.models import Content, Order

    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0; SET synchronous_commit = off")
        cursor.execute("SET session_replication_role = replica")  # see `rig.trust_rows`
    channel = Channel.objects.get(slug="main")
    first = Organization.objects.create(slug="crowd-0", name="Crowd 0", channel=channel, limited=False)
    copies(first, ORGANIZATIONS - 1, slug="'crowd-' || n", name="'Crowd ' || n")
    member = User.objects.create_user("member@crowd.example", PASSWORD, organization=first, name="Member")
    copies(
        member,
        MEMBERS - 1,
        email="'member-' || n || '@crowd.example'",
        name="'Member ' || n",
        organization_id=f"{first.pk} + n % {ORGANIZATIONS}",
    )
    staff = User.objects.create_user("staff@crowd.example", PASSWORD, role=Role.STAFF, is_superuser=True)
    with told("contents"):
        settle_contents(Content, contents)
    configuration = settle_configurations(first, member)
    order = first_order(configuration)
    with told("orders"):
        settle_orders(order, orders - 1)
    with told("work"):
        writer = crowd_work.settle(order)
    with connection.cursor() as cursor, told("statistics of the planner"):
        cursor.execute("RESET session_replication_role; RESET synchronous_commit")
        cursor.execute("VACUUM ANALYZE")
    return Crowd(
        member,
        staff,
        Order.objects.filter(organization=first).latest("number"),
        configuration,
        Content.objects.earliest("pk"),
        Order.objects.order_by("number")[orders // 2].number,
        writer,
    )


def settle_contents(model: type[models.Model], count: int) -> None:
    """Sites in many languages, with as many words as those of real libraries."""
    first = model.objects.create(  # type: ignore[attr-defined]
        ident="crowd:0",
        title="Crowd 0",
        url="https://zim.example/0.zim",
        path="/data/zims/0.zim",
        size=1_000_000,
    )
    title = f"initcap(({WORDS})[1 + n % 10]) || ' ' || ({WORDS})[1 + (n / 10) % 10] || ' ' || n"
    words = (
        f"' all about the ' || ({WORDS})[1 + (n / 7) % 10] || ' for everybody who learns ' || md5(n::text)"
    )
    copies(
        first,
        count - 1,
        ident="'crowd:' || n",
        title=title,
        description=words,
        search=f"lower({title} || {words})",
        name="'site_' || n / 3",
        category="(ARRAY['wikipedia','gutenberg','ted','stack_exchange','phet'])[1 + n % 5]",
        url="'https://zim.example/' || n || '.zim'",
        path="'/data/zims/' || n || '.zim'",
        size="1000000 + n * 1000",
        languages="ARRAY[(ARRAY['eng','fra','ara','bam','por','spa','swa'])[1 + n % 7]]::varchar[]",
    )


def settle_configurations(organization: Any, member: Any) -> Any:
    """Five for each organization, two hundred for the first, with twenty contents each."""
    from orders.models import Address, Configuration, Content

    configuration = Configuration.objects.create(
        organization=organization, name="Crowd", admin_password="x" * 12, created_by=member, updated_by=member
    )
    configuration.contents.set(Content.objects.order_by("pk")[:40])
    whose = f"{organization.pk} + CASE WHEN n <= 200 THEN 0 ELSE n % {ORGANIZATIONS} END"
    copies(configuration, 5 * ORGANIZATIONS, name="'Crowd ' || n", organization_id=whose)
    through = Configuration.contents.through
    fill(
        through.objects.earliest("pk"),
        "FROM orders_configuration c, generate_series(1, 20) n WHERE c.id <> %s",
        [configuration.pk],
        {
            "configuration_id": "c.id",
            "content_id": f"{Content.objects.earliest('pk').pk} + (c.id * 31 + n * 7) % 400",
        },
    )
    address = Address.objects.create(
        organization=organization, name="Address", recipient="Awa Diop", street="Rue 1", country="ML"
    )
    copies(address, 10 * ORGANIZATIONS, name="'Address ' || n", organization_id=whose)
    return configuration


def first_order(configuration: Any) -> Any:
    """The one that all others are copied from."""
    from orders.models import Media, Order

    order = Order.objects.create(
        organization=configuration.organization, created_by=configuration.created_by, kind="physical",
        media=Media.objects.filter(kind="physical").earliest("pk"), quantity=1, units=10,
        name="crowd", image_name="crowd-0", recipe="base: {}\n" + "# a line of a recipe\n" * 20,
        contents=[{"title": f"Crowd {n}", "path": f"/data/zims/{n}.zim", "size": 10**6} for n in range(10)],
        configuration=configuration, image_bytes=4_000_000_000,
        recipient_name="Awa Diop", recipient_email="awa.diop@post.example", recipient_country="ML",
        tracking="TRACK0", status="shipped",
    )  # fmt: skip
    order.moves.create(came_from="", went_to="placed", by="member@crowd.example")
    return order


def settle_orders(first: Any, count: int) -> None:
    """Orders of three years, the last two hundred under way, some of them downloads; each with its moves."""
    status = f"CASE WHEN n > {count - UNDER_WAY} THEN ({OPEN})[1 + n % 6] ELSE ({STATUS})[1 + n % 10] END"
    virtual = f"({status}) IN ('expired', 'available')"
    large = "n % 19 = 0"
    name, family = f"({NAMES})[1 + (n / 3) % 10]", f"({FAMILIES})[1 + (n / 11) % 10]"
    copies(
        first,
        count,
        id="gen_random_uuid()",
        number="nextval('orders_order_number')",
        organization_id=f"{first.organization_id} + CASE WHEN {large} THEN 0 ELSE n % {ORGANIZATIONS} END",
        created_by_id=f"{first.created_by_id} + CASE WHEN {large} THEN 0 ELSE n % {MEMBERS} END",
        configuration_id=f"CASE WHEN {large} THEN {first.configuration_id} + n % 200 END",
        created_at=f"now() - interval '3 years' * ({count} - n) / {count}",
        kind=f"CASE WHEN {virtual} THEN 'virtual' ELSE 'physical' END",
        status=status,
        failed_stage=f"CASE WHEN ({status}) = 'failed' THEN 'writing' ELSE '' END",
        name=f"({WORDS})[1 + (n / 7) % 10] || ' ' || n % 5000",
        image_name="'crowd-' || n",
        recipient_name=f"CASE WHEN {virtual} THEN '' ELSE {name} || ' ' || {family} END",
        recipient_email=f"CASE WHEN {virtual} THEN '' ELSE 'reader-' || n % 90000 || '@post.example' END",
        tracking=f"CASE WHEN ({status}) = 'shipped' THEN 'TRACK' || n ELSE '' END",
        expires_at=f"CASE WHEN ({status}) = 'available' THEN now() + interval '9 days' END",
        idempotency_key="NULL",
        download_token="md5(n::text || random()::text)",  # noqa: S106  # an expression
    )
    ways = (
        "(VALUES (1, '', 'placed', 0), (2, 'placed', 'creating', 1), (3, 'creating', 'downloading', 3),"
        " (4, 'downloading', 'writing', 4), (5, 'writing', 'ready_to_ship', 20), (6, 'ready_to_ship',"
        " 'shipped', 70)) way(step, came_from, went_to, hours)"
    )
    fill(
        first.moves.earliest("pk"),
        f"FROM orders_order o, {ways} WHERE o.id <> %s AND way.step <="
        " CASE o.status WHEN 'placed' THEN 1 WHEN 'creating' THEN 2 WHEN 'shipped' THEN 6 ELSE 3 END",
        [first.pk],
        {
            "subject_id": "o.id",
            "came_from": "way.came_from",
            "went_to": "way.went_to",
            "at": "o.created_at + way.hours * interval '1 hour' * (1 + o.number % 17 / 17.0)",
        },
    )
