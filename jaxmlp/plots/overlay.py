"""Pictures of several runs: their curves over each other, and their test results side by side."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np

from jaxmlp.plots.inline import note
from jaxmlp.plots.marks import measure_axis, score_axis
from jaxmlp.plots.means import HUES
from jaxmlp.plots.picture import QUIET, VALIDATION, Picture, per_cent, styled, whole_numbers
from jaxmlp.plots.trials import numbers
from jaxmlp.plots.values import short
from jaxmlp.scores import score_of
from jaxmlp.statistics import accuracy_interval
from jaxmlp.text import count

COLOURS = (*HUES, VALIDATION)
Lines = Sequence[Mapping[str, Any]]  # as in metrics.jsonl
Runs = Mapping[str, Mapping[str, Lines]]  # of each configuration the lines of each run, by name


@styled
def overlaid_curves(configurations: Runs) -> Picture:
    """Validation loss and score over the epochs: a colour for each configuration, a line for each run.

    Of several runs of a configuration, which differ in the seed, the mean is thick, as far as all of them go.
    """
    figure = Picture(10, 4.2)
    first = next((lines[0] for runs in configurations.values() for lines in runs.values() if lines), None)
    score = score_of(first["validation"] if first else ())
    labels = _labels(list(configurations))
    for panel, measure in zip(figure.subplots(1, 2), ("loss", score.name), strict=True):
        drawn = [np.empty(0)]
        for label, runs, colour, style in zip(labels, configurations.values(), *_styles(), strict=False):
            curves = {run: numbers([line["validation"].get(measure) for line in lines]) for run, lines in runs.items()}
            drawn += curves.values()
            several = len(curves) > 1
            for run, curve in curves.items():
                look = {"lw": 0.8, "alpha": 0.45} if several else {"lw": 1.8, "label": label}
                marker = "o" if len(curve) < 2 else ""
                panel.plot(_epochs(curve), curve, color=colour, ls=style, marker=marker, gid=run, **look)
            if several:
                shortest = min(map(len, curves.values()))
                mean = np.mean([curve[:shortest] for curve in curves.values()], axis=0)
                text = f"{label}, mean of {count(len(curves), 'seed')}"
                panel.plot(_epochs(mean), mean, color=colour, ls=style, lw=2.4, label=text)
        values = np.concatenate(drawn)
        if measure == "loss":
            measure_axis(panel, values[np.isfinite(values)])
        end = "" if measure == "loss" else score_axis(panel, score, values)
        panel.set(title=("loss" if measure == "loss" else score.title).capitalize() + end, xlabel="epoch")
        panel.set_xlim(0.5, max(1, *map(len, drawn)) + 0.5)
        whole_numbers(panel.xaxis)
    figure.head(f"Validation loss and {score.title} of each epoch")
    return figure


@styled
def result_intervals(configurations: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Picture:
    """The test accuracy (or R2) of each run with its 95 % interval, a row for each; runs of a configuration have a colour.

    The results are as in summary.json: accuracy, correct and count, or r2.
    """
    rows = [
        (run, result, colour)
        for runs, colour in zip(configurations.values(), cycle(COLOURS), strict=False)
        for run, result in runs.items()
    ]
    score = score_of(rows[0][1] if rows else ())
    figure = Picture(8, 0.26 * len(rows) + 1.5)
    axes = figure.subplots()
    for at, (run, result, colour) in enumerate(reversed(rows)):
        (value,) = numbers([result.get(score.name)])
        text = f"{run}: {score.text(value)}"
        if "correct" in result:
            low, high = accuracy_interval(result["correct"], result["count"])
            axes.plot([low, high], [at, at], color=colour, alpha=0.35, lw=5, solid_capstyle="butt", gid="note:")
            text += f" ({100 * low:.2f} to {100 * high:.2f} %), {result['correct']:,} of {result['count']:,}"
        if np.isfinite(value):
            (point,) = axes.plot([value], [at], "o", color=colour, ms=6)
            note(point, text)
    axes.set_yticks(range(len(rows)), [short(run, 40) for run, _, _ in reversed(rows)])
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0, labelcolor=QUIET)
    axes.set_ylim(-0.7, len(rows) - 0.3)
    if score.unit:
        per_cent(axes.xaxis)
    whole = ", with its 95 % interval (Wilson)" if rows and "correct" in rows[0][1] else ""
    figure.head(f"Test {score.title} of each run{whole}")
    return figure


def _labels(names: Sequence[str]) -> list[str]:
    """The names, shortened; with their numbers where that makes two of them the same, as the legend shows each once."""
    labels = [short(name, 60) for name in names]
    return labels if len(set(labels)) == len(names) else [f"{i}: {text}" for i, text in enumerate(labels, 1)]


def _styles() -> tuple[Any, Any]:
    """Endless colours, and how lines of them are broken: each colour is whole before it is dashed."""
    return cycle(COLOURS), (style for style in cycle(("-", (0, (5, 2)), (0, (1, 1.2)))) for _ in COLOURS)


def _epochs(curve: np.ndarray) -> np.ndarray:
    return np.arange(1, len(curve) + 1)
