"""Pictures within a page: SVG that takes the colours of the page, and says what a mark stands for under the pointer."""

import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from jaxmlp.plots.picture import INK, QUIET, RULE, TRAIN, Picture

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
COLOURS = {INK: "--ink", QUIET: "--quiet", RULE: "--rule", TRAIN: "--ours", "#ffffff": "--ground"}  # of style.css
COLOUR, FONT, DIGITS = re.compile("|".join(COLOURS)), re.compile("font-family: [^;]+"), re.compile(r"(\.\d{2})\d+")
NOTE, BETWEEN = (
    "note:",
    "\u241e",
)  # the beginning of the id of a mark with a note; what stands between the notes of several
MOST_NOTES = 150  # on a line


def note(mark: Artist, *texts: str) -> None:
    """Say what a mark stands for, or each of its points, where the pointer rests on it in a page."""
    mark.set_gid(NOTE + BETWEEN.join(texts))


@matplotlib.rc_context({"svg.fonttype": "none"})
def inlined(picture: Picture, alt: str) -> str:
    """The picture as an <svg> element, `alt` its description; each point of a line has its values as a note."""
    for axes in picture.axes:
        for line in list(axes.lines):
            _note_points(axes, line)
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    root = ElementTree.fromstring(picture.rendered("svg"))
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        _adapt(element.attrib)
    for group in root.iter(f"{{{SVG}}}g"):
        name = group.attrib.pop("id", "")
        if name.startswith(NOTE):
            _add_titles(group, name.removeprefix(NOTE).split(BETWEEN))
    width, height = (float(root.attrib.pop(side).removesuffix("pt")) * 96 / 72 for side in ("width", "height"))
    sized = {"width": f"{width:.0f}", "height": f"{height:.0f}", "role": "img", "aria-label": alt}
    root.attrib.update(sized, style="stroke-linejoin: round; stroke-linecap: butt; fill: var(--ink)")
    return re.sub(r">\s+<", "><", ElementTree.tostring(root, encoding="unicode"))


def _adapt(attributes: dict[str, str]) -> None:
    """Take the colours and the font of the page, and round places to a hundredth of a point, which nobody sees."""
    if "style" in attributes:
        style = FONT.sub("font-family: inherit", attributes["style"])
        attributes["style"] = COLOUR.sub(lambda colour: f"var({COLOURS[colour[0]]})", style)
    for name in ("d", "x", "y", "transform"):
        if name in attributes:
            attributes[name] = DIGITS.sub(r"\1", attributes[name])


def _note_points(axes: Axes, line: Line2D) -> None:
    """Invisible marks over the points of a line, which have the notes; over some of them where they are many."""
    x, y = (np.ma.filled(np.ma.asarray(values, float), np.nan) for values in line.get_data())
    low, high = sorted(axes.get_ylim())
    shown = np.flatnonzero(np.isfinite(x) & np.isfinite(y) & (low <= y) & (y <= high))
    if line.get_transform() != axes.transData or len(shown) < 2 or str(line.get_gid()).startswith(NOTE):
        return
    shown = shown[np.unique(np.linspace(0, len(shown) - 1, MOST_NOTES).astype(int))]
    label = str(line.get_label())
    name = f"{label}, " if not label.startswith("_") else f"{line.get_gid()}, " if line.get_gid() else ""
    across, up = axes.get_xlabel(), axes.yaxis.get_major_formatter()
    values = [up(value) if isinstance(up, FuncFormatter) and "%" in up(value) else f"{value:.4g}" for value in y[shown]]
    (marks,) = axes.plot(x[shown], y[shown], "o", ms=9, mew=0, alpha=0, zorder=7, scalex=False, scaley=False)
    note(marks, *(f"{name}{across} {at:g}: {value}" for at, value in zip(x[shown], values, strict=True)))


def _add_titles(group: Any, texts: Sequence[str]) -> None:
    """Give each point drawn in the group its text, or the group the only one."""
    if len(texts) == 1:
        return _title(group, texts[0]) if texts[0] else None
    points = [(parent, child) for parent in group.iter() for child in parent if child.tag == f"{{{SVG}}}use"]
    if len(points) == len(texts):  # else some lie outside of the picture
        for (parent, child), text in zip(points, texts, strict=True):
            at = list(parent).index(child)
            parent.remove(child)
            wrapped = ElementTree.Element(f"{{{SVG}}}g")
            wrapped.append(child)
            _title(wrapped, text)
            parent.insert(at, wrapped)
    return None


def _title(element: Any, text: str) -> None:
    title = ElementTree.Element(f"{{{SVG}}}title")
    title.text = text
    element.insert(0, title)
