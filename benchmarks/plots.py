"""Draws the plots as SVG: `python -m benchmarks.plots FOLDER`, with the plots as JSON on stdin.

A separate program, because matplotlib is not installed in the connector's environment.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.ticker import EngFormatter

# Readable on both light and dark pages.
_INK = "#7a828e"
_COLORS = ["#2f81f7", "#e3742f", "#2da44e", "#a371f7", "#d4a72c"]


def draw(plot: dict[str, Any], folder: Path) -> None:
    """Write one plot; the same figures yield the same bytes."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for color, (name, points) in zip(_COLORS, plot["lines"].items(), strict=False):
        axes.plot(*zip(*points, strict=True), marker="o", color=color, label=name)
    for name, points in plot["bounds"].items():
        axes.plot(*zip(*points, strict=True), linestyle="--", color=_INK, label=name)
    axes.set(title=plot["title"], xlabel=plot["x_label"], ylabel=plot["y_label"])
    if plot["is_logarithmic"]:
        axes.set_xscale("log")
    else:
        axes.set_xticks(sorted({x for points in plot["lines"].values() for x, _ in points}))
    axes.set_ylim(0, axes.get_ylim()[1])
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid(color=_INK, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, labelcolor=_INK)
    figure.savefig(folder / plot["file"], transparent=True, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def main() -> None:
    """Draw all plots from stdin into the folder."""
    mpl.use("svg")
    mpl.rcParams.update(
        {
            "svg.hashsalt": "benchmarks",
            "svg.fonttype": "none",
            "font.family": "sans-serif",
            **dict.fromkeys(
                ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), _INK
            ),
        }
    )
    for plot in json.load(sys.stdin):
        draw(plot, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
