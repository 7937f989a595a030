"""Pictures of single runs as curves: loss and accuracy over the epochs, a perceptron's error, the error over eps."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxmlp.plots.marks import score_axis
from jaxmlp.plots.picture import (
    FIFTH,
    FOURTH,
    INK,
    QUIET,
    THIRD,
    TRAIN,
    VALIDATION,
    Picture,
    per_cent,
    powers,
    ring,
    styled,
    whole_numbers,
)
from jaxmlp.plots.trials import numbers
from jaxmlp.scores import score_of
from jaxmlp.text import count

SPLITS = (("train", TRAIN, (0, (4, 1.5))), ("validation", VALIDATION, "-"))


@styled
def run_curves(rows: Sequence[Mapping[str, Any]], best_epoch: int) -> Picture:
    """Loss and score (accuracy, or R2) of an epoch on training and validation data, from rows as in metrics.jsonl.

    A loss of None or NaN (a diverged epoch) is a gap that the title names; a `best_epoch` not among the rows is not marked.
    """
    figure, epochs = Picture(10, 4), [row["epoch"] for row in rows]
    panels, lost = figure.subplots(1, 2), set()
    score = score_of(rows[0]["validation"] if rows else ())
    for axes, measure in zip(panels, ("loss", score.name), strict=True):
        drawn = []
        for split, colour, style in SPLITS:
            values = numbers([row[split][measure] for row in rows])
            drawn.append(values)
            marker = "o" if np.isfinite(values).sum() < 2 else ""  # a line through one point is invisible
            axes.plot(epochs, values, color=colour, linestyle=style, lw=1.8, marker=marker, label=split)
            lost |= {
                epoch for epoch, value in zip(epochs, values, strict=True) if measure == "loss" and np.isnan(value)
            }
            best = values[epochs.index(best_epoch)] if best_epoch in epochs else np.nan
            if split == "validation" and np.isfinite(best):
                axes.axvline(best_epoch, color=QUIET, lw=0.9, ls=":", zorder=1)
                ring(axes, best_epoch, best, size=7, fill="white")
                text = f"{best:.4g}" if measure == "loss" else f"{score.factor * best:.4g}{score.unit}"
                axes.set_title(f"best epoch {best_epoch}: {text}", loc="right", fontsize=10, color=VALIDATION)
        end = "" if measure == "loss" else score_axis(axes, score, np.concatenate(drawn))
        axes.set(title=("loss" if measure == "loss" else score.title).capitalize() + end, xlabel="epoch")
        axes.set_xlim(min(epochs, default=1) - 0.5, max(epochs, default=1) + 0.5)
        whole_numbers(axes.xaxis)
    which = ", ".join(map(str, sorted(lost)[:3])) + ", …" * (len(lost) > 3)
    figure.head(f"Loss and {score.title} of each epoch" + (f" (no finite loss in epoch {which})" if lost else ""))
    return figure


@styled
def seed_curves(runs: Sequence[Mapping[str, Any]], published_stop: int | None = None) -> Picture:
    """Loss and accuracy over the epochs: seeds thin, the median of those still running thick, best epochs ringed.

    Each run has its `best_epoch` and `curves`: for train_loss, validation_loss, ... a number an epoch.
    """
    figure = Picture(10, 4)
    panels = figure.subplots(1, 2)
    for axes, measure in zip(panels, ("loss", "accuracy"), strict=True):
        for split, colour, _ in SPLITS:
            lines = [numbers(run["curves"][f"{split}_{measure}"]) for run in runs]
            for line, run in zip(lines, runs, strict=True):
                axes.plot(range(1, len(line) + 1), line, color=colour, lw=0.7, alpha=0.35)
                if split == "validation" and (best := run["best_epoch"]):
                    style = {"ms": 4, "mfc": "white", "mec": colour, "alpha": 0.8, "zorder": 3}
                    axes.plot([best], [line[best - 1]], "o", **style)
            middle = _median(lines)
            text = f"{split}, median of {count(len(runs), 'seed')}"
            axes.plot(range(1, len(middle) + 1), middle, color=colour, lw=2.4, label=text)
        if published_stop is not None:
            axes.axvline(published_stop, color=QUIET, lw=1, ls="--", label=f"the report stops: epoch {published_stop}")
        axes.set(title=measure.capitalize(), xlabel="epoch")
        whole_numbers(axes.xaxis)
    per_cent(panels[1].yaxis)
    figure.head("")
    return figure


@styled
def eps_errors(errors: Mapping[str, Mapping[str, Any]], report_eps: float) -> Picture:
    """The error of central differences over eps on logarithmic axes, by precision: slope 2, and a floor.

    For each name: `eps`, `error`, `slope` (or None) and `floor`.
    """
    figure = Picture(7, 4.6)
    axes = figure.subplots()
    for (name, curve), colour in zip(errors.items(), (TRAIN, VALIDATION), strict=False):
        text = name if curve["slope"] is None else f"{name}: slope {curve['slope']:.2f}, floor {curve['floor']:.0e}"
        axes.loglog(curve["eps"], numbers(curve["error"]), "o-", color=colour, ms=4, lw=1.8, label=text)
    first = next(iter(errors.values()))
    eps = np.asarray(first["eps"])
    axes.loglog(eps, numbers(first["error"])[0] * (eps / eps[0]) ** 2, color=INK, lw=1, ls=":", label="eps squared")
    axes.axvline(report_eps, color=THIRD, lw=1, ls="--", label=f"the report's eps, {report_eps:g}")
    axes.set(xlabel="eps", ylim=(1e-13, None))
    powers(axes.xaxis)
    powers(axes.yaxis)
    figure.head("Largest |central difference - automatic gradient|")
    return figure


@styled
def perceptron_errors(curves: Mapping[str, Sequence[Sequence[Any]]], threshold: float | int = 0.0) -> Picture:
    """The mean error of an example, window by window of steps: a colour for each activation, a line for each seed.

    A curve is pairs of step and error; the last window may hold a few steps only, and is left out.
    """
    figure = Picture(7, 4.2)
    axes = figure.subplots()
    for (name, lines), colour in zip(curves.items(), (TRAIN, VALIDATION, THIRD, FOURTH, FIFTH), strict=False):
        for index, line in enumerate(lines):
            steps, errors = np.array(line[:-1] if len(line) > 1 else line, float).reshape(-1, 2).T
            style = {"lw": 1.4 if len(lines) == 1 else 0.8, "marker": "." if len(steps) < 2 else ""}
            axes.plot(steps, errors, color=colour, label="" if index else name, **style)
    if any(error > 0 and np.isfinite(error) for lines in curves.values() for line in lines for _, error in line):
        axes.set(xscale="log", yscale="log")
        powers(axes.xaxis)
        powers(axes.yaxis)
    axes.set_xlabel("step")
    figure.head("Mean error of an example" + (f" (one below {threshold:g} ends it)" if threshold else ""))
    return figure


def _median(lines: Sequence[np.ndarray]) -> np.ndarray:
    """Epoch by epoch, over the seeds that are still running, as long as those are at least half of them."""
    lengths = sorted((len(line) for line in lines), reverse=True)
    shown = lengths[(len(lines) - 1) // 2]
    return np.array([np.median([line[epoch] for line in lines if len(line) > epoch]) for epoch in range(shown)])
