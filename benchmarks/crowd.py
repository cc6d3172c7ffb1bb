"""A large service's rows, made by the database itself: orders by the million in about a minute.

Every row is a copy of one that Django made, with what differs put in its place: a column that is added later
needs no line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection, models

ORGANIZATIONS = 1_000
PASSWORD = "bench-" + "x" * 20
WORDS = "ARRAY['library','school','village','clinic','refuge','museum','harbour','mountain','river','market']"
NAMES = "ARRAY['Awa','Ali','Fatou','Ibrahim','Mariam','Moussa','Aminata','Ousmane','Kadia','Seydou']"
FAMILIES = "ARRAY['Diop','Traoré','Keïta','Coulibaly','Cissé','Diallo','Touré','Sow','Ba','Konaté']"
STATUS = "array_fill('shipped'::text, ARRAY[6]) || ARRAY['expired','expired','canceled','failed']"
OPEN = "ARRAY['placed','creating','downloading','writing','ready_to_ship','available']"


@dataclass(frozen=True)
class Crowd:
    """Who looks at it, and at what."""

    member: Any
    staff: Any
    order: Any
    configuration: Any
    number: int


def settle(orders: int, contents: int) -> Crowd:
    """Fill the empty database."""
    from imager.accounts.models import Channel, Organization, Role, User
    from orders.models import Configuration, Content, Media, Order

    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0; SET synchronous_commit = off")
    channel = Channel.objects.get(slug="main")
    first = Organization.objects.create(slug="crowd-0", name="Crowd 0", channel=channel, limited=False)
    copies(first, ORGANIZATIONS - 1, slug="'crowd-' || n", name="'Crowd ' || n")
    member = User.objects.create_user("member@crowd.example", PASSWORD, organization=first, name="Member")
    staff = User.objects.create_user("staff@crowd.example", PASSWORD, role=Role.STAFF, is_superuser=True)
    settle_contents(Content, contents)
    configuration = Configuration.objects.create(
        organization=first, name="Crowd", admin_password="x" * 12, created_by=member
    )
    configuration.contents.set(Content.objects.order_by("pk")[:40])
    media = Media.objects.filter(kind="physical").earliest("pk")
    recipe = "base: {}\n" + "# a line of a recipe\n" * 20
    order = Order.objects.create(
        organization=first, created_by=member, kind="physical", media=media, quantity=1, name="crowd",
        image_name="crowd-0", recipe=recipe, configuration=configuration,
        recipient_name="Awa Diop", recipient_country="ML", status="shipped",
    )  # fmt: skip
    order.moves.create(came_from="", went_to="placed", by="member@crowd.example")
    settle_orders(order, first.pk, orders - 1)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    seen = Order.objects.filter(organization=first).latest("number")
    return Crowd(member, staff, seen, configuration, Order.objects.order_by("number")[orders // 2].number)


def settle_contents(model: type[models.Model], count: int) -> None:
    """Sites in many languages."""
    first = model.objects.create(  # type: ignore[attr-defined]
        ident="crowd:0",
        title="Crowd 0",
        url="https://zim.example/0.zim",
        path="/data/zims/0.zim",
        size=1_000_000,
    )
    word = f"({WORDS})[1 + n % 10]"
    copies(
        first,
        count - 1,
        ident="'crowd:' || n",
        title=f"initcap({word}) || ' ' || n",
        url="'https://zim.example/' || n || '.zim'",
        path="'/data/zims/' || n || '.zim'",
        size="1000000 + n * 1000",
        language="(ARRAY['eng','fra','ara','bam','por'])[1 + n % 5]",
    )


def settle_orders(first: Any, organization: int, count: int) -> None:
    """Orders of three years, the last two hundred under way; each with two moves."""
    live = f"n > {count - 200}"
    status = f"CASE WHEN {live} THEN ({OPEN})[1 + n % 6] ELSE ({STATUS})[1 + n % 10] END"
    copies(
        first,
        count,
        id="gen_random_uuid()",
        number="nextval('orders_order_number')",
        organization_id=f"{organization} + n % {ORGANIZATIONS}",
        created_at=f"now() - interval '3 years' * ({count} - n) / {count}",
        status=status,
        failed_stage=f"CASE WHEN NOT {live} AND n % 10 = 9 THEN 'writing' ELSE '' END",
        name=f"({WORDS})[1 + (n / 7) % 10] || ' ' || n % 5000",
        image_name="'crowd-' || n",
        recipient_name=f"({NAMES})[1 + (n / 3) % 10] || ' ' || ({FAMILIES})[1 + (n / 11) % 10]",
        idempotency_key="NULL",
        download_token="md5(n::text || random()::text)",  # noqa: S106  # an expression
    )
    move = first.moves.earliest("pk")
    ways = "(VALUES ('', 'placed'), ('writing', 'shipped')) way(came_from, went_to)"
    fill(
        move,
        f"FROM orders_order o, {ways} WHERE o.id <> %s",
        [first.pk],
        {"subject_id": "o.id", "came_from": "way.came_from", "went_to": "way.went_to", "at": "o.created_at"},
    )


def copies(first: models.Model, count: int, **differing: str) -> None:
    """`count` copies of a row; `n` counts them from 1."""
    fill(first, "FROM generate_series(1, %s) n", [count], differing)


def fill(first: models.Model, source: str, values: list[Any], differing: Mapping[str, str]) -> None:
    """Copies of a row, one for each row of `source`."""
    meta = first._meta
    columns = [field.column for field in meta.concrete_fields]
    columns = [column for column in columns if column != "id" or "id" in differing]
    table, key = meta.db_table, meta.pk.column if meta.pk else "id"
    chosen = ", ".join(
        f"({differing[c].replace('%', '%%')})" if c in differing else f't."{c}"' for c in columns
    )
    named = ", ".join(f'"{column}"' for column in columns)
    where, _, condition = source.partition(" WHERE ")
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{table}" ({named}) SELECT {chosen} {where}, "{table}" t '
            f'WHERE t."{key}" = %s' + (f" AND {condition}" if condition else ""),
            [*values[: where.count("%s")], first.pk, *values[where.count("%s") :]],
        )
