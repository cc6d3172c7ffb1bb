"""Message catalogues: `check` them, or `make` them anew from the sources.

`check` fails on a French message that is missing, fuzzy, or loses a placeholder, on a compiled catalogue that
differs from its source, and (where gettext is installed) on a message of the sources that no catalogue has.
"""

# ruff: noqa: INP001  # a script beside the code, not a package

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polib

ROOT = Path(__file__).resolve().parents[1]
LANGUAGE = "fr"
DOMAIN = "django"
CATALOG = Path("locale") / LANGUAGE / "LC_MESSAGES" / f"{DOMAIN}.po"
NOT_OURS = (".venv", "var", "tests", "docs", "benchmarks")
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[sd]|\{\w*\}")

Key = tuple[str | None, str]


def main(arguments: list[str]) -> int:
    if arguments == ["check"]:
        problems = list(check(ROOT))
        for problem in problems:
            sys.stderr.write(f"{problem}\n")
        sys.stdout.write(f"catalogues: {len(problems) or 'no'} problems\n")
        return 1 if problems else 0
    if arguments == ["make"]:
        return make(ROOT)
    sys.stderr.write("usage: catalogs.py check | make\n")
    return 2


def check(root: Path) -> Iterator[str]:
    """A sentence per problem."""
    if not (root / CATALOG).exists():
        yield f"{CATALOG} is missing: run `make messages` and translate"
        return
    catalog = polib.pofile(str(root / CATALOG))
    yield from untranslated(catalog)
    yield from uncompiled(catalog, (root / CATALOG).with_suffix(".mo"))
    if shutil.which("xgettext"):
        yield from unextracted(catalog, root)
    else:
        sys.stdout.write(
            "catalogues: gettext is not installed, so the sources were not searched for messages\n"
        )


def untranslated(catalog: polib.POFile) -> Iterator[str]:
    for entry in catalog:
        if entry.obsolete:
            continue
        where = f"{CATALOG}:{entry.linenum}: “{entry.msgid}”"
        said = list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]
        if entry.fuzzy:
            yield f"{where} is fuzzy: correct the translation and remove the mark"
        elif not all(said):
            yield f"{where} is not translated"
        else:
            yield from (f"{where}: {lost}" for text in said for lost in misplaced(entry, text))


def misplaced(entry: polib.POEntry, text: str) -> Iterator[str]:
    """Placeholders that a translation invents, or loses though no form of the original does without them."""
    forms = [set(PLACEHOLDER.findall(form)) for form in (entry.msgid, entry.msgid_plural) if form]
    used = set(PLACEHOLDER.findall(text))
    yield from (f"{name} is not in the original" for name in sorted(used - set.union(*forms)))
    yield from (f"{name} is lost" for name in sorted(set.intersection(*forms) - used))


def uncompiled(catalog: polib.POFile, compiled: Path) -> Iterator[str]:
    if not compiled.exists():
        yield f"{compiled.name} is missing beside {CATALOG}: run `make messages`"
    elif content(catalog.translated_entries()) != content(polib.mofile(str(compiled))):
        yield f"{compiled.name} is not what {CATALOG} says: run `make messages`"


def content(entries: list[polib.POEntry]) -> dict[Key, tuple[str, dict[int, str]]]:
    return {
        key(entry): ("" if entry.msgid_plural else entry.msgstr, dict(entry.msgstr_plural))
        for entry in entries
    }


def key(entry: polib.POEntry) -> Key:
    return (entry.msgctxt, entry.msgid)


def unextracted(catalog: polib.POFile, root: Path) -> Iterator[str]:
    """Messages of the sources that the catalogue lacks, and the other way round."""
    known = {key(entry) for entry in catalog if not entry.obsolete}
    with tempfile.TemporaryDirectory(prefix="imager-messages-") as copy:
        found = extract(root, Path(copy))
    yield from (
        f"{CATALOG} lacks “{text}”: run `make messages`" for _, text in sorted(found - known, key=str)
    )
    yield from (
        f"{CATALOG}: “{text}” is nowhere in the sources" for _, text in sorted(known - found, key=str)
    )


def extract(root: Path, copy: Path) -> set[Key]:
    """What makemessages finds in a copy of the tree without any catalogue."""
    skipped = shutil.ignore_patterns("*.po", "*.mo", "__pycache__", ".*", "node_modules")
    for top in root.iterdir():
        if top.name in NOT_OURS or top.name.startswith("."):
            continue
        if top.is_dir():
            shutil.copytree(top, copy / top.name, ignore=skipped, symlinks=True)
    (copy / "locale").mkdir(exist_ok=True)
    makemessages(copy)
    made = copy / CATALOG
    return {key(entry) for entry in polib.pofile(str(made))} if made.exists() else set()


def makemessages(where: Path) -> None:
    argv = [sys.executable, "-m", "django", "makemessages", "--locale", LANGUAGE, "--domain", DOMAIN]
    argv += ["--no-wrap", "--add-location", "file", *(f"--ignore={name}" for name in NOT_OURS)]
    without_settings = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    subprocess.run(argv, cwd=where, env=without_settings, check=True, stdout=subprocess.DEVNULL)


def make(root: Path) -> int:
    """Extract into the catalogue, forget what is gone, compile."""
    if not shutil.which("xgettext"):
        sys.stderr.write("gettext is not installed: apt-get install gettext\n")
        return 1
    (root / "locale").mkdir(exist_ok=True)
    makemessages(root)
    catalog = polib.pofile(str(root / CATALOG), wrapwidth=0)
    for entry in catalog.obsolete_entries():
        catalog.remove(entry)
    catalog.save()
    catalog.save_as_mofile(str((root / CATALOG).with_suffix(".mo")))
    for problem in untranslated(catalog):
        sys.stdout.write(f"{problem}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
