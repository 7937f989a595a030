"""The page of a comparison: curves over each other, results with their intervals, tests, and the keys that differ."""

from pathlib import Path
from typing import Any

import tomli_w

from jaxmlp import files, plots
from jaxmlp.errors import printable
from jaxmlp.plots import page as pages
from jaxmlp.plots.values import label, last
from jaxmlp.runs import table
from jaxmlp.runs.comparison import Comparison, Configuration
from jaxmlp.runs.records import value_of
from jaxmlp.runs.words import conclusions, of_pair, of_seeds, probability
from jaxmlp.scores import R2
from jaxmlp.text import count, typed

TEMPLATE = "compare.html"


def write(path: Path, compared: Comparison) -> None:
    """Write the page. Raises RunError where the disk refuses."""
    templates = pages.environment("jaxmlp.runs", path.parent)
    templates.filters |= {"count": count, "last": last, "value": label, "p": probability}
    configurations = compared.configurations
    page = templates.get_template(TEMPLATE).render(
        title=f"{count(len(compared.runs), 'run')} compared",
        several=len(configurations) < len(compared.runs),
        counted=any(run.interval for run in compared.runs),
        conclusions=conclusions(compared),
        rows=[_row(compared, run, row) for run, row in zip(compared.runs, table.rows(compared.runs), strict=True)],
        configurations=[_configuration_cells(compared, configuration) for configuration in configurations],
        keys=key_rows(compared),
        heads_of_keys=_heads(compared),
        pairs=pair_rows(compared),
        over_seeds=[of_seeds(test, compared.score, len(compared.over_seeds)) for test in compared.over_seeds],
        figures=_figures(compared),
        configs=[tomli_w.dumps(dict(configuration.runs[0].tree)) for configuration in configurations],
        command=typed("runs", "compare", *(run.name for run in compared.runs), "--out", path),
    )
    files.write_atomically(path, page)


def _figures(compared: Comparison) -> dict[str, tuple[str, str]]:
    """The pictures as <svg>, each with its caption."""
    several = len(compared.configurations) < len(compared.runs)
    named = dict(zip(map(printable, _heads(compared)), compared.configurations, strict=True))
    curves = {
        name: {printable(run.name): compared.curves[run.name] for run in configuration.seeds.values()}
        for name, configuration in named.items()
    }
    results = {
        name: {printable(run.name): dict(run.test or {}) for run in configuration.runs}
        for name, configuration in named.items()
    }
    lines = (
        "A colour for each configuration; runs thin, means over seeds thick." if several else "A colour for each run."
    )
    interval = " The interval is of another draw of test examples, not of another seed."
    captions = {
        "Curves": f"{lines} Rest the pointer on a point for its values.",
        "Test results": "Each is of one network on its test examples."
        + interval * any(run.interval is not None for run in compared.runs),
    }
    drawn = {"Curves": plots.overlaid_curves(curves), "Test results": plots.result_intervals(results)}
    return {
        name: (plots.inlined(picture, f"{name}: {captions[name]}"), captions[name]) for name, picture in drawn.items()
    }


def _row(compared: Comparison, run: Any, row: dict[str, str]) -> dict[str, Any]:
    """A run as cells: text, and what it is sorted by; and the number of its configuration."""
    number = next(i for i, c in enumerate(compared.configurations, 1) if run in c.runs)
    test, summary = run.test, run.summary
    cells = {
        "data": (row["data"], None),
        "network": (row["network"], None),
        "rule": (row["rule"], None),
        "seed": (str(run.tree["seed"]), run.tree["seed"]),
        f"test {compared.score.title}": (
            row["test (95 %)"].removeprefix(f"{R2.title} "),
            test.get(compared.score.name),
        ),
        "test loss": _number(test["loss"]),
        "validation loss": _number(summary["validation"]["loss"]),
        "epochs": (row["epochs"], run.epochs),
        "seconds": (row["seconds"], summary["seconds"]["total"]),
        "ended by": (run.note, None),
    }
    return {"name": run.name, "configuration": number, "cells": cells}


def _number(value: float | None) -> tuple[str, float | None]:
    return ("not finite" if value is None else f"{value:.4f}"), value


