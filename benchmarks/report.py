"""Results → a table in Markdown, the figures as JSON, and a plot, side by side in ``results/``."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "jjt"  # the same figures give the same file
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.patches import Rectangle  # noqa: E402

RESULTS = Path(__file__).parent / "results"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(name: str, text: str, figures: Any) -> None:
    """Write ``name.md`` and ``name.json``, and print the text."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(text)


def text_bars(axis: str, groups: Mapping[str, Mapping[str, float]], width: int = 40) -> str:
    """The bars of a plot as text, on the same logarithmic axis from the shortest to the longest.

    Args:
        axis: what the bars' lengths are, with the unit.
        groups: bars by name in groups by name.
        width: of the longest bar, in characters.
    """
    values = [value for group in groups.values() for value in group.values()]
    low, high = math.log(min(values)), math.log(max(values))
    margin = max(len(kind) for group in groups.values() for kind in group)
    lines = [axis]
    for title, group in groups.items():
        lines += ["", title]
        for kind, value in group.items():
            share = (math.log(value) - low) / ((high - low) or 1.0)
            lines.append(f"  {kind:<{margin}} {'█' * (1 + round(share * (width - 1)))} {value:.3g}")
    return "\n".join(["```text", *lines, "```"])


def bars(name: str, title: str, axis: str, groups: Mapping[str, Mapping[str, float]]) -> None:
    """Draw grouped horizontal bars on a logarithmic axis, as ``name.png`` and ``name.svg``.

    Args:
        name: of the files.
        title: of the plot.
        axis: what the bars' lengths are, with the unit.
        groups: bars by name in groups by name.
    """
    height = 0.9 + 0.24 * sum(len(group) + 1 for group in groups.values())
    figure, axes = plt.subplots(figsize=(8, height), layout="constrained")
    kinds = list(dict.fromkeys(kind for group in groups.values() for kind in group))
    place, ticks = 0.0, []
    for group in groups.values():
        start = place
        for kind, value in group.items():
            axes.barh(place, value, 0.85, color=f"C{kinds.index(kind)}")
            axes.text(value, place, f" {value:.3g}", va="center", fontsize=7)
            place += 1
        ticks.append((start + place - 1) / 2)
        place += 1
    handles = [Rectangle((0, 0), 1, 1, color=f"C{index}") for index, _ in enumerate(kinds)]
    axes.legend(handles, kinds, fontsize=8, loc="best")
    axes.set_yticks(ticks, list(groups), fontsize=8)
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel=axis, title=title)
    axes.margins(x=0.12)
    for suffix in ("png", "svg"):
        metadata = {"Date": None} if suffix == "svg" else None
        figure.savefig(RESULTS / f"{name}.{suffix}", dpi=110, metadata=metadata)
    plt.close(figure)
