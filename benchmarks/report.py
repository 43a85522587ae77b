"""What a measurement says, and the page of all of them."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_LIBRARIES = ("airbyte-cdk", "orjson", "requests", "pydantic", "boto3")
_BYTES_PER_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Goal:
    """What was wanted, what came out, and by how much it is missed ("" when it is met)."""

    wanted: str
    figure: str
    missed_by: str = ""

    @classmethod
    def at_most(cls, wanted: str, limit: float, figure: float, shown: str) -> Goal:
        """Met when the figure is not over the limit."""
        return cls(wanted, shown, "" if figure <= limit else f"{figure / limit - 1:.0%} over")

    @classmethod
    def at_least(cls, wanted: str, limit: float, figure: float, shown: str) -> Goal:
        """Met when the figure is not under the limit."""
        return cls(wanted, shown, "" if figure >= limit else f"{1 - figure / limit:.0%} under")

    @property
    def verdict(self) -> str:
        """For a table."""
        return f"**missed, {self.missed_by}**" if self.missed_by else "met"


@dataclass(frozen=True, slots=True)
class Plot:
    """Lines to draw: points by the name of the line.

    bounds          the same for what the lines are to be seen against
    is_logarithmic  of the x axis
    """

    file: str
    title: str
    x_label: str
    y_label: str
    lines: dict[str, list[tuple[float, float]]]
    bounds: dict[str, list[tuple[float, float]]]
    is_logarithmic: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """One measurement.

    text   what was done, in Markdown
    table  its header, and its rows
    notes  what is to be known of the figures
    """

    title: str
    text: str
    table: Sequence[Sequence[str]]
    goals: Sequence[Goal] = ()
    notes: Sequence[str] = ()
    plots: Sequence[Plot] = field(default=())


def markdown(section: Section) -> str:
    """One measurement, with a heading."""
    parts = [f"## {section.title}", section.text, _table(section.table)]
    parts += [f"![{plot.title}]({plot.file})" for plot in section.plots]
    parts += ["\n".join(f"- {note}" for note in section.notes)] if section.notes else []
    parts += [f"Goal: {goal.wanted}. Measured: {goal.figure}. {_sentence(goal)}" for goal in section.goals]
    return "\n\n".join(parts)


def goals_table(sections: Sequence[Section]) -> str:
    """All goals, one a line."""
    rows = [["measurement", "goal", "measured", "verdict"]]
    for section in sections:
        rows += [[section.title, goal.wanted, goal.figure, goal.verdict] for goal in section.goals]
    return _table(rows, numbers_from=len(rows[0]))


def page(sections: Sequence[Section], compared: Sequence[str], minutes: float) -> str:
    """The whole page.

    compared  names and versions of the libraries that were compared with
    """
    intro = (
        "# Results of the benchmarks\n\n"
        "Written by `make bench`; what is measured and how stands in [docs/performance.md](../docs/performance.md). "
        "The claims are the ratios: each compares processes that ran in turn, in one run of the command. Seconds, rows "
        "per second and bytes are those of the machine below, and differ on any other. A figure is the median of "
        "several rounds, with the least and the greatest in brackets."
    )
    machine = "\n".join(
        f"- {line}" for line in [*_machine(), *compared, f"The whole run took {minutes:.0f} minutes."]
    )
    bodies = [markdown(section) for section in sections]
    return "\n\n".join([intro, machine, "## Goals", goals_table(sections), *bodies]) + "\n"


def with_goals(document: str, sections: Sequence[Section]) -> str:
    """A document with the table of goals in its place for it.

    Raises:
        LookupError: it has no such place.
    """
    place = re.compile(r"(<!-- goals -->\n).*?(<!-- end: goals -->)", re.DOTALL)
    found = place.search(document)
    if found is None:
        raise LookupError("the document has no place for the goals")
    return f"{document[: found.end(1)]}{goals_table(sections)}\n{document[found.start(2) :]}"


def _sentence(goal: Goal) -> str:
    return f"**Missed, {goal.missed_by}.**" if goal.missed_by else "**Met.**"


def _table(rows: Sequence[Sequence[str]], numbers_from: int = 1) -> str:
    """A table whose columns from the given one on stand to the right."""
    header, *rest = rows
    rule = ["---:" if column >= numbers_from else "---" for column in range(len(header))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *rest))


def _machine() -> list[str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _BYTES_PER_GIB
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return [
        f"{os.cpu_count()} cores of {_processor()}, {memory:.0f} GiB of memory, {platform.system()}",
        f"{platform.python_implementation()} {platform.python_version()}; {libraries}",
    ]


def _processor() -> str:
    """The model, where the system says it."""
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.machine()
