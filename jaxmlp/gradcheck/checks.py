"""The check of an experiment's gradients: its data and initial weights, in float64, and the verdict."""

import statistics
import time
from dataclasses import dataclass, replace
from typing import Annotated, Any, NamedTuple

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Gt, Interval
from jaxtyping import Int

from jaxmlp.fields import FLOAT64
from jaxmlp.gradcheck import agreement, numerical
from jaxmlp.gradcheck.agreement import EpsCurve, LayerAgreement, TableRow
from jaxmlp.gradcheck.numerical import Problem
from jaxmlp.run import config
from jaxmlp.run.config import Experiment
from jaxmlp.run.runner import read_data, spec_of
from jaxmlp.run.sealed import finite
from jaxmlp.spec import Examples, Spec, Splits
from jaxmlp.training import fitting
from jaxmlp.training.callbacks import Callbacks
from jaxmlp.training.precision import precision

REPORT_EPS = 1e-2
CURVE_EPS = 10.0 ** np.arange(-1, -9.1, -0.5)
SMALLEST_EPS = 1e-7  # below it round-off exceeds the tolerance


@dataclass(frozen=True)
class Options:
    """What is compared, and how closely it has to agree."""

    examples: Annotated[int, Ge(1)] = 1
    """Random training examples in the batch (the report: one)."""
    eps: Annotated[float, Interval(gt=0, le=1), FLOAT64] = 1e-5
    """Step of the central differences, for every weight."""
    curve_weights: Annotated[int, Ge(1)] = 300
    """Random weights on which the error over eps is measured."""
    epochs: Annotated[int, Ge(0)] = 5
    """Epochs timed by each derived route; 0 for none."""
    tolerance: Annotated[float, Gt(0), FLOAT64] = 1e-12
    """Of the delta rule against autodiff, relative to the largest gradient of the layer."""
    numerical_tolerance: Annotated[float, Gt(0), FLOAT64] = 1e-7
    """Of the delta rule against differences, times the largest gradient of the layer where that is above 1."""


class EveryWeight(NamedTuple):
    """All weights against central differences at one eps, and those above the tolerance at smaller ones.

    A quotient may err where the gradient is right: by curvature (eps^2/6 E''') or because the step crosses a kink. So
    weights above the tolerance are measured again at eps/10, eps/100, ...: there the errors of the quotient vanish, and a
    wrong gradient stays wrong. (Tolerance 1e-7: at eps 1e-5 curvature and round-off are 1e-10 on normalised images.)
    """

    eps: float
    weights: int
    largest_difference: float
    above_tolerance: int
    agree_at_smaller_eps: int
    at_a_kink: int  # the step crosses a kink at the smallest eps too: differences cannot decide
    wrong: int
    seconds: float


class EpochTime(NamedTuple):
    """The time of an epoch of training with its metrics, by one derived route."""

    compile_seconds: float
    median_seconds: float
    seconds: list[float]


class Findings(NamedTuple):
    """The results of `check_gradients`."""

    spec: Spec
    origin: str  # of the data
    rows: list[int]  # indices in the training split of the examples of the batch
    layers: list[LayerAgreement]
    table: list[TableRow]  # the report's Table 1: first at its eps, then at options.eps
    every_weight: EveryWeight
    curves: dict[str, EpsCurve]  # float64, float32
    epochs: dict[str, EpochTime]  # autodiff, delta_rule; empty where no epoch is timed
    failures: list[str]  # a line each; none: the gradients agree


class CheckCallbacks(Callbacks):
    """Callbacks of a check: which of its parts is computed, and how far it is."""

    def on_part_begin(self, name: str, steps: int) -> None:
        """A part begins that takes so many steps."""

    def on_steps_end(self, steps: int) -> None:
        """So many further steps of the part are done."""


