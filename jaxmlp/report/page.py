"""The page of the report: results as tables and figures, theirs beside ours, in HTML and Markdown."""

from pathlib import Path
from typing import Any

import numpy as np

from jaxmlp import files, plots, tensors
from jaxmlp.grid.results import SPARSE
from jaxmlp.plots import page
from jaxmlp.report.published import CRITERION, ERRATA, EXPERIMENTS, GRADIENTS, PERCEPTRON, THRESHOLD_ACCURACY
from jaxmlp.report.readings import NEAR
from jaxmlp.report.runner import summarise
from jaxmlp.run.sealed import write_json

WEIGHTS = {"momentum": "no penalty", "l2": "L2", "l1": "L1"}  # whose first layers stand side by side


def write(out: Path, parts: dict[str, dict[str, Any]], provenance: dict[str, Any]) -> None:
    """Write results.json, the figures, report.html and report.md into `out`, from the results by part.

    `provenance` says how they were made: data, whole (whether these are the documents' data), seeds, machine, versions.
    """
    trained = {name: parts[name] for name in EXPERIMENTS if name in parts}
    summaries = {name: summarise(result) for name, result in trained.items()}
    write_json(out / "results.json", results(provenance, summaries, parts))
    figures = draw(out / "figures", trained, parts)
    shared = {
        "provenance": provenance,
        "published": EXPERIMENTS,
        "trained": trained,
        "summaries": summaries,
        "figures": figures,
        "gradcheck": parts.get("gradcheck"),
        "published_gradients": GRADIENTS,
        "criterion": CRITERION,
        "perceptrons": {name: part for name, part in parts.items() if name.startswith("perceptron_")},
        "thresholds": parts.get("thresholds"),
        "published_perceptron": PERCEPTRON,
        "published_thresholds": THRESHOLD_ACCURACY,
        "near": NEAR,
        "readings": {name: part for name, part in parts.items() if name.startswith("readings_")},
        "errata": ERRATA,
        "sparse": SPARSE,
        "seconds": {name: part["seconds"] for name, part in parts.items()},
    }
    for name in ("report.html", "report.md"):
        files.write_atomically(
            out / name, page.environment("jaxmlp.report", out / "figures").get_template(name).render(shared)
        )


def results(provenance: dict[str, Any], summaries: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    """results.json: `experiments.NAME.report` and `.ours` under the same keys, then all parts as they were kept."""
    published = {
        name: {"test_accuracy": p.test_accuracy, "test_loss": p.test_loss, "stopped_epoch": p.stop_epoch}
        for name, p in EXPERIMENTS.items()
    }
    return {
        "provenance": provenance,
        "experiments": {name: {"report": published[name], "ours": ours} for name, ours in summaries.items()},
        "parts": parts,
    }


def draw(folder: Path, trained: dict[str, Any], parts: dict[str, Any]) -> dict[str, str]:
    """Draw every figure there are results for; name to caption."""
    files.make_directory(folder)
    captions = {}
    for name, result in trained.items():
        published = EXPERIMENTS[name]
        _save(plots.seed_curves(result["runs"], published.stop_epoch), folder / name)
        number = f"Figure {published.figure} of the report" if published.figure else "No figure in the report"
        captions[name] = f"{number}: {published.title}. Every seed thin, the median thick, the chosen epochs ringed."
    layers = {}
    for name, title in WEIGHTS.items():
        if name in trained:
            w = tensors.load(folder.parent / "parts" / f"{name}.safetensors")[0]["w"]
            layers[f"{title}: {100 * float(np.mean(np.abs(w) < SPARSE)):.1f} % below {SPARSE:g}"] = w
    if layers and len(next(iter(trained.values()))["input_shape"]) == 2:
        shape = next(iter(trained.values()))["input_shape"]
        _save(plots.first_layer_weights(layers, shape, units=64), folder / "weights")
        captions["weights"] = "First-layer weights of the first seed: 64 units of each network, on one scale."
    if "gradcheck" in parts:
        _save(plots.eps_errors(parts["gradcheck"]["curves"], 1e-2), folder / "eps")
        captions["eps"] = "How central differences err over eps: by eps squared from above, by round-off from below."
    curves = {
        name.removeprefix("perceptron_"): [part["runs"][0]["curve"]]
        for name, part in parts.items()
        if name.startswith("perceptron_")
    }
    if curves:
        _save(plots.perceptron_errors(curves, 3e-6), folder / "perceptron")
        captions["perceptron"] = "The perceptron learns from one example after another: first seed of each activation."
    return captions


def _save(picture: "plots.Picture", stem: Path) -> None:
    """As PNG for the page, and as SVG."""
    picture.save(stem.with_suffix(".png"))
    picture.save(stem.with_suffix(".svg"))
