"""Pictures of a sweep in which every trial is a line: over its epochs, and across all axes.

Every function takes rows as in the table of the sweep and writes one PNG; see `marks` for what counts as diverged.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxmlp.plots.canvas import INK, QUIET, VALIDATION, page, panel, write
from jaxmlp.plots.marks import (
    COLOURS,
    LOSS,
    LOST,
    PRUNED,
    apart,
    best_of,
    best_words,
    ceiling,
    colour_bar,
    colouring,
    diverged,
    heading,
    legend,
    logarithmic,
    measured,
    number,
    opacity,
    plain,
    pruned,
    subtitle,
)
from jaxmlp.plots.scale import Rows, Scale, short
from jaxmlp.text import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

Curves = Mapping[int, Mapping[str, Sequence[float | None]]]
MOST_LINES, MOST_AXES = 2000, 12


def learning_curves(path: Path, rows: Rows, axes: Sequence[str], curves: Curves, best: int | None) -> None:
    """Validation loss and accuracy of every trial over the epochs, coloured by its loss; the best thick.

    Pruned ones are purple and thinner. Beyond MOST_LINES trials an even sample is drawn, and said. A cross is where
    a trial diverged.
    """
    from matplotlib.ticker import MaxNLocator

    known = [row for row in rows if curves.get(row["trial"])]
    shown, winner = sample(known, best), best_of(known, best)
    figure = page(1000, 440)
    sampled = f" ({len(shown):,} of {len(known):,} drawn)" if len(shown) < len(known) else ""
    heading(figure, f"Validation curves of {count(len(known), 'trial')}{sampled}", best_words(rows, axes, best))
    norm, _ = colouring(measured(_whole(shown), LOSS))
    for left, measure in ((70, "loss"), (575, "accuracy")):
        place = panel(figure, (left, 55, 405, 275))
        lines = [_finite(curves[row["trial"]][f"validation_{measure}"]) for row in shown]
        every, kept = (
            _all_finite(lines),
            _all_finite([x for x, row in zip(lines, shown, strict=True) if not diverged(row)]),
        )
        top = min(2 * ceiling(kept), ceiling(every)) if measure == "loss" and kept.size else ceiling(every)
        lines = [np.minimum(line, top) for line in lines]
        plain(place, np.minimum(every, top) if measure == "loss" else None)
        _lines(place, [np.column_stack([np.arange(1, len(line) + 1), line]) for line in lines], shown, norm, best)
        if measure == "accuracy" and any(map(pruned, shown)):
            place.plot([], [], color=PRUNED, lw=1.3, label="pruned", gid="pruned")
        _ends(place, lines, shown)
        if winner is not None:
            _mark_epoch(place, lines[shown.index(winner)], winner["best_epoch"])
        subtitle(place, measure.capitalize() + (f" (cut at {top:.2g})" if every.size and every.max() > top else ""))
        place.set_xlabel("epoch", color=QUIET)
        place.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
        place.set_xlim(0.5, max(map(len, lines), default=1) + 0.5)
        legend(place)
    write(path, figure)


def parallel_coordinates(path: Path, rows: Rows, axes: Sequence[str], best: int | None) -> None:
    """Every trial a line across its values on all axes, to its validation loss; the darker the better, as a bar says.

    A pruned trial is purple and thin; a diverged one is grey, dashed, and ends above the losses. Up to MOST_AXES axes are
    shown, those that vary first.
    """
    shown = sample(rows, best)
    scales = [Scale.of(shown, key) for key in varying(rows, axes)]
    losses = measured(shown, LOSS)
    top = ceiling(losses)
    ends = [{LOSS: min(number(row.get(LOSS)), top)} for row in shown if not diverged(row)]
    last = Scale.of(ends or [{LOSS: 1.0}], LOSS, "log" if logarithmic(losses) else "linear")
    step = min(190, 1180 // len(scales))
    left = int(np.clip(30 + 7 * max(map(len, scales[0].levels.values())), 110, 180))
    figure = page(max(left + step * len(scales) + 130, 700), 525)
    sampled = f" ({len(shown):,} drawn)" if len(shown) < len(rows) else ""
    heading(figure, f"{count(len(rows), 'trial')}{sampled} across all axes", best_words(rows, axes, best))
    place = panel(figure, (left, 55, step * len(scales), 330))
    place.set(xlim=(0, len(scales)), ylim=(0, 1))
    place.set_axis_off()
    heights = [_height(scale, scale.positions) + apart(scale) for scale in scales]
    to = iter(_height(last, last.positions))
    heights.append(np.array([1.12 if diverged(row) else next(to) for row in shown]))
    paths = [_eased(trial) for trial in np.column_stack(heights)]
    norm, extend = colouring(measured(_whole(shown), LOSS))
    if coloured := _lines(place, paths, shown, norm, best):
        bar = colour_bar(place, coloured, extend, gap=30)
        bar.set_ylabel("validation loss" + (", not pruned" if any(map(pruned, shown)) else ""), color=QUIET, fontsize=9)
    if early := sum(map(pruned, rows)):
        place.plot([], [], color=PRUNED, lw=1.3, label=f"pruned ({early:,}): the loss of fewer epochs", gid="pruned")
        place.legend(loc="lower left", bbox_to_anchor=(0, 1.02), frameon=False, labelcolor=INK, fontsize=9)
    staggered = max(len(short(scale.name, 24)) for scale in [*scales, last]) * 7.5 > step
    for index, scale in enumerate([*scales, last]):
        _upright(place, index, scale, down=18 + 16 * (index % 2) * staggered)
    if any(map(diverged, shown)):
        place.plot(len(scales), 1.12, "x", color=LOST, ms=7, mew=1.5, clip_on=False, gid="diverged")
        lost = sum(map(diverged, rows))
        place.text(len(scales) + 10 / step, 1.12, f"diverged ({lost})", va="center", fontsize=9, color=QUIET)
    write(path, figure)


def sample(rows: Rows, best: int | None) -> list[Any]:
    """At most MOST_LINES rows, evenly taken, and the best among them."""
    if len(rows) <= MOST_LINES:
        return list(rows)
    taken = set(np.linspace(0, len(rows) - 1, MOST_LINES).astype(int).tolist())
    return [row for index, row in enumerate(rows) if index in taken or row["trial"] == best]


def _lines(place: "Axes", paths: Sequence[np.ndarray], rows: Rows, norm: "Normalize", best: int | None) -> Any:
    """Diverged ones first, then pruned, then from the worst to the best: the last drawn lies on top.

    Returns what a bar of the colours needs; None if no line is coloured by its loss.
    """
    import matplotlib
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import LineCollection
    from matplotlib.colors import ListedColormap

    winner = best_of(rows, best)
    order = sorted(range(len(rows)), key=lambda i: -math.inf if diverged(rows[i]) else -number(rows[i][LOSS]))
    lost = [paths[i] for i in order if diverged(rows[i])]
    early, kept = (
        [i for i in order if not diverged(rows[i]) and rows[i] is not winner and pruned(rows[i]) == so]
        for so in (True, False)
    )
    thin, alpha = (1.3 if len(rows) <= 100 else 0.9), opacity(rows)
    dashes = {"linestyles": [(0, (4, 2))], "linewidths": thin, "alpha": 0.7 * alpha, "clip_on": False}
    place.add_collection(LineCollection(lost, colors=LOST, **dashes))
    map_ = ScalarMappable(norm, ListedColormap(matplotlib.colormaps[COLOURS](np.linspace(0, 0.94, 256))))
    purple, colours = [PRUNED] * len(early), map_.to_rgba(np.array([number(rows[i][LOSS]) for i in kept]))
    place.add_collection(LineCollection([paths[i] for i in early], colors=purple, linewidths=0.8, alpha=0.6 * alpha))
    place.add_collection(LineCollection([paths[i] for i in kept], colors=colours, linewidths=thin, alpha=alpha))
    for i, colour in zip(early + kept, [*purple, *colours], strict=True):
        if np.isfinite(paths[i]).all(axis=1).sum() == 1:  # a line through one point is invisible
            place.plot(*paths[i].T, "o", color=colour, ms=4, mew=0)
    if winner is not None:
        x, y = paths[list(rows).index(winner)].T
        place.plot(x, y, color="white", lw=5, zorder=4)
        place.plot(x, y, color=VALIDATION, lw=2.6, zorder=5, gid="best line")
    place.autoscale_view()
    return map_ if kept else None


def _ends(place: "Axes", lines: Sequence[np.ndarray], rows: Rows) -> None:
    """A cross at the last finite value of each diverged trial; on the top edge where it never had one."""
    lost = [line for line, row in zip(lines, rows, strict=True) if diverged(row)]
    last = [(np.flatnonzero(np.isfinite(line))[-1:], line) for line in lost]
    points = np.array([(i[0] + 1, line[i[0]]) for i, line in last if i.size]).reshape(-1, 2)
    never = sum(not i.size for i, _ in last)
    mark = {"color": LOST, "ms": 5, "mew": 1.2, "alpha": max(0.5, opacity(rows)), "zorder": 3, "gid": "diverged"}
    if lost:
        place.plot(*points.T, "x", label=f"diverged ({len(lost)})", **mark)
    if never:
        place.plot([1] * never, [1] * never, "x", transform=place.get_xaxis_transform(), clip_on=False, **mark)


def _mark_epoch(place: "Axes", line: np.ndarray, epoch: int) -> None:
    if 1 <= epoch <= len(line) and math.isfinite(line[epoch - 1]):
        ring = {"ms": 8, "mfc": "white", "mec": VALIDATION, "mew": 2, "zorder": 6, "gid": "best"}
        place.plot([epoch], [line[epoch - 1]], "o", label=f"best, epoch {epoch}", ls="", **ring)


def _upright(place: "Axes", index: int, scale: Scale, down: int) -> None:
    """One of the parallel axes, with its ticks at its left and its name below."""
    from matplotlib.patheffects import withStroke

    most = int(place.bbox.width / place.get_xlim()[1] / 7) - 2  # letters between two axes
    halo = [withStroke(linewidth=2.5, foreground="white")]
    place.plot([index, index], [0, 1], color=QUIET, lw=1, zorder=7, clip_on=False)
    for tick, text in scale.ticks(place.bbox.height, across=False).items():
        (y,) = _height(scale, np.array([tick]))
        place.annotate(
            short(text, most), (index, y), (-6, 0), textcoords="offset points", ha="right", va="center", fontsize=8.5,
            color=INK, zorder=8, path_effects=halo, parse_math=False,
        )  # fmt: skip
        place.plot([index], [y], "_", color=QUIET, ms=6, mew=1, zorder=7, clip_on=False)
    name = {"fontsize": 10, "color": INK, "ha": "center", "va": "baseline", "parse_math": False}
    place.annotate(
        short(scale.name, min(24, int(1.6 * most))), (index, 0), (0, -down), textcoords="offset points", **name
    )


def _height(scale: Scale, positions: np.ndarray) -> np.ndarray:
    low, high = scale.limits
    return (positions - low) / (high - low)


def _eased(heights: np.ndarray) -> np.ndarray:
    """A path through the heights that leaves and meets every axis at a right angle."""
    t = np.linspace(0, 1, 21)[:-1]
    ease = t * t * (3 - 2 * t)
    y = (heights[:-1, None] + np.diff(heights)[:, None] * ease).ravel()
    x = (np.arange(len(heights) - 1)[:, None] + t).ravel()
    return np.column_stack([np.append(x, len(heights) - 1), np.append(y, heights[-1])])


def varying(rows: Rows, axes: Sequence[str]) -> list[str]:
    """Up to MOST_AXES axes, in their order; where there are more, those with one value give way."""
    ranked = sorted(axes, key=lambda key: len(Scale.of(rows, key).levels) < 2)[:MOST_AXES]
    return [key for key in axes if key in ranked]


def _whole(rows: Rows) -> Rows:
    """Those that were not pruned."""
    return [row for row in rows if not pruned(row)]


def _finite(values: Sequence[float | None]) -> np.ndarray:
    return np.array([number(value) for value in values], float)


def _all_finite(lines: Sequence[np.ndarray]) -> np.ndarray:
    every = np.concatenate([np.empty(0), *lines])
    return every[np.isfinite(every)]
