"""The files of each card in the form of a configuration: rows of two inputs, some of them empty."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.forms.renderers import BaseRenderer
from django.template.loader import render_to_string
from django.utils.datastructures import MultiValueDict
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from orders import validators
from workers.contract import MAX_CARD_FILES

EMPTY: Final = {"to": "", "content": ""}
TEMPLATE: Final = "orders/_card_rows.html"
SPARE: Final = 2  # empty rows beside those that say something


class CardFilesWidget(forms.Widget):
    """`NAME-0-to` and `NAME-0-content`, and so on."""

    def render(
        self,
        name: str,
        value: list[dict[str, str]] | None,
        attrs: dict[str, Any] | None = None,
        renderer: BaseRenderer | None = None,
    ) -> SafeString:
        """By our own template: that of Django's widgets would have to lie in an application."""
        del renderer
        ident = (attrs or {}).get("id", f"id_{name}")
        return render_to_string(TEMPLATE, {"name": name, "id": ident, "rows": rows(value)})

    def value_from_datadict(
        self, data: Mapping[str, Any], files: MultiValueDict[str, Any], name: str
    ) -> list[dict[str, str]]:
        del files
        keys = [f"{name}-{number}" for number in range(MAX_CARD_FILES)]
        found = [{part: str(data.get(f"{key}-{part}", "")) for part in EMPTY} for key in keys]
        return [row for row in found if row != EMPTY]

    def value_omitted_from_data(
        self, data: Mapping[str, Any], files: MultiValueDict[str, Any], name: str
    ) -> bool:
        """No row at all: what is there stays. All rows empty: it goes."""
        del files
        return not any(re.fullmatch(rf"{name}-\d-(to|content)", key) for key in data)


class CardFilesField(forms.Field):
    """A list of `{"to": …, "content": …}`; a row with neither is none."""

    widget = CardFilesWidget

    def __init__(self) -> None:
        super().__init__(
            label=_("files of each card"),
            required=False,
            help_text=_(
                "Small files on the part of the card that every computer shows. {serial} becomes the card's "
                "serial number, such as 1042-01-1-7; {suffix} its beginning, 1042-01, good for a name that "
                "no other hotspot has. Downloads say “unset” there. Example: serial.txt with {serial}"
            ),
        )

    def to_python(self, value: list[dict[str, str]] | None) -> list[dict[str, str]]:
        """Line ends as files have them: browsers send others."""
        tidy = [
            {"to": each["to"].strip(), "content": each["content"].replace("\r\n", "\n")}
            for each in value or []
        ]
        return [each for each in tidy if each["to"] or each["content"].strip()]

    def validate(self, value: list[dict[str, str]]) -> None:
        super().validate(value)
        if any(not each["to"] for each in value):
            raise ValidationError(_("A file of each card has no name. Give it one, or empty its row."))
        validators.per_card(value)


def rows(value: list[dict[str, str]] | None) -> list[dict[str, str]]:
    """What the page draws."""
    filled = value or []
    return [*filled, *[EMPTY] * min(SPARE, MAX_CARD_FILES - len(filled))]
