"""Pictures of how a network was sure and how it was trained: the reliability of its probabilities, its learning rates."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxmlp.plots.inline import note
from jaxmlp.plots.picture import QUIET, TRAIN, VALIDATION, Picture, per_cent, powers, styled, whole_numbers
from jaxmlp.plots.trials import numbers
from jaxmlp.statistics import accuracy_interval
from jaxmlp.text import count

BINS = 10


class Bin(NamedTuple):
    """The predictions whose probability lies within a part of 0..1."""

    low: float
    high: float
    count: int  # pyright: ignore[reportIncompatibleMethodOverride]
    confidence: float  # the mean probability
    right: int


def reliability_bins(probabilities: np.ndarray, right: np.ndarray) -> list[Bin]:
    """Predictions [N] by their probability, in BINS equal parts of 0..1 without those that are empty.

    right: [N], whether what was given the probability is true.
    """
    p = probabilities.astype(float)
    parts = np.clip((p * BINS).astype(int), 0, BINS - 1)
    return [
        Bin(k / BINS, (k + 1) / BINS, int(inside.sum()), float(p[inside].mean()), int(right[inside].sum()))
        for k in range(BINS)
        if (inside := parts == k).any()
    ]


def calibration_error(bins: Sequence[Bin]) -> float:
    """The expected calibration error, sum(n |right / n - mean probability|) / N (Naeini, Cooper and Hauskrecht 2015)."""
    return sum(abs(part.right - part.count * part.confidence) for part in bins) / sum(part.count for part in bins)


@styled
def calibration(bins: Sequence[Bin], what: str = "prediction") -> Picture:
    """How often predictions of a probability are right, with 95 % intervals; and below how many there are of each.

    Points on the dashed line are right as often as they say; below it they are too sure.
    what: the noun of what is counted.
    """
    figure = Picture(6.4, 5)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color=QUIET, lw=1, ls="--", label="as often right as sure", gid="note:")
    shares = [part.right / part.count for part in bins]
    ends = [accuracy_interval(part.right, part.count) for part in bins]
    sure = [part.confidence for part in bins]
    above.vlines(sure, [low for low, _ in ends], [high for _, high in ends], color=TRAIN, alpha=0.35, lw=3)
    (points,) = above.plot(sure, shares, "o-", color=TRAIN, ms=6, lw=1.5, label="measured, with 95 % interval (Wilson)")
    texts = [
        f"probability {part.low:g} to {part.high:g}: {count(part.count, what)}, {100 * share:.1f} % right"
        f" ({100 * low:.1f} to {100 * high:.1f} %), on average {100 * part.confidence:.1f} % sure"
        for part, share, (low, high) in zip(bins, shares, ends, strict=True)
    ]
    if bins:
        note(points, *texts)
    for part, text in zip(bins, texts, strict=True):
        (bar,) = below.bar(part.low, part.count, part.high - part.low, align="edge", color=TRAIN, ec="white")
        note(bar, text)
        middle = (part.low + part.high) / 2
        below.annotate(
            f"{part.count:,}", (middle, part.count), (0, 2), textcoords="offset points", ha="center", fontsize=8
        )
    above.set(ylim=(-0.02, 1.02), xlim=(-0.02, 1.02), ylabel="right")
    most = max((part.count for part in bins), default=1)
    below.set(xlabel="probability", ylabel=f"{what}s", yscale="log", ylim=(0.6, most * max(most, 2) ** 0.3))
    below.set_yticks([])
    below.minorticks_off()
    per_cent(above.yaxis)
    per_cent(below.xaxis)
    error = f", expected calibration error {100 * calibration_error(bins):.2f} %" if bins else ""
    figure.head(f"Calibration{error}")
    return figure


@styled
def learning_rate(rows: Sequence[Mapping[str, Any]], best_epoch: int = 0) -> Picture:
    """The learning rate of the last step of each epoch, from rows as in metrics.jsonl; logarithmic where it falls far."""
    figure, epochs = Picture(6.4, 3.2), [row["epoch"] for row in rows]
    axes, rates = figure.subplots(), numbers([row["learning_rate"] for row in rows])
    axes.plot(epochs, rates, color=TRAIN, lw=1.8, marker="o" if len(rows) < 2 else "")
    if best_epoch in epochs:
        axes.axvline(best_epoch, color=VALIDATION, lw=0.9, ls=":", label=f"best epoch {best_epoch}")
    finite = rates[np.isfinite(rates) & (rates > 0)]
    if finite.size and finite.max() > 30 * finite.min():
        axes.set_yscale("log")
        powers(axes.yaxis, float(finite.min()), float(finite.max()))
    else:
        axes.set_ylim(0, 1.08 * float(finite.max()) if finite.size else 1)
    axes.set(xlabel="epoch", xlim=(min(epochs, default=1) - 0.5, max(epochs, default=1) + 0.5))
    whole_numbers(axes.xaxis)
    figure.head("Learning rate of each epoch")
    return figure
