"""Orders by number and by words, among a million of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from django.db import connection, models, transaction
from django.db.models import Q, Value
from django.db.models.functions import Concat

from imager.accounts.models import Organization, User

if TYPE_CHECKING:
    from orders.models.orders import Order  # noqa: F401  # names what is in the set

SEARCHED: Final = ("name", "recipient_name", "recipient_email", "tracking", "image_name")
SHORT: Final = 3  # letters; the index of words knows shorter ones at the beginning of a word only
FEW: Final = 1_000  # orders that a search finds by their keys, and that can be paged through
MOST_MEANT: Final = 500  # organizations, or people, that one word may mean
_WAYS: Final = ("seqscan", "indexscan", "indexonlyscan")
BY_INDEX: Final = "; ".join(f"SET LOCAL enable_{way} = off" for way in _WAYS)  # bitmaps are left
AS_USUAL: Final = "; ".join(f"RESET enable_{way}" for way in _WAYS)  # also within a longer transaction


def order_words() -> Concat:
    """What an order is found by, as one text: all words are looked up together, in one index.

    A blank comes before each part, so that a word can be sought at its beginning.
    """
    parts = [part for field in SEARCHED for part in (Value(" "), field)]
    return Concat(*parts, output_field=models.TextField())


class OrderQuerySet(models.QuerySet["Order"]):
    """What can be asked of orders."""

    def search(self, sought: str, *, people: bool = False) -> Self:
        """Those with that number, or with all those words, each in the order or in its organization's name.

        `#7` is the order 7 alone; what begins with 7 elsewhere (tracking, a name) is found by `7`.
        With `people` also in the e-mail address of whoever ordered.
        """
        orders = self.alias(words=order_words())
        sought = sought.strip()
        number = sought.removeprefix("#")
        if number.isascii() and number.isdigit() and len(number) < 19:
            if number != sought:
                return orders.filter(number=int(number))
            return orders.filter(Q(number=int(number)) | Q(words__icontains=f" {number}"))
        parts = sought.split()
        words = [part for part in parts if any(letter.isalnum() for letter in part)]
        if parts and not words:
            return orders.none()
        for word in words:
            orders = orders.filter(_with_word(word, people=people))
        return orders

    def settled(self, among: Self) -> Self:
        """Those `among` all that these are: by their keys if they are at most FEW, else as they are.

        How seldom words meet, the planner cannot know: it would read all orders, the newest first, for the
        three that match. The keys it must fetch from the indexes of what was sought.
        """
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(BY_INDEX)
            keys = list(self.order_by().values_list("pk", flat=True)[: FEW + 1])
            cursor.execute(AS_USUAL)
        return among.filter(pk__in=keys) if len(keys) <= FEW else self


def _with_word(word: str, *, people: bool) -> Q:
    has_word = Q(words__icontains=word if len(word) >= SHORT else f" {word}")
    has_word |= _of("organization", Organization.objects.all(), "name", word)
    return has_word | _of("created_by", User.objects.all(), "email", word) if people else has_word


def _of(whose: str, them: models.QuerySet[models.Model], field: str, word: str) -> Q:
    """Orders of those that the word means: fetched first, so that the orders' own indexes find theirs."""
    meant = list(them.filter(**{f"{field}__icontains": word}).values_list("pk", flat=True)[: MOST_MEANT + 1])
    if len(meant) > MOST_MEANT:
        return Q(**{f"{whose}__{field}__icontains": word})
    return Q(**{f"{whose}__in": meant}) if meant else Q()
