"""What a benchmark found, as it is printed: a table for people, ratios for comparing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Ratio:
    """One result. `least` or `most` is the aim; without either the figure is for information."""

    name: str
    value: float
    least: float | None = None
    most: float | None = None

    @property
    def aim(self) -> str:
        """Return the aim as text; a dash where there is none."""
        if self.least is not None:
            return f">={self.least:g}"
        return f"<={self.most:g}" if self.most is not None else "-"

    @property
    def is_reached(self) -> bool:
        """Say whether the aim is reached."""
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    def __str__(self) -> str:
        """Return the line that is printed."""
        mark = "" if self.is_reached else " (short of it)"
        return f"RATIO {self.name} {self.value:.2f} {self.aim}{mark}"


@dataclass(slots=True)
class Result:
    """What a benchmark found: a table for people, ratios for comparing."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)

    def show(self) -> None:
        """Print the table and the ratios."""
        cells = [list(self.columns), *[list(row) for row in self.rows]]
        widths = [max(len(row[place]) for row in cells) for place in range(len(self.columns))]
        print(f"\n{self.title}")
        for row in cells:
            aligned = [
                cell.ljust(width) if place == 0 else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            print("  " + "  ".join(aligned).rstrip())
        for ratio in self.ratios:
            print(ratio)
        sys.stdout.flush()
