"""From the address book to an order and back."""

from __future__ import annotations

from imager.accounts.models import Organization, User
from orders.models import Address, Order
from orders.recipients import Recipient


def recipient_of(address: Address) -> Recipient:
    """A copy for an order."""
    return Recipient(
        name=address.recipient,
        email=address.email,
        phone=address.phone,
        address=address.street,
        postal_code=address.postal_code,
        city=address.city,
        country=address.country,
    )


def find(organization: Organization, recipient: Recipient) -> Address | None:
    """The address of the book that says just that, if there is one."""
    return Address.objects.filter(organization=organization, **_fields(recipient)).first()


def find_for(order: Order) -> Address | None:
    """The address of the book where that order goes."""
    return find(order.organization, recipient_in(order))


def recipient_in(order: Order) -> Recipient:
    """The copy that an order holds."""
    return Recipient(
        **{field: getattr(order, f"recipient_{field}") for field in Recipient.__dataclass_fields__}
    )


def keep(recipient: Recipient, *, organization: Organization, by: User) -> Address:
    """Enter a checked recipient into the book, unless it is there already."""
    recipient = recipient.tidy()
    found = find(organization, recipient)
    if found:
        return found
    name = f"{recipient.name}, {recipient.city}"[:100]
    return Address.objects.create(organization=organization, name=name, created_by=by, **_fields(recipient))


def _fields(recipient: Recipient) -> dict[str, str]:
    return {
        "recipient": recipient.name,
        "email": recipient.email,
        "phone": recipient.phone,
        "street": recipient.address,
        "postal_code": recipient.postal_code,
        "city": recipient.city,
        "country": recipient.country,
    }
