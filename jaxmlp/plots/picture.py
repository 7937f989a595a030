"""What every picture is drawn on: a figure in one style that matplotlib lays out, notebooks show and files keep."""

import io
import re
import textwrap
import warnings
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from jaxmlp.files import write_atomically
from jaxmlp.plots.values import label

# blue, vermilion, green, purple, orange and sky of Okabe and Ito: distinct for every kind of colour vision
TRAIN, VALIDATION, THIRD, FOURTH, FIFTH, SIXTH = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"
INK, QUIET, RULE = "#262626", "#6b6b6b", "#e6e6e6"
STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": QUIET,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": QUIET,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "grid.color": RULE,
    "font.size": 10,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "svg.hashsalt": "jaxmlp",  # the same picture has the same bytes
    "text.parse_math": False,  # a $ in a name is a $
    "xtick.color": QUIET,
    "xtick.labelsize": 9,
    "ytick.color": QUIET,
    "ytick.labelsize": 9,
}
RENDERED: dict[Any, Any] = {**STYLE, "text.parse_math": True}  # ticks that are made only then are numbers
NUMBER = re.compile(r"–|-?[\d.]+(e[+-]?\d+)?( %)?")  # as ticks are written
styled = matplotlib.rc_context(STYLE)  # decorates the functions that draw


class Picture(Figure):
    """A figure of so many inches, at 100 pixels an inch; a notebook shows it as the last line of a cell."""

    def __init__(self, width: float | int, height: float | int) -> None:
        layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1, wspace=0.03)
        super().__init__(figsize=(width, height), dpi=100, layout=layout, facecolor="white")

    def head(self, title: str) -> None:
        """The title, and under it what the marks of all panels mean, each once and the best first."""
        marks = {text: mark for axes in self.axes for mark, text in zip(*axes.get_legend_handles_labels(), strict=True)}
        texts = sorted(marks, key=lambda text: not text.startswith("best"))
        letters = int(10 * self.get_figwidth())  # of the title, in a line
        legend = self.legend(
            [marks[text] for text in texts],
            [textwrap.fill(text, int(1.3 * letters), max_lines=2, placeholder=" …") for text in texts],
            title=textwrap.fill(title, letters),
            title_fontsize=13,
            alignment="left",
            borderaxespad=1.0,
            loc="outside upper left",
            ncols=1 if any(len(text) > 40 for text in texts) else max(len(texts), 1),
        )
        for mark in legend.legend_handles:
            if isinstance(mark, Line2D):  # a mark that is seen, however faint and small those of many trials are
                mark.set(alpha=1, markersize=min(max(mark.get_markersize(), 5), 8))

    @matplotlib.rc_context(RENDERED)
    def rendered(self, kind: str = "png") -> bytes:
        """The picture as a file of that kind: png or svg."""
        dated = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # a class name in a script that the font lacks is drawn as boxes
            self._lay_out()
            self._turn_words()
            for axis in (axis for axes in self.axes for axis in (axes.xaxis, axes.yaxis)):
                for text in _touching(axis):
                    text.set_visible(False)
            self.set_layout_engine("none")  # all has its place: to look for it again takes half the time of drawing
            # level 1 takes a third less time than 6, and a tenth more bytes
            packing: Any = {"pil_kwargs": {"compress_level": 1}} if kind == "png" else {}
            self.savefig(buffer, format=kind, metadata=dated, **packing)
        return buffer.getvalue()

    def _lay_out(self) -> None:
        """Give everything its place; `draw_without_rendering` would draw it, too."""
        engine = self.get_layout_engine()
        if engine and self.axes:
            engine.execute(self)

    def _turn_words(self) -> None:
        """Words below an axis that would touch each other stand upright, in a figure that is higher by their length."""
        longest = 0.0
        for axes in self.axes:
            texts = _seen(axes.xaxis)
            if _touching(axes.xaxis) and not all(NUMBER.fullmatch(text.get_text()) for text in texts):
                longest = max(longest, *(text.get_window_extent().width for text in texts))
                axes.tick_params(axis="x", rotation=90)
        if longest:
            self.set_figheight(self.get_figheight() + longest / self.dpi)
            self._lay_out()

    def save(self, path: Path) -> None:
        """Write it as SVG if the name of the file ends so, and as PNG otherwise."""
        write_atomically(path, self.rendered("svg" if path.suffix == ".svg" else "png"))

    def _repr_png_(self) -> bytes:
        return self.rendered()


def _seen(axis: Axis) -> list[Text]:
    """The labels of the ticks that are within the limits of an axis."""
    low, high = sorted(axis.get_view_interval())
    labels = [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    return [text for text in labels if text.get_text() and text.get_visible()]


def _touching(axis: Axis) -> list[Text]:
    """The labels that touch one before which is not itself among them."""
    kept, touching = [], []
    for text in _seen(axis):
        box = text.get_window_extent().padded(1)
        close = any(box.overlaps(other) for other in kept[-2:])
        touching += [text] * close
        kept += [box] * (not close)
    return touching


def per_cent(axis: Axis) -> None:
    """Shares are written as 97.5 %."""
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.6g} %"))


def whole_numbers(axis: Axis) -> None:
    """Ticks at whole numbers: of epochs, or of trials."""
    axis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))


def powers(axis: Axis, low: float | int = 0.0, high: float | int = 1.0) -> None:
    """A logarithmic axis has labels at powers of 10; from a `low` to a `high` that are near, at 1, 2 and 5 of each."""
    subs = (1.0,) if high > 1e3 * low else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(subs=subs, numticks=9))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: label(value)))


def ring(
    axes: Axes, x: float | int, y: float | int, text: str = "", size: float | int = 10, fill: str = "none"
) -> None:
    """The mark of the best."""
    style = {"ls": "", "marker": "o", "ms": size, "mfc": fill, "mec": VALIDATION, "mew": 2, "zorder": 6}
    axes.plot([x], [y], label=text, gid="best", **style)
