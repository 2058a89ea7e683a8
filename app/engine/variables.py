"""The wrt grammar: text → which leaves of x and of the parameters J differentiates. Knows no arrays.

    wrt       = variable *("," variable)
    variable  = ("x" / "params") *("." component)
    component = "*"                 any one component
              / "[" any text "]"    a component as it stands, such as one that holds a dot
              / text without . , [ ]

A variable names every floating leaf below its path. Paths are matched by whole components against the
rendered paths of the leaves, never by attribute look-up.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from jax import tree_util

from app.errors import SpecMismatch

Path = tuple[str, ...]

_COMPONENT = re.compile(r"\[(.*?)\](?=[.,]|$)|([^.,\[\]]+)")
_PLAIN = re.compile(r"[^.,\[\]*]+")
_ANY = "*"


@dataclass(frozen=True)
class Selection:
    """The leaves that J differentiates, as indices into the leaves of x and of the parameters."""

    x: tuple[int, ...]
    params: tuple[int, ...]


def path_of(key_path: Sequence[Any]) -> Path:
    """The components of a key path of JAX, as text."""
    return tuple(_component(key) for key in key_path)


def _component(key: Any) -> str:
    match key:
        case tree_util.DictKey() | tree_util.FlattenedIndexKey():
            return str(key.key)
        case tree_util.SequenceKey():
            return str(key.idx)
        case tree_util.GetAttrKey():
            return key.name
        case _:
            return str(key)


@lru_cache(maxsize=4096)  # every request names the same leaves
def render(*path: str) -> str:
    """A path as the grammar writes it, components that hold its signs quoted."""
    return ".".join(part if _PLAIN.fullmatch(part) else f"[{part}]" for part in path)


def select(wrt: str, x: Sequence[tuple[Path, bool]], params: Sequence[tuple[Path, bool]]) -> Selection:
    """Find the leaves that a wrt names.

    Args:
        wrt: one or several variables.
        x: path below ``x`` of each leaf of the input, and whether it is floating.
        params: the same for the parameters.

    Raises:
        SpecMismatch: for text that is no wrt, for a path that matches nothing (naming near ones), and
            for one with nothing floating under it.
    """
    roots = {"x": x, "params": params}
    found: dict[str, set[int]] = {"x": set(), "params": set()}
    for text, pattern in _parse(wrt):
        root, *components = pattern
        if root not in roots:
            raise SpecMismatch(
                f"wrt {text!r} begins with {root!r}; expected x or params, or a path below them"
            )
        matched = [i for i, (path, _) in enumerate(roots[root]) if _matches(components, path)]
        floating = [i for i in matched if roots[root][i][1]]
        if not floating:
            raise SpecMismatch(_no_match(text, root, roots[root], bool(matched)))
        found[root].update(floating)
    return Selection(tuple(sorted(found["x"])), tuple(sorted(found["params"])))


def _parse(wrt: str) -> list[tuple[str, list[str]]]:
    variables, position, components, start = [], 0, [], 0
    while True:
        match = _COMPONENT.match(wrt, position)
        if not match:
            raise SpecMismatch(
                f"wrt {wrt!r} cannot be read at character {position}; expected x, params, or dotted paths "
                "below them such as params.head, several joined by commas"
            )
        quoted, plain = match.groups()
        components.append(plain if quoted is None else f"[{quoted}]")
        position = match.end()
        if position < len(wrt) and wrt[position] == ".":
            position += 1
            continue
        variables.append((wrt[start:position], components))
        if position == len(wrt):
            return variables
        position, components = position + 1, []
        start = position


def _matches(pattern: Sequence[str], path: Path) -> bool:
    if len(pattern) > len(path):
        return False
    return all(
        component == _ANY or component in (part, f"[{part}]")
        for component, part in zip(pattern, path, strict=False)
    )


def _no_match(text: str, root: str, leaves: Sequence[tuple[Path, bool]], integer: bool) -> str:
    if integer:
        return f"wrt {text!r} holds no floating array; J needs one to differentiate"
    if not leaves:
        return f"wrt {text!r} names nothing: the function has no {root}"
    prefixes = {render(root, *path[:depth]) for path, _ in leaves for depth in range(len(path) + 1)}
    near = get_close_matches(text, sorted(prefixes), n=3, cutoff=0.3) or sorted(prefixes)[:5]
    return f"wrt {text!r} names nothing; near it: {', '.join(near)}"