def check_gradients(experiment: Experiment, options: Options, callbacks: CheckCallbacks | None = None) -> Findings:
    """Compare the three routes on the initial weights of an experiment, and some random training examples.

    The comparison runs in float64, the epochs as the training says. Raises DataError where there are no data.
    """
    callbacks = callbacks or CheckCallbacks()
    data = read_data(experiment)
    splits = data.splits
    spec = spec_of(experiment, splits, data.preparation)
    count = min(options.examples, len(splits.train.x))
    drawn = np.random.default_rng(experiment.seed).choice(len(splits.train.x), count, replace=False)
    in_float32 = replace(spec, training=replace(spec.training, dtype="float32", compute_dtype="full"))
    single = initial_problem(in_float32, experiment, splits, drawn)
    with jax.enable_x64(True):
        problem = in_float64(single, experiment)
        layers, every_weight, failures = _every_weight(problem, options, callbacks)
        table = agreement.report_table(problem, list(dict.fromkeys([REPORT_EPS, options.eps])))
        size = sum(leaf.size for leaf in jax.tree.leaves(problem.params))
        coordinates = np.random.default_rng(experiment.seed).permutation(size)[: options.curve_weights]
        callbacks.on_part_begin("error over eps", 2)
        curves = {}
        for name, posed in (("float64", problem), ("float32", single)):
            curves[name] = agreement.eps_curve(posed, coordinates, CURVE_EPS)
            callbacks.on_steps_end(1)
    with precision(spec.training):
        epochs = epoch_times(spec, experiment, splits, options.epochs, callbacks) if options.epochs else {}
    return Findings(spec, data.origin, drawn.tolist(), layers, table, every_weight, curves, epochs, failures)


def initial_problem(spec: Spec, experiment: Experiment, splits: Splits, drawn: Int[np.ndarray, " N"]) -> Problem:
    """The gradient before the first step, in float32: initial weights, the `drawn` training examples, a key for dropout."""
    key, hyper = jax.random.key(experiment.seed, impl=fitting.PRNG), fitting.traced(spec, experiment.hyper)
    params = fitting.compiled_begin(spec, hyper, key).params
    batch = Examples(jnp.asarray(splits.train.x[drawn]), jnp.asarray(splits.train.targets[drawn]))
    return Problem(spec, hyper, params, batch, jax.random.fold_in(key, 0) if spec.network.dropout else None)


def in_float64(problem: Problem, experiment: Experiment) -> Problem:
    """The same weights and examples in double precision, and the hyperparameters as they were written."""
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), problem.params)
    batch = problem.batch._replace(x=jnp.asarray(problem.batch.x, jnp.float64))
    training = replace(problem.spec.training, dtype="float64")
    spec = replace(problem.spec, training=training)
    return Problem(spec, fitting.traced(spec, experiment.hyper), params, batch, problem.key)


def _every_weight(
    problem: Problem, options: Options, callbacks: CheckCallbacks
) -> tuple[list[LayerAgreement], EveryWeight, list[str]]:
    delta_rule = agreement.compiled_delta_rule(*problem).grads
    exact, unflatten = numerical.flat(delta_rule), jax.flatten_util.ravel_pytree(delta_rule)[1]
    layers = agreement.layer_agreement(delta_rule, agreement.compiled_autodiff(*problem).grads, "autodiff")
    failures = [
        f"layer {row.layer}, {row.part}: hand-derived and automatic differ by {row.largest_relative:.1e} of the largest"
        f" gradient (tolerance {options.tolerance:.0e})"
        for row in layers
        if not row.largest_relative <= options.tolerance
    ]
    callbacks.on_part_begin("every weight", exact.size)
    started = time.perf_counter()
    differences = numerical.numerical(problem, np.arange(exact.size), options.eps, callbacks.on_steps_end)
    seconds = time.perf_counter() - started
    layers += agreement.layer_agreement(delta_rule, unflatten(jnp.asarray(differences)), "differences")

    allowed = options.numerical_tolerance * numerical.flat(jax.tree.map(_scale, delta_rule))  # [P]
    above = disagreeing = np.flatnonzero(~(np.abs(differences - exact) <= allowed))
    eps = options.eps
    while len(disagreeing) and eps / 10 >= SMALLEST_EPS * 0.99:
        eps /= 10
        callbacks.on_part_begin(f"again at {eps:.0e}", len(disagreeing))
        smaller = numerical.numerical(problem, disagreeing, eps, callbacks.on_steps_end)
        disagreeing = disagreeing[~(np.abs(smaller - exact[disagreeing]) <= allowed[disagreeing])]
    kinked = numerical.crossings(problem, disagreeing, eps) & np.isfinite(exact[disagreeing])
    wrong = np.zeros(exact.size)
    wrong[disagreeing[~kinked]] = 1
    for index, layer in enumerate(unflatten(jnp.asarray(wrong)), 1):
        for part, marks in zip(("weights", "biases"), layer, strict=True):
            if count := int(marks.sum()):
                failures.append(
                    f"layer {index}, {part}: {count:,} of {marks.size:,} differ from central differences by more than"
                    f" {options.numerical_tolerance:.0e}, at eps {options.eps:.0e} and down to {eps:.0e}"
                )
    every_weight = EveryWeight(
        eps=options.eps,
        weights=exact.size,
        largest_difference=float(np.max(np.abs(differences - exact))),
        above_tolerance=len(above),
        agree_at_smaller_eps=len(above) - len(disagreeing),
        at_a_kink=int(kinked.sum()),
        wrong=int((~kinked).sum()),
        seconds=seconds,
    )
    return layers, every_weight, failures


