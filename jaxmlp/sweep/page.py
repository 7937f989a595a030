"""The page of a sweep: what it took, the best trial and how far to trust it, pictures and tables; it stands alone."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxmlp import files
from jaxmlp.plots import page as pages
from jaxmlp.plots.trials import LOSS, Row, Rows, diverged, grouped, measured, number, score, score_key
from jaxmlp.plots.values import comparable, distinct, is_number, label, last, short
from jaxmlp.run import directory, sealed
from jaxmlp.run.directory import ENVIRONMENT, PLOTS
from jaxmlp.scores import Score
from jaxmlp.statistics import SeedStatistics, accuracy_interval
from jaxmlp.sweep.store import BEST, PAGE, TABLE
from jaxmlp.text import count, typed
from jaxmlp.training.schedules import schedule

TABLES = (".csv", ".parquet")
MOST = 20  # rows of a table
LISTED = 8  # values of an axis that are named one by one
CAPTIONS = {
    "heat_map": "Validation loss and {score} over both axes, each cell the mean over its seeds; the best cell is framed. "
    "The darker, the better.",
    "lines_over_axis": "Validation loss and {score} over the axis, and the sparsity of the weights where it varies. "
    "A large point is a mean over seeds, a small one a trial, the band mean ± standard deviation; with two axes, there is "
    "a colour for each value of the other. The best is ringed.",
    "seeds": "The luck of seeds: a dot a trial, the band mean ± standard deviation; the best is ringed.",
    "parallel_coordinates": "Every trial is a line through its values to its validation loss, and dark if that is low; "
    "the best is orange.",
    "scatter": "Validation loss of every trial over each axis; crosses diverged, the best is ringed. "
    "Points of one value are moved a little sideways, so that all are seen.",
    "learning_curves": "Validation loss and {score} of every trial over the epochs, dark if its loss is low; "
    "the best is orange, its best epoch ringed.",
    "cost_against_quality": "What pruning did: each trial by its epochs and its loss, and how many were still training. "
    "Points are moved a little sideways, so that all are seen.",
}
PRUNED = {  # what is added where trials were pruned
    "heat_map": "A purple corner: trials of the cell were pruned, and count with the loss of fewer epochs.",
    "lines_over_axis": "A hollow point: trials were pruned, and count with the loss of fewer epochs.",
    "parallel_coordinates": "Pruned trials are thin and purple: their loss is that of fewer epochs.",
    "scatter": "Pruned trials are purple: their loss is that of fewer epochs.",
    "learning_curves": "Pruned trials are thin and purple.",
    "cost_against_quality": "Pruned trials are purple.",
}
MEANINGS = {
    "early_stopping": "validation no longer improved",
    "max_epochs": "trained for all epochs granted",
    "diverged": "a loss was no longer finite",
    "pruned": "stopped at a rung, worse than others",
}


class Configuration(NamedTuple):
    """The trials that agree on every axis; mean and standard deviation are over those that did not diverge."""

    trials: Rows
    measured: int
    loss: SeedStatistics
    score: SeedStatistics
    scored_by: Score


def write(
    path: Path,
    summary: dict[str, Any],
    rows: Sequence[dict[str, Any]],
    axes: Sequence[str],
    pictures: Sequence[str],
    config_of: Callable[[int], str],
) -> None:
    """Write sweep.html into the directory of a sweep: config.toml, environment.json and the pictures are there already.

    Args:
        path: The directory.
        summary: As in summary.json.
        rows: Of results.jsonl.
        axes: The full names of the keys that vary.
        pictures: Names of files in its plots/, the most telling first.
        config_of: The config.toml of a trial, given its number.
    """
    rows = sorted(rows, key=lambda row: row["trial"])
    best, tree, ranked = summary["best"], directory.saved_tree(path), configurations(rows, axes)
    lost = [row for row in rows if row["status"] == "diverged"]
    templates = pages.environment("jaxmlp.sweep", path / PLOTS)
    templates.filters |= {
        "last": last,
        "value": value,
        "loss": loss,
        "words": words,
        "count": count,
        "over_seeds": over_seeds,
        "score": score(rows).text,
    }
    page = templates.get_template(PAGE).render(
        title=title(rows, axes, tree["data"]["name"]),
        origin=(sealed.read_json(path / ENVIRONMENT) or {}).get("data", {}).get("origin"),
        rows=rows,
        axes=axes,
        ranges={key: values_of(rows, key) for key in axes},
        seeds=seeds_of(rows),
        summary=summary,
        facts=facts(summary),
        meanings=MEANINGS,
        best=best,
        score=score(rows),
        doubt=None if best is None else doubt(rows, best),
        rank=next(
            (i for i, c in enumerate(ranked, 1) if best and best["trial"] in [row["trial"] for row in c.trials]), None
        ),
        figures={Path(name).stem: caption(Path(name).stem, summary["statuses"], score(rows)) for name in pictures},
        configurations=ranked[:MOST],
        more=len(ranked) - MOST,
        lost=lost[:MOST],
        more_lost=len(lost) - MOST,
        numeric={key: all(is_number(row[key]) for row in rows if row.get(key) is not None) for key in axes},
        configs=[config_of(configuration.trials[0]["trial"]) for configuration in ranked[:MOST]],
        train=typed("train", "FILE.toml"),
        run_page=directory.PAGE if (path / BEST / directory.PAGE).is_file() else None,
        commands=commands(path, best, tree),
    )
    files.write_atomically(path / PAGE, page)


def caption(picture: str, statuses: Mapping[str, int], measure: Score) -> str:
    """What a picture shows; and how pruned trials look in it, if there are any."""
    more = PRUNED.get(picture) if statuses.get("pruned") else None
    return CAPTIONS.get(picture, words(picture)).replace("{score}", measure.title) + (f" {more}" if more else "")


def title(rows: Rows, axes: Sequence[str], data: str) -> str:
    """What was swept, and on which data: the axes by name, or how many where they are many."""
    names = [last(key) for key in axes]
    over = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    if not names:
        over = count(len({row["seed"] for row in rows}), "seed")
    elif len(names) > 4:
        over = f"{len(names)} axes"
    return f"Sweep over {over}" + ("" if "data.name" in axes else f", on {Path(data).name}")


def values_of(rows: Rows, key: str) -> str:
    """The values on an axis, in words: each of them if they are few, otherwise how many, from where to where."""
    values = [level for level in distinct([row.get(key) for row in rows]) if level is not None]
    if len(values) > LISTED and all(map(is_number, values)):
        text = f"{len(values):,} values from {value(values[0])} to {value(values[-1])}"
    else:
        more = f" and {len(values) - LISTED:,} more" if len(values) > LISTED else ""
        text = ", ".join(map(value, values[:LISTED])) + more
    absent = sum(row.get(key) is None for row in rows)
    return text + (f" ({count(absent, 'trial')} without)" if absent else "")


def seeds_of(rows: Rows) -> str:
    """The seeds in words."""
    seeds = sorted({row["seed"] for row in rows})
    return f"{seeds[0]}" if len(seeds) == 1 else f"{len(seeds):,} seeds, {seeds[0]} to {seeds[-1]}"


def facts(summary: dict[str, Any]) -> dict[str, str]:
    """What the sweep took: name and number."""
    rate, seconds = summary["trial_epochs_per_second"], summary["seconds"]
    nouns = {"trials": "trial", "groups": "group", "compiles": "compiled program", "trial_epochs": "trial-epoch"}
    summary = {"workers": summary.get("processes", 1)} | summary  # as earlier versions had it
    named = {noun + "s" * (summary[key] != 1): f"{summary[key]:,}" for key, noun in nouns.items()}
    return named | {
        "trial-epochs a second": "–" if rate is None else f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}",
        "training": f"{seconds['train']:,.1f} s",
        "compiling": f"{seconds['compile']:,.1f} s",
        "workers" if summary["workers"] != 1 else "worker": f"{summary['workers']:,}",
    }


def doubt(rows: Rows, best: Row) -> dict[str, Any]:
    """How far to trust the choice: among how many it was made, and how many others its examples cannot tell from it."""
    others = [row for row in rows if not diverged(row) and row["trial"] != best["trial"]]
    doubts = {"among": len(others) + 1, "tested": "test_loss" in best, "interval": None}
    if "validation_correct" not in best:  # of values: R2 has no such interval
        return doubts
    low, high = accuracy_interval(best["validation_correct"], best["validation_count"])
    alike = sum(low <= number(row.get("validation_accuracy")) <= high for row in others)
    return doubts | {"interval": (low, high), "alike": alike}


def configurations(rows: Rows, axes: Sequence[str]) -> list[Configuration]:
    """By mean validation loss, those of which a seed diverged after all that are whole; without those that all did."""
    groups = grouped(rows, [tuple(comparable(row.get(key)) for key in axes) for row in rows])
    ranked = []
    for trials in groups.values():
        losses = measured(trials, LOSS).tolist()
        if losses:
            scores = SeedStatistics.of(measured(trials, score_key(trials)).tolist())
            ranked.append(Configuration(trials, len(losses), SeedStatistics.of(losses), scores, score(trials)))
    return sorted(ranked, key=lambda c: (c.measured < len(c.trials), c.loss.mean))


def commands(path: Path, best: Row | None, tree: dict[str, Any]) -> dict[str, str]:
    """How to go on: what each command is for, and the command."""
    named = {}
    if best is not None:
        out, copy = path / BEST, path / f"{BEST}-longer"  # a copy, so that best/ stays what this page says of it
        of_table = Path(tree["data"]["name"]).suffix in TABLES
        what = "Predict with the best network:" if of_table else "See what the best network sees in images:"
        named[what] = typed("predict", out, "table.csv" if of_table else "image.png")
        resume = f"{shlex.join(['cp', '-r', str(out), str(copy)])} && {typed('train', '--out', copy, '--resume')}"
        if best["status"] == "max_epochs" and not schedule(_schedule(best, tree)).reads_max_epochs:
            longer = f"{resume} --training.max-epochs {2 * best['epochs_run']}"
            named[
                "Train a copy of it on, as its epochs were used up (this evaluates it on the test examples again):"
            ] = longer
        elif best["status"] == "pruned":
            named["It was pruned: train a copy of it to its end (this evaluates it on the test examples again):"] = (
                resume
            )
        named["Train it anew, perhaps with other flags:"] = typed("train", out / directory.CONFIG)
    named["Every trial is a line of the table, for pandas:"] = f"pandas.read_csv({str(path / TABLE)!r})"
    return named


def _schedule(best: Row, tree: dict[str, Any]) -> str:
    return best.get("training.schedule") or tree["training"]["schedule"]


def value(level: Any) -> str:
    """A value of an axis, short: 0.5623, 1e-6, 64-32, relu."""
    if isinstance(level, float):
        return re.sub(r"e([+-])0", r"e\1", f"{level:.4g}")
    return str(level) if is_number(level) else short(label(level), 40)


def loss(number: float | None, digits: int = 4) -> str:
    """To so many digits, zeros at the end too."""
    if number is None:
        return "not finite"
    return f"{number:.0f}" if 10**digits <= number < 1e5 else f"{number:#.{digits}g}".rstrip(".")


def words(name: str) -> str:
    """Of a status or a file."""
    return name.replace("_", " ")


def over_seeds(configuration: Configuration, measure: str) -> str:
    """The mean, and ± standard deviation where there is more than one seed: of the "loss", or of the "score"."""
    several = configuration.measured > 1
    if measure == "score":
        mean, std = configuration.score[:2]
        return configuration.scored_by.pair(mean, std if several else None)
    mean, std = configuration.loss[:2]
    return loss(mean) + (f" ± {loss(std, digits=2)}" if several else "")
