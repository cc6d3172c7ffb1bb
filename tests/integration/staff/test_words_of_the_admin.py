"""The admin speaks the language of its visitor: fields have names, and codes are told in words."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.utils.functional import Promise

ROOMS = {"accounts", "orders", "tasks_app", "warehouse"}  # the names of other fields are not ours
MODELS = {
    model
    for registered, made in admin.site._registry.items()
    for model in (registered, *(inline.model for inline in made.inlines))
    if model._meta.app_label in ROOMS
}


@pytest.mark.parametrize(
    "model", sorted(MODELS, key=lambda one: one._meta.label), ids=lambda one: one.__name__
)
def test_every_field_has_a_name_that_is_translated(model):
    fields = [*model._meta.fields, *model._meta.many_to_many]
    unnamed = [field.name for field in fields if not field.primary_key and not is_named(field)]
    assert unnamed == [], f"give these fields of {model._meta.label} a verbose_name in gettext_lazy"


def is_named(field) -> bool:
    """By somebody, and not by Django after its attribute."""
    return isinstance(field.verbose_name, Promise) or field.verbose_name != field.name.replace("_", " ")
