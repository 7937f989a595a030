"""What a sweep prints when it has ended: the best configurations over their seeds, and how far to trust them."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jaxmlp.data.config import SPLITTING
from jaxmlp.errors import RunError
from jaxmlp.scores import score_of
from jaxmlp.sweep import page, store
from jaxmlp.sweep.config import Sweep
from jaxmlp.sweep.page import Configuration
from jaxmlp.sweep.progress import SweepBar
from jaxmlp.sweep.space import Axis
from jaxmlp.text import count, short_path

TOP = 3  # configurations that are named


def print_end(bar: SweepBar, out: Path, summary: dict[str, Any], sweep: Sweep) -> int:
    """Print how the sweep in `out` ended; returns the exit code."""
    statuses = ", ".join(f"{number:,} {status.replace('_', ' ')}" for status, number in summary["statuses"].items())
    seconds, rate = summary["seconds"], summary["trial_epochs_per_second"] or 0.0
    programs = f"{count(summary['groups'], 'group')}, {count(summary['compiles'], 'compiled program')}"
    bar.on_message(
        f"{count(summary['trials'], 'trial')} ({statuses}) in {programs}; {summary['trial_epochs']:,} trial-epochs in"
        f" {seconds['train']:.1f} s ({rate:,.1f} a second), {seconds['compile']:.1f} s of compiling"
    )
    if "pruning" in summary:
        bar.on_message(f"pruning spared {100 * summary['pruning']['saved']:.0f} % of the trial-epochs")
    best = summary["best"]
    if best is None:
        print("error: every trial diverged: the losses were not finite; try smaller learning rates", file=sys.stderr)
        return 1
    rows = store.results(out)
    for line in (*best_lines(rows, sweep), *split_warning(sweep.axes)):
        bar.on_message(line)
    test = best["test"]
    score = score_of(best)
    shown, of_test = score.text(best[f"validation_{score.name}"]), score.text(test[score.name])
    if "interval_95" in test:
        low, high = test["interval_95"]
        of_test += f" ({test['correct']:,} of {test['count']:,}; 95 %: {100 * low:.2f} to {100 * high:.2f})"
    else:
        shown, of_test = f"{score.title} {shown}", f"{score.title} {of_test}, mean absolute error {test['mae']:.4g}"
    bar.on_message(
        f"best trial: {best['trial']} ({_values(best, sweep.axes)}seed {best['seed']}): validation loss"
        f" {best['validation_loss']:.4f}, {shown}; test {of_test}"
    )
    tested = "every trial was evaluated on the test examples" if "test_loss" in best else "it was tested once"
    bar.on_message(f"the best of many is an optimistic pick on the validation examples; {tested}")
    bar.on_message(f"directory: {short_path(out)} (results.csv, sweep.html, plots, best)")
    return 0


def print_end_again(bar: SweepBar, out: Path, sweep: Sweep) -> int | None:
    """Print how the sweep in `out` ended, if it had ended, and nothing is missing; returns the exit code.

    None where there is something to train or to write again. Raises RunError where that cannot be written again.
    """
    from jaxmlp.sweep import finish

    summary = store.ended(out)
    if summary is None:
        return None
    absent = finish.missing(out, summary)
    if absent is None:
        bar.on_message("this sweep had already ended; nothing was changed")
        return print_end(bar, out, summary, sweep)
    if not (out / store.UNITS).is_dir():
        raise RunError(
            f"this sweep had already ended, but {absent}, and there is no {out / store.UNITS} to write it again from;"
            " bring a copy back, or begin anew with --overwrite"
        )
    bar.on_message(f"this sweep had already ended, but {absent}: writing it again")
    return None


def best_lines(rows: Sequence[dict[str, Any]], sweep: Sweep) -> Iterator[str]:
    """The best configurations by mean validation loss; and where the best of all lies on the edge of an axis."""
    ranked = page.configurations(rows, [axis.key for axis in sweep.axes])
    over = f"mean ± standard deviation of {sweep.seeds} seeds" if sweep.seeds > 1 else "one seed each"
    if sweep.axes:
        yield f"best configurations by validation loss ({over}):"
        for number, configuration in enumerate(ranked[:TOP], 1):
            yield f"  {number}. {_described(configuration, sweep.axes)}"
        yield from edges(ranked[0].trials[0], sweep.axes)
    elif ranked:
        yield f"all trials ({over}): {_described(ranked[0], sweep.axes)}"


def _described(configuration: Configuration, axes: Sequence[Axis]) -> str:
    lost = len(configuration.trials) - configuration.measured
    loss, score = page.over_seeds(configuration, "loss"), page.over_seeds(configuration, "score")
    diverged = f" ({lost} of {count(len(configuration.trials), 'seed')} diverged)" if lost else ""
    measures = f"validation loss {loss}, {configuration.scored_by.title} {score}"
    return f"{_values(configuration.trials[0], axes)}{measures}{diverged}"


def _values(row: Any, axes: Sequence[Axis]) -> str:
    """The values of a row that its trial reads: `learning_rate 0.1, momentum 0.9, `."""
    return "".join(f"{_name(axis)} {page.value(row[axis.key])}, " for axis in axes if axis.key in row)


def _name(axis: Axis) -> str:
    return axis.key.rsplit(".", 1)[-1]


def edges(best: Any, axes: Sequence[Axis]) -> Iterator[str]:
    """A line for each axis of numbers whose best value is the first or the last: a better one may lie beyond.

    Below 0 no key has values, so 0 is no edge.
    """
    for axis in axes:
        value, values = best.get(axis.key), axis.values
        numbers = all(type(number) in (int, float) for number in values)
        if len(values) < 2 or not numbers or not value or axis.key in SPLITTING:
            continue
        for edge, side in ((max(values), "largest"), (min(values), "smallest")):
            if value == edge:
                yield f"{_name(axis)} {page.value(value)} is the {side} value tried: extend the axis"


def split_warning(axes: Sequence[Axis]) -> Iterator[str]:
    """A line where trials differ in their validation examples: then their losses do not tell which is better."""
    keys = [axis.key for axis in axes if axis.key in SPLITTING and (axis.space or len(set(axis.values)) > 1)]
    if keys:
        yield (
            f"warning: {' and '.join(keys)} {'is an axis' if len(keys) == 1 else 'are axes'}: trials are compared on"
            " different validation examples; compare only those that share them"
        )
