"""The check of the message catalogues: it passes what is right, and names each thing that is wrong."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import polib
import pytest

SCRIPT = Path(__file__).parents[2] / ".ci/catalogs.py"

has_gettext = pytest.mark.skipif(
    not shutil.which("xgettext"), reason="needs gettext: apt-get install gettext"
)


def load():
    spec = importlib.util.spec_from_file_location("catalogs", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


catalogs = load()


@pytest.fixture
def house(tmp_path, monkeypatch) -> Path:
    """A tree with one message each in Python and a template, both translated and compiled."""
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders/views.py").write_text('from x import gettext as _\n_("%(count)s cards")\n')
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/page.html").write_text("{% load i18n %}{% translate 'Orders' %}")
    save(tmp_path, polib.POEntry(msgid="%(count)s cards", msgstr="%(count)s cartes"), orders())
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    return tmp_path


def orders(**more: object) -> polib.POEntry:
    return polib.POEntry(**{"msgid": "Orders", "msgstr": "Commandes", **more})


def save(root: Path, *entries: polib.POEntry, compiled: bool = True) -> None:
    catalog = polib.POFile()
    catalog.metadata = {
        "Content-Type": "text/plain; charset=UTF-8",
        "Plural-Forms": "nplurals=2; plural=(n > 1);",
    }
    catalog.extend(entries)
    path = root / catalogs.CATALOG
    path.parent.mkdir(parents=True, exist_ok=True)
    catalog.save(str(path))
    if compiled:
        catalog.save_as_mofile(str(path.with_suffix(".mo")))


CARDS = polib.POEntry(msgid="%(count)s cards", msgstr="%(count)s cartes")


def test_a_complete_catalogue_passes(house):
    assert list(catalogs.check(house)) == []


def test_a_missing_catalogue_is_named(tmp_path):
    assert list(catalogs.check(tmp_path)) == [
        f"{catalogs.CATALOG} is missing: run `make messages` and translate"
    ]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (orders(msgstr=""), "“Orders” is not translated"),
        (orders(flags=["fuzzy"]), "“Orders” is fuzzy"),
        (orders(msgid_plural="Orders", msgstr_plural={0: "Commande", 1: ""}), "“Orders” is not translated"),
        (orders(msgid="%(n)s of {x}", msgstr="%(n)s"), "{x} is lost"),
        (orders(msgid="%(n)s left", msgstr="%(m)s"), "%(m)s is not in the original"),
        (
            orders(msgid="One of %(n)s", msgid_plural="%(m)s of %(n)s", msgstr_plural={0: "Une", 1: "%(m)s"}),
            "%(n)s is lost",
        ),
    ],
)
def test_a_bad_translation_is_named_with_its_place(house, entry, problem):
    save(house, CARDS, entry)
    found = [line for line in catalogs.check(house) if problem in line]
    assert found
    assert found[0].startswith(f"{catalogs.CATALOG}:")


def test_a_singular_may_do_without_the_number(house):
    entry = orders(
        msgid="One card", msgid_plural="%(n)s cards", msgstr_plural={0: "Une carte", 1: "%(n)s cartes"}
    )
    save(house, CARDS, orders(), entry)
    assert not [line for line in catalogs.check(house) if "lost" in line or "original" in line]


def test_a_compiled_catalogue_that_is_behind_is_named(house):
    save(house, CARDS, orders(msgstr="Les commandes"), compiled=False)
    assert list(catalogs.check(house)) == [
        f"django.mo is not what {catalogs.CATALOG} says: run `make messages`"
    ]
    (house / catalogs.CATALOG).with_suffix(".mo").unlink()
    assert list(catalogs.check(house)) == [
        f"django.mo is missing beside {catalogs.CATALOG}: run `make messages`"
    ]


@has_gettext
def test_a_message_that_no_catalogue_has_is_named(house):
    (house / "orders/more.py").write_text('from x import gettext as _\n_("Ship it")\n')
    assert list(catalogs.check(house)) == [f"{catalogs.CATALOG} lacks “Ship it”: run `make messages`"]


@has_gettext
def test_a_message_that_is_gone_is_named(house):
    (house / "orders/views.py").unlink()
    assert list(catalogs.check(house)) == [f"{catalogs.CATALOG}: “%(count)s cards” is nowhere in the sources"]


@has_gettext
def test_made_anew_only_new_messages_lack_a_translation(house):
    (house / "orders/views.py").write_text('from x import gettext as _\n_("Ship it")\n')
    assert catalogs.make(house) == 0
    made = polib.pofile(str(house / catalogs.CATALOG))
    assert {(entry.msgid, entry.msgstr) for entry in made} == {("Orders", "Commandes"), ("Ship it", "")}
    assert list(catalogs.check(house)) == [
        f"{catalogs.CATALOG}:{made.find('Ship it').linenum}: “Ship it” is not translated"
    ]


def test_it_says_how_it_is_used(capsys):
    assert catalogs.main([]) == 2
    assert "check | make" in capsys.readouterr().err
