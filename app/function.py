"""Declare a function: what it applies, what it takes, what J differentiates. Registers nothing.

A ``Function`` is a value. The ``function`` decorator makes one from a declaration in a registry file;
other makers may follow. Nothing here imports JAX, so that a declaration costs nothing to read.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.specs import ArraySpec

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
RESERVED = frozenset({"stats"})
WARM = ((1, 1),)  # a pair of single examples: the first thing that people ask for

Tree = Any  # a pytree; JAX has no narrower type for it either


@dataclass(frozen=True, eq=False)
class Function:
    """A registered function of one example.

    Args:
        apply: ``(params, x) -> y``; params is None where none is declared; y is a pytree of floats.
        x: an ``ArraySpec`` or a pytree (dict, tuple, list) of them: one example.
        params: a pytree of arrays, or a callable that makes or loads it, or None.
        wrt: the variable that J differentiates, unless a request says otherwise.
        example: returns ``(x1, x2)``, or None for random inputs.
        name: how requests name it.
        doc: what it is, in one line.
        tags: words to find it by.
        version: declared, or made by the catalog from the file, the specs and the parameters.
        x64: whether it lives in float64.
        warm: numbers of examples ``(n1, n2)`` whose programs are made before the service is ready; n2 is None
            where x2 is left out.
        kept: what others learn of this value and keep for as long as it lives; a copy starts empty.

    Raises:
        ValueError: for a name or a spec that cannot be.
    """

    apply: Callable[[Any, Any], Any]
    x: Tree
    params: Tree | Callable[[], Tree] = None
    wrt: str = "x"
    example: Callable[[], tuple[Tree, Tree]] | None = None
    name: str = ""
    doc: str = ""
    tags: tuple[str, ...] = ()
    version: str = ""
    x64: bool = False
    warm: tuple[tuple[int, int | None], ...] = WARM
    kept: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        name = self.name or getattr(self.apply, "__name__", "")
        if not NAME.fullmatch(name):
            raise ValueError(f"name {name!r} is not of the form {NAME.pattern}; give one with name=")
        if name in RESERVED:
            raise ValueError(f"name {name!r} is reserved; give another with name=")
        specs = list(leaves(self.x))
        if not specs:
            raise ValueError("x declares no array; expected an ArraySpec, or a dict or tuple of them")
        _check_warm(self.warm)
        doc = self.doc or (self.apply.__doc__ or "")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "doc", doc.strip().partition("\n")[0])
        object.__setattr__(self, "x64", self.x64 or any(spec.dtype == "float64" for spec in specs))


def leaves(x: Tree) -> list[ArraySpec]:
    """The specs of an input in the order of the tree: dict keys sorted, sequences as they stand.

    Raises:
        ValueError: for a leaf that is no ``ArraySpec``.
    """
    match x:
        case ArraySpec():
            return [x]
        case dict():
            return [spec for key in sorted(x) for spec in leaves(x[key])]
        case tuple() | list():
            return [spec for item in x for spec in leaves(item)]
        case _:
            raise ValueError(f"x holds {x!r}; expected an ArraySpec, or a dict or tuple of them")


def _check_warm(warm: Sequence[tuple[int, int | None]]) -> None:
    for pair in warm:
        match pair:
            case (int(n1), int() | None as n2) if n1 >= 1 and (n2 is None or n2 >= 1):
                continue
        raise ValueError(f"warm holds {pair!r}; expected (n1, n2): examples in x1 and in x2, or (n1, None)")


def function(
    *,
    x: Tree,
    params: Tree | Callable[[], Tree] = None,
    wrt: str = "x",
    example: Callable[[], tuple[Tree, Tree]] | None = None,
    name: str = "",
    doc: str = "",
    tags: tuple[str, ...] = (),
    version: str = "",
    x64: bool = False,
    warm: Sequence[tuple[int, int | None]] = WARM,
) -> Callable[[Callable[[Any, Any], Any]], Function]:
    """Decorate ``apply`` to declare a ``Function``; the arguments are its fields.

    Returns:
        A decorator that returns the ``Function`` in place of ``apply``.

    Raises:
        ValueError: as ``Function`` does.
    """

    def declare(apply: Callable[[Any, Any], Any]) -> Function:
        return Function(apply, x, params, wrt, example, name, doc, tuple(tags), version, x64, tuple(warm))

    return declare
