"""Reads a recipe's YAML text into plain data, remembering on which line each key stands.

Only what people write is allowed: no tags, no duplicate keys, no deep nesting, no aliases that multiply.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import yaml

from workers.creator.recipe_words import yaml_remedy
from workers.errors import JobError

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 32
MAX_NODES: Final = 200_000

_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Path = tuple[str | int, ...]


def bad(problem: str) -> JobError:
    """A recipe that cannot be read."""
    return JobError("bad_recipe", f"The recipe cannot be used: {problem}")


def show(path: Path) -> str:
    """`('files', 2, 'to')` as `files[2].to`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "the recipe"


class Lines:
    """The line (from 1) of each key and list item."""

    def __init__(self) -> None:
        self._lines: dict[Path, int] = {}

    def put(self, path: Path, mark: Any) -> None:
        self._lines.setdefault(path, mark.line + 1)

    def of(self, path: Path) -> int:
        """The line of `path`, or of the nearest thing around it that is written down."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)


def load(text: str) -> tuple[Any, Lines]:
    """The data and its lines; JobError `bad_recipe`."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise bad(f"it has {size} bytes, the limit is {MAX_BYTES}; move long texts into files of their own.")
    try:
        _check_events(text)
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                raise bad("line 1: it is empty; give at least `base: {source: …}`.")
            lines = Lines()
            for path, key in _walk(root):
                lines.put(path, key.start_mark)
            _check_values(loader, root)
            return loader.construct_document(root), lines
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        problem = error.problem or error.context or ""
        raise bad(f"{line}not valid YAML: {problem}{yaml_remedy(problem)}.") from error
    except yaml.reader.ReaderError as error:
        number = text.count("\n", 0, error.position) + 1
        raise bad(
            f"line {number}: not valid YAML: the character U+{error.character:04X} is not allowed; remove it."
        ) from error
    except yaml.YAMLError as error:
        raise bad(f"not valid YAML: {error}.") from error


def _check_events(text: str) -> None:
    """Refuse depth and tags before anything recursive sees the text."""
    depth = 0
    event: Any
    for event in yaml.parse(text, Loader=_Loader):
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise bad(f"line {event.start_mark.line + 1}: tags such as {tag} are not allowed; remove it.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise bad(
                f"line {event.start_mark.line + 1}: nested deeper than {MAX_DEPTH} levels; write it flatter."
            )


def _walk(root: Any) -> Iterator[tuple[Path, Any]]:
    """Every key and item with the node that says where it stands, aliases written out."""
    waiting: list[tuple[Path, Any, frozenset[int]]] = [((), root, frozenset())]
    count = 0
    while waiting:
        path, node, above = waiting.pop()
        count += 1
        if count > MAX_NODES:
            line = node.start_mark.line + 1
            raise bad(f"line {line}: aliases unfold to more than {MAX_NODES} values; write less of it.")
        if id(node) in above:
            raise bad(
                f"line {node.start_mark.line + 1}: an alias leads to itself; write out what it stands for."
            )
        for part, place, value in _children(node):
            below = (*path, part)
            yield below, place
            waiting.append((below, value, above | {id(node)}))


def _check_values(loader: Any, root: Any) -> None:
    """Such as 2024-13-45, which looks like a date."""
    for node in {id(each): each for each in _scalars(root)}.values():
        try:
            loader.construct_object(node)
        except ValueError as error:
            raise bad(
                f"line {node.start_mark.line + 1}: {node.value!r} is no value ({error}); "
                "correct it, or put it in quotes if it is text."
            ) from error


def _scalars(root: Any) -> Iterator[Any]:
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.ScalarNode):
            yield node
        elif id(node) not in seen:
            seen.add(id(node))
            waiting += [
                each for pair in node.value for each in (pair if isinstance(pair, tuple) else (pair,))
            ]


def _children(node: Any) -> list[tuple[str | int, Any, Any]]:
    if isinstance(node, yaml.SequenceNode):
        return [(number, item, item) for number, item in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return []
    seen: dict[str, int] = {}
    found = []
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise bad(f"line {line}: a key must be a word, not a list or a mapping; put it in quotes.")
        if key.value in seen:
            first = seen[key.value]
            raise bad(f"line {line}: the key {key.value} stands twice (first on line {first}); remove one.")
        seen[key.value] = line
        found.append((key.value, key, value))
    return found
