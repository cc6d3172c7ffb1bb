"""Small makers of what tests need: real rows, nothing fake."""

from __future__ import annotations

import hashlib
import itertools
import uuid
from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone

from imager.accounts.models import Channel, Organization, Role, User
from orders.models import Address, Configuration, Media, Order
from tasks_app import services
from tasks_app.models import Host, Slot, Task
from warehouse.models import Warehouse
from workers.contract import PROTOCOL, Claim, Kind, Report, Step

PASSWORD = "correct horse battery"
FILES = ("x.img.zst", "x.img.bmap", "x.manifest.json", "x.manifest.json.sig")

_count = itertools.count(1)


def channel(slug: str = "main") -> Channel:
    return Channel.objects.get_or_create(slug=slug, defaults={"name": slug.title()})[0]


def organization(**fields: Any) -> Organization:
    n = next(_count)
    return Organization.objects.create(
        **{
            "slug": f"org-{n}",
            "name": f"Org {n}",
            "channel": channel(),
            "limited": False,
            "can_brand": True,
            **fields,
        }
    )


def user(**fields: Any) -> User:
    n = next(_count)
    defaults = {"email": f"user{n}@example.org", "password": PASSWORD, "name": f"User {n}"}
    if "organization" not in fields and fields.get("role", Role.MEMBER) == Role.MEMBER:
        defaults["organization"] = organization()
    return User.objects.create_user(**{**defaults, **fields})


def staff(**fields: Any) -> User:
    return user(role=Role.STAFF, is_superuser=True, **fields)


def clerk(group: str, **fields: Any) -> User:
    """Staff of one group: operator, support or administrator."""
    made = user(role=Role.STAFF, **fields)
    made.groups.add(Group.objects.get(name=group))
    return made


def host(kind: str = Host.Kind.CREATOR, **fields: Any) -> Host:
    n = next(_count)
    made = services.enrol(
        fields.pop("name", f"{kind}-{n}"),
        kind=kind,
        channel=fields.pop("channel", None) or channel(),
        password=PASSWORD,
        signing_key="ab" * 32 if kind == Host.Kind.CREATOR else "",
        operator_email="operator@example.org",
    )
    if fields:
        Host.objects.filter(pk=made.pk).update(**fields)
        made.refresh_from_db()
    return made


def slot(writer: Host, name: str = "A", **fields: Any) -> Slot:
    """A slot with an unused card of 8 GB in it."""
    defaults = {
        "present": True,
        "card_bytes": 8_000_000_000,
        "diskseq": next(_count) + 1000,
        "boot_id": "boot",
        "seen_at": timezone.now(),
    }
    return Slot.objects.create(host=writer, name=name, **{**defaults, **fields})


def media(kind: str = Media.Kind.PHYSICAL) -> Media:
    return Media.objects.get_or_create(
        kind=kind, gigabytes=8, defaults={"name": "8 GB", "bytes": 7_760_000_000, "units_per_gigabyte": 10}
    )[0]


def configuration(organization_: Organization | None = None, **fields: Any) -> Configuration:
    defaults = {
        "organization": organization_ or organization(),
        "name": "School",
        "admin_password": "admin-password",
    }
    return Configuration.objects.create(**{**defaults, **fields})


def address(organization_: Organization | None = None, **fields: Any) -> Address:
    defaults = {
        "organization": organization_ or organization(),
        "name": "Headquarters",
        "recipient": "Awa Diop",
        "email": "awa@example.org",
        "phone": "+223 20 22 52 29",
        "street": "Rue 17, porte 3",
        "postal_code": "BP 5",
        "city": "Bamako",
        "country": "ML",
    }
    return Address.objects.create(**{**defaults, **fields})


def order(**fields: Any) -> Order:
    """An order as `place` would leave it, without its task."""
    n = next(_count)
    kind = fields.get("kind", Order.Kind.PHYSICAL)
    defaults = {
        "organization": fields.get("organization") or organization(),
        "kind": kind,
        "media": media(kind),
        "name": f"Order {n}",
        "image_name": f"order-{n}",
        "recipe": "base: {}\n",
    }
    made = Order.objects.create(**{**defaults, **fields})
    made.refresh_from_db()
    return made


def task(order_: Order | None = None, kind: Kind = Kind.CREATE, **fields: Any) -> Task:
    order_ = order_ or order()
    defaults: dict[str, Any] = {
        "channel": order_.organization.channel,
        "spec": {"name": order_.image_name, "image_size": 1000},
        "total_bytes": 1000,
        "by": "test",
    }
    return services.create_task(order_, kind, **{**defaults, **fields})


def claim_body(**fields: Any) -> Claim:
    return {
        "claim_id": str(uuid.uuid4()),
        "boot_id": "boot",
        "protocol": PROTOCOL,
        "version": "0.1.0",
        **fields,
    }  # type: ignore[typeddict-item]


def report_body(attempt: int = 1, **fields: Any) -> Report:
    return {"event_id": str(uuid.uuid4()), "attempt": attempt, "step": Step.BUILDING.value, **fields}  # type: ignore[typeddict-item]


def file_facts() -> list[dict[str, Any]]:
    return [{"name": name, "size": 10, "sha256": "cd" * 32} for name in FILES]


def warehouse(**fields: Any) -> Warehouse:
    """The warehouse that new images go to; its secret is “secret”."""
    defaults = {"host": "127.0.0.1", "port": 2121, "secret_hash": hashlib.sha256(b"secret").hexdigest()}
    return Warehouse.objects.get_or_create(slug="main", defaults={**defaults, **fields})[0]
