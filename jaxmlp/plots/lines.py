"""Pictures of a sweep in which every trial is a line: over its epochs, and across all axes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.patheffects import withStroke

from jaxmlp.plots.marks import COLOURS, LOST, PRUNED, colour_bar, colouring, lost, measure_axis, opacity, score_axis
from jaxmlp.plots.picture import INK, VALIDATION, Picture, ring, styled, whole_numbers
from jaxmlp.plots.scale import Scale
from jaxmlp.plots.trials import (
    LOSS,
    Rows,
    best_label,
    best_of,
    ceiling,
    cut,
    diverged,
    failure,
    logarithmic,
    measured,
    number,
    numbers,
    pruned,
    score,
)
from jaxmlp.plots.values import short
from jaxmlp.text import count

Curves = Mapping[int, Mapping[str, Sequence[float | None]]]
MOST_LINES, MOST_AXES = 2000, 12
ABOVE = 1.12  # of the height of the axes: where diverged trials end, clear of the worst loss at 1


@styled
def learning_curves(rows: Rows, axes: Sequence[str], curves: Curves, best: int | None) -> Picture:
    """Validation loss and score of every trial over the epochs, coloured by its loss; the best thick, its epoch ringed.

    Pruned trials are purple and thinner. Beyond MOST_LINES trials an even sample is drawn, as the title says. A cross is
    where a trial diverged.
    """
    known = [row for row in rows if curves.get(row["trial"])]
    shown, winner = sample(known, best), best_of(known, best)
    norm, _ = colouring(measured([row for row in shown if not pruned(row)], LOSS))
    figure, measured_by = Picture(10, 4.4), score(rows)
    for panel, measure in zip(figure.subplots(1, 2), ("loss", measured_by.name), strict=True):
        lines = [numbers(curves[row["trial"]][f"validation_{measure}"]) for row in shown]
        values = _finite(lines)
        kept = _finite([line for line, row in zip(lines, shown, strict=True) if not diverged(row)])
        top = min(2 * ceiling(kept), ceiling(values)) if kept.size else ceiling(values)
        top = top if measure == "loss" else math.inf
        lines = [np.minimum(line, top) for line in lines]
        end = cut(values, top)
        if measure == "loss":
            measure_axis(panel, np.minimum(values, top))
        else:
            end = score_axis(panel, measured_by, values)
        _lines(panel, [np.column_stack([np.arange(1, len(line) + 1), line]) for line in lines], shown, norm, winner)
        _ends(
            panel,
            [line for line, row in zip(lines, shown, strict=True) if diverged(row)],
            sum(map(diverged, known)),
            opacity(shown),
        )
        if winner is not None:
            line, epoch = lines[shown.index(winner)].tolist(), winner["best_epoch"]
            if 1 <= epoch <= len(line) and math.isfinite(line[epoch - 1]):
                text = f"{best_label([winner], axes)}; epoch {epoch}"
                ring(panel, epoch, line[epoch - 1], text, size=8, fill="white")
        if any(map(pruned, shown)):
            panel.plot([], [], color=PRUNED, lw=1.3, label="pruned", gid="pruned")
        panel.set_title((measure if measure == "loss" else measured_by.title).capitalize() + end)
        panel.set(xlabel="epoch", xlim=(0.5, max(map(len, lines), default=1) + 0.5))
        whole_numbers(panel.xaxis)
    sampled = f" ({len(shown):,} of {len(known):,} drawn)" if len(shown) < len(known) else ""
    figure.head(f"Validation curves of {count(len(known), 'trial')}{sampled}{failure(known)}")
    return figure


@styled
def parallel_coordinates(rows: Rows, axes: Sequence[str], best: int | None) -> Picture:
    """Every trial a line across its values on all axes, to its validation loss; the darker the better, see the colour bar.

    A pruned trial is purple and thin; a diverged one is grey, dashed, and ends above the losses. Up to MOST_AXES axes are
    shown, those that vary first.
    """
    shown, winner = sample(rows, best), best_of(rows, best)
    losses, whole = measured(shown, LOSS), [row for row in shown if not pruned(row)]
    ends = [{LOSS: min(number(row.get(LOSS)), ceiling(losses))} for row in shown if not diverged(row)]
    last = Scale.of(ends or [{LOSS: 1.0}], LOSS, "log" if logarithmic(losses) else "linear")
    scales = [Scale.of(shown, key) for key in varying(rows, axes)]
    heights = [scale.jittered() for scale in scales]
    end_heights = iter(last.shares(last.positions))
    heights.append(np.array([ABOVE if diverged(row) else next(end_heights) for row in shown]))
    paths = [_eased(trial) for trial in np.column_stack(heights)]

    spacing = min(1.9, 11.8 / len(scales))  # inches from one axis to the next
    figure = Picture(max(spacing * len(scales) + 2.8, 7), 5.4)
    panel = figure.subplots()
    panel.set(xlim=(0, len(scales)), ylim=(0, 1), yticks=[])
    panel.spines[:].set_visible(False)
    panel.set_xticks(range(len(scales) + 1), [short(scale.name, 24) for scale in [*scales, last]])
    panel.tick_params(axis="x", length=0, labelsize=10, labelcolor=INK)
    norm, extend = colouring(measured(whole, LOSS))
    if coloured := _lines(panel, paths, shown, norm, winner):
        bar = colour_bar(panel, coloured, extend)
        bar.set_label("validation loss" + (", not pruned" if len(whole) < len(shown) else ""))
    for index, scale in enumerate([*scales, last]):
        _upright(panel, index / len(scales), scale, letters=int(11 * spacing))
    if winner is not None:
        panel.plot([], [], color=VALIDATION, lw=2.6, label=best_label([winner], axes))
    if any(map(diverged, shown)):
        panel.plot([len(scales)], [ABOVE], "x", ms=7, mew=1.5, clip_on=False, **lost(sum(map(diverged, rows))))
    if early := sum(map(pruned, rows)):
        text = f"pruned ({early:,}): the loss of fewer epochs"
        panel.plot([], [], color=PRUNED, lw=1.3, label=text, gid="pruned")
    sampled = f" ({len(shown):,} drawn)" if len(shown) < len(rows) else ""
    figure.head(f"{count(len(rows), 'trial')}{sampled} across all axes{failure(rows)}")
    return figure


def sample(rows: Rows, best: int | None) -> list[Any]:
    """At most MOST_LINES rows, evenly taken, and the best among them."""
    if len(rows) <= MOST_LINES:
        return list(rows)
    taken = set(np.linspace(0, len(rows) - 1, MOST_LINES).astype(int).tolist())
    return [row for index, row in enumerate(rows) if index in taken or row["trial"] == best]


def varying(rows: Rows, axes: Sequence[str]) -> list[str]:
    """Up to MOST_AXES axes, in their order; where there are more, those with one value give way."""
    ranked = sorted(axes, key=lambda key: len(Scale.of(rows, key).levels) < 2)[:MOST_AXES]
    return [key for key in axes if key in ranked]


def _lines(panel: Axes, paths: Sequence[np.ndarray], rows: Rows, norm: Normalize, winner: Any) -> ScalarMappable | None:
    """Draw diverged trials first, then pruned ones, then from the worst to the best: the last drawn lies on top.

    Returns what a colour bar needs; None if no line is coloured by its loss.
    """
    colours = ScalarMappable(norm, ListedColormap(matplotlib.colormaps[COLOURS](np.linspace(0, 0.94, 256))))
    order = sorted(range(len(rows)), key=lambda i: -number(rows[i].get(LOSS)) if not diverged(rows[i]) else -math.inf)
    ended = [i for i in order if diverged(rows[i])]
    early = [i for i in order if pruned(rows[i]) and rows[i] is not winner]
    kept = [i for i in order if i not in {*ended, *early} and rows[i] is not winner]
    thin, alpha = (1.3 if len(rows) <= 100 else 0.9), opacity(rows)
    of_kept = colours.to_rgba(np.array([number(rows[i][LOSS]) for i in kept]))
    dashed = {"linestyles": [(0, (4, 2))], "clip_on": False}
    for chosen, colour, width, clear, more in (
        (ended, LOST, thin, 0.7, dashed),
        (early, PRUNED, 0.8, 0.6, {}),
        (kept, of_kept, thin, 1.0, {}),
    ):
        style = {"colors": colour, "linewidths": width, "alpha": clear * alpha, **more}
        panel.add_collection(LineCollection([paths[i] for i in chosen], **style))
    for i, colour in zip(early + kept, [*[PRUNED] * len(early), *of_kept], strict=True):
        if np.isfinite(paths[i]).all(axis=1).sum() == 1:  # a line through one point is invisible
            panel.plot(*paths[i].T, "o", color=colour, ms=4, mew=0)
    if winner is not None:
        x, y = paths[[row is winner for row in rows].index(True)].T
        panel.plot(x, y, color="white", lw=5, zorder=4)
        panel.plot(x, y, color=VALIDATION, lw=2.6, zorder=5, gid="best line")
    panel.autoscale_view()
    return colours if kept else None


def _ends(panel: Axes, lines: Sequence[np.ndarray], trials: int, alpha: float) -> None:
    """A cross at the last finite value of each line, of so many diverged trials; on the top edge where it never had one."""
    last = [(np.flatnonzero(np.isfinite(line))[-1:], line) for line in lines]
    points = np.array([(i[0] + 1, line[i[0]]) for i, line in last if i.size]).reshape(-1, 2)
    never = sum(not i.size for i, _ in last)
    mark = {"ms": 5, "mew": 1.2, "alpha": max(0.5, alpha), "zorder": 3, **lost(trials)}
    if lines:
        panel.plot(*points.T, "x", **mark)
    if never:
        panel.plot([1] * never, [1] * never, "x", transform=panel.get_xaxis_transform(), clip_on=False, **mark)


def _upright(panel: Axes, at: float, scale: Scale, letters: int) -> None:
    """One of the parallel axes, at a share of the width, with its ticks at its left."""
    axis = panel.twinx()
    scale.on(axis.yaxis, letters)
    axis.spines[:].set_visible(False)
    axis.spines.left.set(position=("axes", at), visible=True)
    axis.yaxis.tick_left()
    axis.grid(visible=False)
    for text in axis.get_yticklabels():
        text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])


def _eased(heights: np.ndarray) -> np.ndarray:
    """A path through the heights that crosses every axis at a right angle."""
    t = np.linspace(0, 1, 21)[:-1]
    ease = t * t * (3 - 2 * t)
    y = (heights[:-1, None] + np.diff(heights)[:, None] * ease).ravel()
    x = (np.arange(len(heights) - 1)[:, None] + t).ravel()
    return np.column_stack([np.append(x, len(heights) - 1), np.append(y, heights[-1])])


def _finite(lines: Sequence[np.ndarray]) -> np.ndarray:
    values = np.concatenate([np.empty(0), *lines])
    return values[np.isfinite(values)]
