"""The sides of ``structured`` go one way together or one each: the matrix is the same."""

from typing import Any

import pytest

from app.engine import Engine
from app.engine.algorithms import structured
from tests.engine.ask import ask
from tests.oracle import close, inputs, reference
from tests.zoo import ZOO

(ENTRY,) = [entry for entry in ZOO if entry.name == "resnet"]


@pytest.mark.parametrize(("cached", "together"), [(0, False), (1 << 30, True)])
def test_sides_go_together_or_each_by_itself(monkeypatch: pytest.MonkeyPatch, cached: int, together: bool):
    joined: list[bool] = []
    parts: Any = vars(structured)["_Parts"]
    both = parts.both

    def noted(*given: Any) -> Any:
        joined.append(True)
        return both(*given)

    monkeypatch.setattr(structured, "_CACHED", cached)
    monkeypatch.setattr(parts, "both", noted)
    x1, x2 = inputs(ENTRY)
    matrix = ask(Engine(), ENTRY.function, x1, x2, algorithm="structured")
    assert bool(joined) is together
    close(matrix, reference(ENTRY, ENTRY.function.wrt))
