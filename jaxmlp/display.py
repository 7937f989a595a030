"""How results are shown: arrays as their type and shape, and for notebooks a small table and curves as HTML."""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

COLOURS = ("#0072b2", "#d55e00")  # training, validation: as in the pictures
LONGEST = 60  # characters of a field
WIDTH, HEIGHT, MARGIN = 360, 120, 6  # of the curves, in pixels


def summary(value: Any) -> str:
    """float32[784, 128] for an array; the repr of anything else, cut where it is long."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype}{list(value.shape)}"
    text = repr(value)
    return text if len(text) <= LONGEST or "\n" in text else f"{text[: LONGEST // 2]}...{text[-10:]}"


def fields(record: Any) -> str:
    """A NamedTuple in one line, its arrays as types and shapes."""
    parts = ", ".join(f"{name}={summary(value)}" for name, value in zip(record._fields, record, strict=True))
    return f"{type(record).__name__}({parts})"


def sizes(params: Any) -> str:
    """784-128-10: the units of each layer, inputs first."""
    return "-".join(str(n) for n in (*(layer.w.shape[0] for layer in params), params[-1].w.shape[1]))


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """An HTML table."""
    lines = [("th", head), *(("td", row) for row in rows)]
    body = "".join(f"<tr>{''.join(f'<{tag}>{escape(str(cell))}</{tag}>' for cell in row)}</tr>" for tag, row in lines)
    return f"<table><caption>{escape(caption)}</caption>{body}</table>"


def curves(title: str, lines: Mapping[str, Sequence[float]], best: int = 0) -> str:
    """Numbers over epochs as inline SVG: a line for each of at most two names, and a mark at epoch `best` of the last.

    A number that is not finite leaves a gap. Of more numbers than pixels, as many are drawn as there are pixels.
    """
    values = [value for line in lines.values() for value in line if math.isfinite(value)]
    if not values:
        return ""
    low, high = min(values), max(values)
    longest = max(map(len, lines.values()))
    step = max(1, longest // WIDTH)

    def at(index: int, value: float) -> str:
        x = MARGIN + (WIDTH - 2 * MARGIN) * index / max(longest - 1, 1)
        y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (value - low) / (high - low or 1)
        return f"{x:.1f},{y:.1f}"

    marks = []
    for line, colour in zip(lines.values(), COLOURS, strict=False):
        drawn = [*range(0, len(line), step), *([len(line) - 1] if (len(line) - 1) % step else [])]
        points = [at(i, line[i]) if math.isfinite(line[i]) else "" for i in drawn]
        for part in " ".join(point or "|" for point in points).split("|"):
            marks.append(f'<polyline points="{part.strip()}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        if best and colour == COLOURS[len(lines) - 1]:
            x, y = at(best - 1, line[best - 1]).split(",")
            marks.append(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>')
    names = ", ".join(
        f'<span style="color:{colour}">{escape(name)}</span>' for name, colour in zip(lines, COLOURS, strict=False)
    )
    drawing = f'<svg width="{WIDTH}" height="{HEIGHT}" role="img">{"".join(marks)}</svg>'
    return f"<div>{escape(title)}, {low:.4g} to {high:.4g} over {longest} epochs: {names}</div>{drawing}"
