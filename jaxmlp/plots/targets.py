"""Pictures of what a network says beside what is true: of values, and of label sets."""

from collections.abc import Sequence

import numpy as np

from jaxmlp.plots.picture import QUIET, THIRD, TRAIN, VALIDATION, Picture, per_cent, styled
from jaxmlp.plots.values import short
from jaxmlp.text import count

MOST_OUTPUTS, MOST_LABELS = 4, 30  # that are shown


@styled
def predicted_values(targets: np.ndarray, outputs: np.ndarray, names: Sequence[str]) -> Picture:
    """Each output over its target, on the line where both are equal; and beside it what is left, the residuals.

    targets, outputs: [N, K]; at most MOST_OUTPUTS outputs are shown, one below the other.
    names: of the outputs.
    """
    N, K = targets.shape
    rows = min(K, MOST_OUTPUTS)
    figure = Picture(10, 3.8 * rows + 0.5)
    crowd = max(N, 1) ** 0.5
    style = {"ms": float(np.clip(120 / crowd, 1.5, 5)), "mew": 0, "alpha": float(np.clip(12 / crowd, 0.15, 0.8))}
    for k, (left, right) in enumerate(figure.subplots(rows, 2, squeeze=False)):
        t, y = targets[:, k].astype(float), outputs[:, k].astype(float)
        finite = np.isfinite(y)
        t, y, lost = t[finite], y[finite], int((~finite).sum())
        residuals, name = y - t, short(str(names[k]), 30)
        ends = (min(t.min(), y.min()), max(t.max(), y.max())) if t.size else (0.0, 1.0)
        left.plot(ends, ends, color=QUIET, lw=1, ls="--", label="equal")
        left.plot(t, y, "o", color=TRAIN, **style)
        variation = float(np.sum((t - t.mean()) ** 2)) if t.size else 0.0
        r2 = f"R2 {1 - float(np.sum(residuals**2)) / variation:.4f}" if variation else ""
        left.set(title=f"{name}: predicted", xlabel="target")
        left.set_title(r2 + (f", {lost:,} not finite" if lost else ""), loc="right", fontsize=10, color=TRAIN)
        right.axhline(0, color=QUIET, lw=1, ls="--")
        right.plot(y, residuals, "o", color=VALIDATION, **style)
        right.set(title="Predicted - target", xlabel="predicted")
        if t.size:
            text = f"mean {residuals.mean():.3g}, std {residuals.std():.3g}"
            right.set_title(text, loc="right", fontsize=10, color=VALIDATION)
    shown = f", the first {rows} of {K} outputs" if rows < K else ""
    figure.head(f"What is predicted of {count(N, 'test example')}{shown}")
    return figure


@styled
def label_rates(targets: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> Picture:
    """For each label how many of the examples that have it are found, and how many of those said to have it do.

    targets, predicted: [N, K] of 0 and 1; at most MOST_LABELS labels are shown, the most frequent ones.
    """
    N, K = targets.shape
    held, said, both = targets.sum(0), predicted.sum(0), (targets * predicted).sum(0)  # [K]
    shown = np.sort(np.argsort(-held, kind="stable")[:MOST_LABELS])[::-1]  # the first label on top
    figure = Picture(8, 0.42 * len(shown) + 1.9)
    axes, at = figure.subplots(), np.arange(len(shown))
    for shares, whole, name, colour, above in (
        (both, held, "recall: found of those that have it", TRAIN, 0.2),
        (both, said, "precision: right of those found", THIRD, -0.2),
    ):
        share = np.divide(shares, whole, out=np.zeros(K), where=whole > 0)[shown]
        axes.barh(at + above, share, height=0.36, color=colour, label=name)
        for x, y, n in zip(share, at + above, whole[shown], strict=True):
            axes.text(x + 0.008, y, f"{100 * x:.1f} % of {n:,}" if n else "none", va="center", fontsize=8, color=QUIET)
    axes.set_yticks(at, [short(str(names[k]), 24) for k in shown])
    axes.set(xlim=(0, 1.15), ylim=(-0.6, len(shown) - 0.4))
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.grid(visible=False)
    per_cent(axes.xaxis)
    exact, right = int((targets == predicted).all(1).sum()), int((targets == predicted).sum())
    of = f", the {len(shown)} most frequent of {K} labels" if len(shown) < K else ""
    figure.head(f"{exact:,} / {N:,} label sets right, {right:,} / {targets.size:,} single labels{of}")
    return figure
