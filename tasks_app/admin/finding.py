"""What belongs to an order, found by the order, or by the beginning of an identifier."""

from __future__ import annotations

import re
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet

from tasks_app.services.moving import order_model

MOST_ORDERS: Final = 200  # whose keys are fetched first
HEX: Final = 32
KEY: Final = re.compile(r"[0-9a-f]{8}[0-9a-f-]{0,28}")  # a UUID, or as much of it as lists show


def of_orders(rows: QuerySet[Any], sought: str, *, task: str = "", order: str = "order") -> QuerySet[Any]:
    """Rows of those orders, or whose `order` or `task` (the paths to both keys) begins so."""
    is_key = KEY.fullmatch(sought.lower()) is not None
    meant = begins(order, sought) if is_key else Q()
    if is_key and task:
        meant |= begins(task, sought)
    if not is_key or sought.isdigit():  # eight digits may be both
        meant |= Q(**{f"{order}__in": _orders(sought)})
    return rows.filter(meant)


def _orders(sought: str) -> list[UUID] | QuerySet[Any]:
    """Their keys, which lead to the rows by an index; of too many, all of them as a question of its own."""
    everything: Any = order_model()._default_manager.all()  # with what can be asked of orders
    orders = everything.search(sought, people=True).settled(everything)
    keys = orders.order_by().values_list("pk", flat=True)
    few = list(keys[: MOST_ORDERS + 1])
    return few if len(few) <= MOST_ORDERS else keys


def begins(name: str, sought: str) -> Q:
    """Whether a key begins so: a range of the index."""
    digits = sought.lower().replace("-", "")[:HEX]
    first, last = UUID(digits.ljust(HEX, "0")), UUID(digits.ljust(HEX, "f"))
    return Q(**{f"{name}__gte": first, f"{name}__lte": last})
