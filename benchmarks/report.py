"""The result of a measurement, and the page of all results."""

from __future__ import annotations

import json
import os
import platform
import re
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LIBRARIES = ("airbyte-cdk", "msgspec", "orjson", "requests", "pydantic", "boto3")
_BYTES_PER_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal, the measured figure, and by how much it is missed ("" if it is met)."""

    wanted: str
    figure: str
    missed_by: str = ""

    @classmethod
    def at_most(cls, wanted: str, limit: float, figure: float, shown: str) -> Goal:
        """Met if the figure does not exceed the limit."""
        return cls(wanted, shown, "" if figure <= limit else f"{figure / limit - 1:.0%} over")

    @classmethod
    def at_least(cls, wanted: str, limit: float, figure: float, shown: str) -> Goal:
        """Met if the figure is not below the limit."""
        return cls(wanted, shown, "" if figure >= limit else f"{1 - figure / limit:.0%} under")

    @property
    def verdict(self) -> str:
        """The outcome, for a table."""
        return f"**missed, {self.missed_by}**" if self.missed_by else "met"


@dataclass(frozen=True, slots=True)
class Plot:
    """A line chart: points by the name of the line.

    bounds          reference lines, in the same form
    is_logarithmic  whether the x axis is logarithmic
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

    text   what was measured, in Markdown
    table  header and rows
    notes  caveats
    """

    title: str
    text: str
    table: Sequence[Sequence[str]]
    goals: Sequence[Goal] = ()
    notes: Sequence[str] = ()
    plots: Sequence[Plot] = field(default=())


def markdown(section: Section) -> str:
    """One measurement as Markdown, with a heading."""
    parts = [f"## {section.title}", section.text, _table(section.table)]
    parts += [f"![{plot.title}]({plot.file})" for plot in section.plots]
    parts += ["\n".join(f"- {note}" for note in section.notes)] if section.notes else []
    parts += [f"Goal: {goal.wanted}. Measured: {goal.figure}. {_sentence(goal)}" for goal in section.goals]
    return "\n\n".join(parts)


def goals_table(sections: Sequence[Section]) -> str:
    """All goals, one per line."""
    rows = [["measurement", "goal", "measured", "verdict"]]
    for section in sections:
        rows += [[section.title, goal.wanted, goal.figure, goal.verdict] for goal in section.goals]
    return _table(rows, numbers_from=len(rows[0]))


@dataclass(slots=True)
class Results:
    """What a run has measured.

    machine   what it ran on, in lines
    minutes   how long it took
    sections  by the name of the measurement
    """

    machine: list[str] = field(default_factory=list)
    minutes: float = 0.0
    sections: dict[str, Section] = field(default_factory=dict)

    def to_json(self) -> str:
        """As JSON that `from_json` reads."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Results:
        """The reverse of `to_json`."""
        content = json.loads(text)
        sections = {name: _section(each) for name, each in content["sections"].items()}
        return cls(content["machine"], content["minutes"], sections)


def _section(content: dict[str, Any]) -> Section:
    goals = [Goal(**goal) for goal in content.pop("goals")]
    plots = [Plot(**plot) for plot in content.pop("plots")]
    return Section(**content, goals=goals, plots=plots)


def page(results: Results) -> str:
    """The whole page."""
    intro = (
        "# Results of the benchmarks\n\n"
        "Written by `make bench`; [docs/performance.md](../docs/performance.md) says what is measured and how. The ratios "
        "are the claims: each compares interleaved processes in one run of the command. Seconds, rows per second and "
        "bytes hold for the machine below only. A figure is the median of several rounds, with minimum and maximum in "
        "parentheses."
    )
    sections = list(results.sections.values())
    took = f"The whole run took {results.minutes:.0f} minutes."
    machine_lines = "\n".join(f"- {line}" for line in [*results.machine, took])
    bodies = [markdown(section) for section in sections]
    return "\n\n".join([intro, machine_lines, "## Goals", goals_table(sections), *bodies]) + "\n"


def with_goals(document: str, sections: Sequence[Section]) -> str:
    """A document with the table of goals between its markers.

    Raises:
        LookupError: it has no such markers.
    """
    return _between_markers(document, "goals", goals_table(sections))


def with_tables(document: str, sections: Mapping[str, Section]) -> str:
    """A document with the tables of measurements, by name, between the markers that it has for some of them."""
    for name, section in sections.items():
        if f"<!-- {name} -->" in document:
            document = _between_markers(document, name, _table(section.table))
    return document


def _between_markers(document: str, name: str, content: str) -> str:
    place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end: {name} -->)", re.DOTALL)
    found = place.search(document)
    if found is None:
        raise LookupError(f"the document has no markers for {name}")
    return f"{document[: found.end(1)]}{content}\n{document[found.start(2) :]}"


def _sentence(goal: Goal) -> str:
    return f"**Missed, {goal.missed_by}.**" if goal.missed_by else "**Met.**"


def _table(rows: Sequence[Sequence[str]], numbers_from: int = 1) -> str:
    """A table whose columns are right-aligned from the given one on."""
    header, *rest = rows
    rule = ["---:" if column >= numbers_from else "---" for column in range(len(header))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *rest))


def machine() -> list[str]:
    """What this run runs on, in lines."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _BYTES_PER_GIB
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return [
        f"{os.cpu_count()} cores of {_processor()}, {memory:.0f} GiB of memory, {platform.system()}",
        f"{platform.python_implementation()} {platform.python_version()}; {libraries}",
    ]


def _processor() -> str:
    """The CPU model if known, otherwise the architecture."""
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.machine()
