"""The figures of the report: every seed thin and the median thick, weights side by side, errors over eps.

Every function takes results as they stand in results.json, and writes one figure as PNG and as SVG.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxmlp.plots.canvas import FOURTH, INK, QUIET, RULE, THIRD, TRAIN, VALIDATION, mosaic, page, panel, picture, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNITS = 64  # of the first layer that are shown


def curves(stem: Path, runs: Sequence[Mapping[str, Any]], published_stop: int | None) -> None:
    """Loss and accuracy over the epochs: seeds thin, the median of those still running thick, best epochs marked."""
    from matplotlib.ticker import MaxNLocator

    figure = page(1000, 400)
    for left, measure in ((70, "loss"), (575, "accuracy")):
        axes = panel(figure, (left, 55, 405, 290))
        for split, colour in (("train", TRAIN), ("validation", VALIDATION)):
            lines = [_floats(run["curves"][f"{split}_{measure}"]) for run in runs]
            for line, run in zip(lines, runs, strict=True):
                axes.plot(range(1, len(line) + 1), line, color=colour, lw=0.7, alpha=0.35)
                best = run["best_epoch"]
                if split == "validation" and best:
                    axes.plot(
                        [best], [line[best - 1]], "o", ms=4, mfc="white", mec=colour, mew=1.0, alpha=0.8, zorder=3
                    )
            middle = _median(lines)
            axes.plot(range(1, len(middle) + 1), middle, color=colour, lw=2.4, label=f"{split}, median of {len(runs)}")
        if published_stop is not None:
            axes.axvline(published_stop, color=QUIET, lw=1, ls="--", label=f"the report stops: epoch {published_stop}")
        _finish(axes, measure.capitalize(), "epoch")
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
        if measure == "accuracy":
            axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.10g} %")
    _both(stem, figure)


def weights(stem: Path, layers: Mapping[str, np.ndarray], image_shape: Sequence[int]) -> None:
    """First-layer weights [D, H] of several networks as images, side by side, on one scale symmetric around 0."""
    import matplotlib

    sheets = {
        title: mosaic(w[:, :UNITS].T.reshape(-1, *image_shape[:2]), 8, (1, 1), np.nan) for title, w in layers.items()
    }
    limit = max(float(np.quantile(np.abs(w), 0.998)) for w in layers.values()) or 1.0
    side = 300
    figure = page(20 + len(sheets) * (side + 20) + 70, side + 60)
    colours = matplotlib.colormaps["RdBu_r"].with_extremes(bad="#b3b3b3")
    image = None
    for index, (title, sheet) in enumerate(sheets.items()):
        axes = panel(figure, (20 + index * (side + 20), 15, side, side))
        image = picture(axes, sheet, cmap=colours, vmin=-limit, vmax=limit)
        axes.set_title(title, loc="left", fontsize=11, color=INK)
    if image is not None:
        bar = figure.colorbar(image, cax=panel(figure, (20 + len(sheets) * (side + 20), 15, 12, side)), extend="both")
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    _both(stem, figure)


def eps_errors(stem: Path, found: Mapping[str, Mapping[str, Any]], report_eps: float) -> None:
    """The error of central differences over eps on logarithmic axes, in float64 and float32: slope 2, and a floor."""
    figure = page(700, 440)
    axes = panel(figure, (85, 60, 590, 330))
    for (name, curve), colour in zip(found.items(), (TRAIN, VALIDATION), strict=False):
        label = name if curve["slope"] is None else f"{name}: slope {curve['slope']:.2f}, floor {curve['floor']:.0e}"
        axes.loglog(curve["eps"], _floats(curve["error"]), "o-", color=colour, ms=4, lw=1.8, label=label)
    first = next(iter(found.values()))
    eps = np.asarray(first["eps"])
    axes.loglog(eps, _floats(first["error"])[0] * (eps / eps[0]) ** 2, color=QUIET, lw=1, ls=":", label="eps squared")
    axes.axvline(report_eps, color=THIRD, lw=1, ls="--", label=f"the report's eps, {report_eps:g}")
    axes.set_ylim(bottom=1e-13)
    _finish(axes, "Largest |central difference - automatic gradient|", "eps")
    _both(stem, figure)


def perceptrons(stem: Path, runs: Mapping[str, Sequence[Any]], threshold: float) -> None:
    """The mean error of the examples of a window over the steps, for each activation, on logarithmic axes."""
    figure = page(700, 440)
    axes = panel(figure, (85, 60, 590, 330))
    for (name, curve), colour in zip(runs.items(), (TRAIN, VALIDATION, THIRD, FOURTH), strict=False):
        steps, errors = np.asarray(curve[:-1] if len(curve) > 1 else curve, float).T  # the last window may be partial
        axes.loglog(steps, errors, color=colour, lw=1.2, label=name)
    _finish(axes, f"Mean error of an example (one below {threshold:g} ends it)", "step")
    _both(stem, figure)


def _finish(axes: "Axes", title: str, below: str) -> None:
    axes.set_title(title, loc="left", fontsize=12, color=INK)
    axes.set_xlabel(below, color=QUIET)
    axes.grid(axis="y", color=RULE, lw=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, labelcolor=INK, fontsize=9)


def _both(stem: Path, figure: "Figure") -> None:
    write(stem.with_suffix(".png"), figure)
    write(stem.with_suffix(".svg"), figure)


def _floats(values: Sequence[float | None]) -> np.ndarray:
    """None, as JSON has it for what is not finite, becomes a gap."""
    return np.array([np.nan if value is None else value for value in values], float)


def _median(lines: Sequence[np.ndarray]) -> np.ndarray:
    """Epoch by epoch, over the seeds that are still running, as long as those are at least half of them."""
    lengths = sorted((len(line) for line in lines), reverse=True)
    shown = lengths[(len(lines) - 1) // 2]
    return np.array([np.median([line[epoch] for line in lines if len(line) > epoch]) for epoch in range(shown)])
