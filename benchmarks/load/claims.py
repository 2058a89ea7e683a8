"""What is expected of a part, and what was measured: one line of its table."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Claim:
    """One expectation.

    Args:
        expected: in words.
        measured: in words, with units.
        holds: whether it was so.
    """

    expected: str
    measured: str
    holds: bool


@dataclass
class Part:
    """What came of one part.

    Args:
        title: of its table.
        about: what was done, in a sentence.
        claims: in the order of the table.
        figures: beside them.
    """

    title: str
    about: str
    claims: list[Claim] = field(default_factory=list)
    figures: dict[str, float | str | Mapping[str, int]] = field(default_factory=dict)

    def most(self, what: str, value: float, bound: float, unit: str = "") -> None:
        """Claim that a figure is no more than a bound."""
        self.claims.append(Claim(f"{what} ≤ {bound:.4g}{unit}", f"{value:.4g}{unit}", value <= bound))
        self.figures[what] = value

    def least(self, what: str, value: float, bound: float, unit: str = "") -> None:
        """Claim that a figure is no less than a bound."""
        self.claims.append(Claim(f"{what} ≥ {bound:.4g}{unit}", f"{value:.4g}{unit}", value >= bound))
        self.figures[what] = value

    def none(self, what: str, found: object) -> None:
        """Claim that there is none of something."""
        self.claims.append(Claim(f"no {what}", str(found)[:300] if found else "none", not found))

    def number(self, what: str) -> float:
        """A figure that is a number."""
        return float(str(self.figures[what]))

    @property
    def broken(self) -> list[str]:
        """The claims that do not hold, in words."""
        return [
            f"{self.title}: {each.expected}, measured {each.measured}"
            for each in self.claims
            if not each.holds
        ]