def _scale(gradient: jax.Array) -> jax.Array:
    """For each entry max(1, the largest |gradient| of its array): a difference of E has an error that grows with E."""
    return jnp.full_like(gradient, jnp.maximum(1, jnp.max(jnp.abs(gradient))))


def epoch_times(
    spec: Spec, experiment: Experiment, splits: Splits, epochs: int, callbacks: CheckCallbacks
) -> dict[str, EpochTime]:
    """Seconds of the first epoch by each derived route, as it is trained, in turns, so that both see the same machine."""
    hyper, key, state = fitting.initial(spec, experiment.hyper, experiment.seed)
    specs = {name: replace(spec, training=replace(spec.training, gradient=name)) for name in ("autodiff", "delta_rule")}
    programs = {name: fitting.compile_epoch(routed, hyper, key, splits, state)[0] for name, routed in specs.items()}
    seconds: dict[str, list[float]] = {name: [] for name in specs}
    callbacks.on_part_begin("epochs", epochs)
    for turn in range(epochs):
        for name in specs if turn % 2 else reversed(specs):
            program, started = programs[name], time.perf_counter()
            jax.block_until_ready(program.advance(program.hyper, program.key, program.splits, state))
            seconds[name].append(time.perf_counter() - started)
        callbacks.on_steps_end(1)
    return {
        name: EpochTime(programs[name].compile_seconds, statistics.median(seconds[name]), seconds[name])
        for name in specs
    }


def as_tree(experiment: Experiment, options: Options, findings: Findings) -> dict[str, Any]:
    """All findings, for JSON: lists, numbers and names; null where a number is not finite."""
    return finite(
        {
            "verdict": "failed" if findings.failures else "ok",
            "failures": findings.failures,
            "sizes": list(findings.spec.sizes),
            "data": findings.origin,
            "rows": findings.rows,
            "tolerance": options.tolerance,
            "numerical_tolerance": options.numerical_tolerance,
            "layers": [row._asdict() for row in findings.layers],
            "table": [
                row._asdict() | {"difference": row.difference, "derived_difference": row.derived_difference}
                for row in findings.table
            ],
            "every_weight": findings.every_weight._asdict(),
            "curves": {name: curve._asdict() for name, curve in findings.curves.items()},
            "epochs": {name: times._asdict() for name, times in findings.epochs.items()},
            "epoch_ratio": epoch_ratio(findings),
            "experiment": config.tree(experiment),
        }
    )


def epoch_ratio(findings: Findings) -> float | None:
    """Median epoch by the delta rule over that by autodiff; None where no epoch was timed."""
    if not findings.epochs:
        return None
    return findings.epochs["delta_rule"].median_seconds / findings.epochs["autodiff"].median_seconds
