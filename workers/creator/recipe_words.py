"""What is wrong with a recipe, in words for those who write recipes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, Final

from workers.imaging.sizes import exact

_FIXED: Final = {
    "missing": "it is missing; add it",
    "string_type": "it must be text; put it in quotes",
    "greater_than": "it must be more than 0; correct it",
    "string_too_short": "it is empty; write something or leave the key away",
    "tuple_type": "it must be a list; begin each of its items with `- `, or leave the key away",
    "dict_type": "it must hold keys of its own, each on a line `key: value`",
    "bool_type": "it must be true or false, without quotes",
}
_KEYS_WANTED: Final = {
    "base": "source: 1.4.2",
    "output": "size: 8GB",
    "checksum": "algo: sha-256",
    "files": "to: /data/name",
    "oci_images": "ident: ghcr.io/offspot/dashboard:1.7.0",
}
_YAML: Final = {
    "cannot start any token": "indent with blanks, not with tabs; put text with special characters in quotes",
    "mapping values are not allowed": "put text that holds `: ` in quotes, and check the indentation",
    "could not find expected ':'": "a key needs `: ` behind it; check the indentation",
    "did not find expected key": "check quotes, brackets and the indentation",
    "expected <block end>": "check the indentation",
    "unexpected ':'": "put a blank behind the `:` of a key",
    "another document": "a recipe is one document: remove the line `---` in the middle",
}


def words(error: Mapping[str, Any], keys: Collection[str]) -> str:
    """For one problem that pydantic found. `keys`: all that are known. Never repeats what was written."""
    kind, ctx = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return f"this key is not known; remove it or correct its spelling{_like(str(error['loc'][-1]), keys)}"
    if kind in {"model_type", "model_attributes_type"}:
        name = next((str(part) for part in reversed(error["loc"]) if not isinstance(part, int)), "")
        wanted = f", for example `{_KEYS_WANTED[name]}`" if name in _KEYS_WANTED else ""
        return f"it must hold keys of its own{wanted}"
    if kind == "literal_error":
        known = [each.strip("'") for each in ctx["expected"].replace(" or ", ", ").split(", ")]
        return f"it must be one of {', '.join(known)}{_like(str(error.get('input')), known)}"
    if kind == "less_than_equal":
        return f"it must be at most {exact(int(ctx['le']))}"
    if kind == "string_too_long":
        return f"it has more than {ctx['max_length']} characters; shorten it"
    message: str = error["msg"]
    return _FIXED.get(kind, message.removeprefix("Value error, "))


def yaml_remedy(problem: str) -> str:
    """What mostly helps where a text is no YAML."""
    return next((f"; {remedy}" for part, remedy in _YAML.items() if part in problem), "; correct that line")


def _like(written: str, known: Collection[str]) -> str:
    found = get_close_matches(written.lower(), known, n=1)
    return f" (perhaps {found[0]}?)" if found else ""