def _configuration_cells(compared: Comparison, configuration: Configuration) -> dict[str, Any]:
    score, runs = compared.score, list(configuration.seeds.values())
    cells: dict[str, tuple[str, Any]] = {"seeds": (f"{len(runs)}", len(runs))}
    for split in ("test", "validation"):
        for measure in (score.name, "loss"):
            over = configuration.over_seeds(split, measure)
            head = f"{split} {score.title if measure == score.name else 'loss'}"
            if over is None:
                cells[head] = ("–", None)
                continue
            std = over.std if len(runs) > 1 else None
            text = score.pair(over.mean, std) if measure == score.name else _spread(over.mean, std)
            cells[head] = (text, over.mean)
    epochs = sorted(run.epochs or 0 for run in runs)
    ends = f"{epochs[0]:,}" if epochs[0] == epochs[-1] else f"{epochs[0]:,} to {epochs[-1]:,}"
    return {"name": configuration.name, "cells": cells | {"epochs": (ends, epochs[0])}}


def _spread(mean: float, std: float | None) -> str:
    return f"{mean:.4f}" + ("" if std is None else f" ± {std:.4f}")


def configuration_rows(compared: Comparison) -> list[dict[str, str]]:
    """Each configuration over its seeds, for the terminal: mean ± standard deviation."""
    cells = [_configuration_cells(compared, configuration) for configuration in compared.configurations]
    return [{"configuration": c["name"], **{head: text for head, (text, _) in c["cells"].items()}} for c in cells]


def _heads(compared: Comparison) -> list[str]:
    """The heads of the columns of the keys that differ: the configurations, or the runs where each is of one."""
    if len(compared.configurations) < len(compared.runs):
        return [configuration.name for configuration in compared.configurations]
    return [configuration.runs[0].name for configuration in compared.configurations]


def key_rows(compared: Comparison) -> list[dict[str, Any]]:
    """The keys that differ, and their values for each configuration; of the seed those of all its runs."""
    rows = []
    for key in compared.keys:
        values = [list(dict.fromkeys(value_of(run.keys, key) for run in c.runs)) for c in compared.configurations]
        rows.append({"key": key, "values": [", ".join(texts) for texts in values]})
    return rows


def key_columns(compared: Comparison) -> list[dict[str, str]]:
    """The keys that differ, side by side, for the terminal."""
    return [{"key": row["key"]} | dict(zip(_heads(compared), row["values"], strict=True)) for row in key_rows(compared)]


def pair_rows(compared: Comparison) -> list[dict[str, str]]:
    """McNemar's tests as rows; the corrected p-values are left out where there is one test, as they are the same."""
    rows = [
        {
            "first": test.first.name,
            "second": test.second.name,
            "first alone right": f"{test.result.first_only:,}",
            "second alone right": f"{test.result.second_only:,}",
            "test examples": f"{test.examples:,}",
            "p": probability(test.result.p),
            "p after Holm": probability(test.corrected),
        }
        for test in compared.pairs
    ]
    if len(rows) == 1:
        del rows[0]["p after Holm"]
    return rows


def to_json(compared: Comparison) -> dict[str, Any]:
    """The comparison as --json prints it."""
    return {
        "runs": table.to_json(compared.runs),
        "configurations": [
            {
                "name": configuration.name,
                "runs": [run.name for run in configuration.runs],
                "test": {measure: _statistics(configuration, measure) for measure in (compared.score.name, "loss")},
            }
            for configuration in compared.configurations
        ],
        "differing_keys": {
            row["key"]: dict(zip(_heads(compared), row["values"], strict=True)) for row in key_rows(compared)
        },
        "mcnemar": [
            {"first": t.first.name, "second": t.second.name, "examples": t.examples}
            | t.result._asdict()
            | {"p_holm": t.corrected, "says": of_pair(t, len(compared.pairs))}
            for t in compared.pairs
        ],
        "over_seeds": [
            {"first": t.first.name, "second": t.second.name}
            | t.result._asdict()
            | {"p_holm": t.corrected, "says": of_seeds(t, compared.score, len(compared.over_seeds))}
            for t in compared.over_seeds
        ],
        "no_test": list(compared.obstacles),
    }


def _statistics(configuration: Configuration, measure: str) -> dict[str, float] | None:
    over = configuration.over_seeds("test", measure)
    return None if over is None else over._asdict()
