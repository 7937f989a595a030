"""The check of an experiment's gradients: its data and first weights, in float64, and the judgement of the findings."""

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

from jaxmlp.gradcheck import agreement
from jaxmlp.gradcheck.agreement import EpsCurve, LayerAgreement, Problem, TableRow
from jaxmlp.runs import config
from jaxmlp.runs.config import Experiment
from jaxmlp.runs.directory import finite
from jaxmlp.runs.runner import read_data, spec_of
from jaxmlp.spec import Examples, Spec, Splits
from jaxmlp.training import fitting

REPORT_EPS = 1e-2
CURVE_EPS = 10.0 ** np.arange(-1, -9.1, -0.5)
SMALLEST_EPS = 1e-7  # below it round-off exceeds the tolerance


@dataclass(frozen=True)
class Options:
    """What is compared, and how closely it has to agree."""

    examples: Annotated[int, Ge(1)] = 1
    """Random training examples in the batch (the report: one)."""
    eps: Annotated[float, Interval(gt=0, le=1)] = 1e-5
    """Step of the central differences, for every weight."""
    curve_weights: Annotated[int, Ge(1)] = 300
    """Random weights on which the error over eps is measured."""
    epochs: Annotated[int, Ge(0)] = 5
    """Epochs timed by each derived route; 0 for none."""
    tolerance: Annotated[float, Gt(0)] = 1e-12
    """Hand-derived against automatic, relative to the largest gradient of the layer."""
    numerical_tolerance: Annotated[float, Gt(0)] = 1e-7
    """Hand-derived against numerical, times the largest gradient of the layer where that is above 1."""


class EveryWeight(NamedTuple):
    """All the weights against central differences at one eps, and what became of those above the tolerance.

    A quotient may err where the gradient is right: by curvature (eps^2/6 E''') or because the step crosses a kink. So
    what is above the tolerance is measured again at eps/10, eps/100, ...: there the errors of the quotient vanish, and a
    wrong gradient stays wrong. (Tolerance 1e-7: at eps 1e-5 curvature and round-off come to 1e-10 on normalised images.)
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
    """All that `check_gradients` found."""

    spec: Spec
    origin: str  # of the data
    rows: list[int]  # of the training split, in the batch
    layers: list[LayerAgreement]
    table: list[TableRow]  # the report's Table 1: first at its eps, then at ours
    every_weight: EveryWeight
    curves: dict[str, EpsCurve]  # float64, float32
    epochs: dict[str, EpochTime]  # autodiff, delta_rule; empty where none was asked for
    failures: list[str]  # a line each; none: the gradients agree


class Listener:
    """Who is told how it goes; this one ignores it."""

    def begins(self, what: str, steps: int) -> None:
        """A part begins that takes so many steps."""

    def advanced(self, steps: int) -> None:
        """Some of them are done."""


def check_gradients(experiment: Experiment, options: Options, listener: Listener | None = None) -> Findings:
    """Compare the three routes on the weights that training would begin with, and some random training examples.

    The comparison runs in float64, the epochs in float32 as they are trained. Raises DataError where there are no data.
    """
    listener = listener or Listener()
    data = read_data(experiment)
    splits = data.splits
    spec = spec_of(experiment, splits, data.preparation)
    count = min(options.examples, len(splits.train.x))
    rows = np.random.default_rng(experiment.seed).choice(len(splits.train.x), count, replace=False)
    single = first_problem(spec, experiment, splits, rows)
    with jax.enable_x64(True):
        problem = in_float64(single, experiment)
        layers, every_weight, failures = _every_weight(problem, options, listener)
        table = agreement.report_table(problem, list(dict.fromkeys([REPORT_EPS, options.eps])))
        size = sum(leaf.size for leaf in jax.tree.leaves(problem.params))
        drawn = np.random.default_rng(experiment.seed).permutation(size)[: options.curve_weights]
        listener.begins("error over eps", 2)
        curves = {}
        for name, at in (("float64", problem), ("float32", single)):
            curves[name] = agreement.eps_curve(at, drawn, CURVE_EPS)
            listener.advanced(1)
    epochs = epoch_times(spec, experiment, splits, options.epochs, listener) if options.epochs else {}
    return Findings(spec, data.origin, rows.tolist(), layers, table, every_weight, curves, epochs, failures)


def first_problem(spec: Spec, experiment: Experiment, splits: Splits, rows: Int[np.ndarray, " N"]) -> Problem:
    """The gradient before the first step, in float32: first weights, `rows` of the training split, a key for dropout."""
    key, hyper = jax.random.key(experiment.seed, impl=fitting.PRNG), fitting.traced(experiment.hyper)
    params = fitting.compiled_begin(spec, hyper, key).params
    batch = Examples(jnp.asarray(splits.train.x[rows]), jnp.asarray(splits.train.labels[rows]))
    return Problem(spec, hyper, params, batch, jax.random.fold_in(key, 0) if spec.network.dropout else None)


def in_float64(problem: Problem, experiment: Experiment) -> Problem:
    """The same weights and examples in double precision, and the numbers as they were written."""
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), problem.params)
    batch = problem.batch._replace(x=jnp.asarray(problem.batch.x, jnp.float64))
    hyper = problem.hyper._replace(
        **{name: jnp.asarray(getattr(experiment.hyper, name), jnp.float64) for name in ("l1", "l2", "dropout_rate")}
    )
    return problem._replace(params=params, batch=batch, hyper=hyper)


def _every_weight(
    problem: Problem, options: Options, listener: Listener
) -> tuple[list[LayerAgreement], EveryWeight, list[str]]:
    ours = agreement.compiled_delta_rule(*problem).grads
    automatic = agreement.compiled_autodiff(*problem).grads
    exact = agreement.flat(ours)
    unflatten = jax.flatten_util.ravel_pytree(ours)[1]
    every = np.arange(exact.size)
    listener.begins("every weight", exact.size)
    started = time.perf_counter()
    found = agreement.numerical(problem, every, options.eps, listener.advanced)
    seconds = time.perf_counter() - started

    derived = agreement.layer_agreement(ours, automatic, "autodiff")
    failures = [
        f"layer {row.layer}, {row.part}: hand-derived and automatic differ by {row.largest_relative:.1e} of the largest"
        f" gradient (tolerance {options.tolerance:.0e})"
        for row in derived
        if not row.largest_relative <= options.tolerance
    ]
    allowed = options.numerical_tolerance * agreement.flat(jax.tree.map(_scale, ours))  # [P]
    above = np.flatnonzero(~(np.abs(found - exact) <= allowed))
    open_, eps = above, options.eps
    while len(open_) and eps / 10 >= SMALLEST_EPS * 0.99:
        eps /= 10
        listener.begins(f"again at {eps:.0e}", len(open_))
        again = agreement.numerical(problem, open_, eps, listener.advanced)
        open_ = open_[~(np.abs(again - exact[open_]) <= allowed[open_])]
    kinked = agreement.crossings(problem, open_, eps) & np.isfinite(exact[open_])
    wrong = np.zeros(exact.size)
    wrong[open_[~kinked]] = 1
    for index, layer in enumerate(unflatten(jnp.asarray(wrong)), 1):
        for part, marks in zip(("weights", "biases"), layer, strict=True):
            if count := int(marks.sum()):
                failures.append(
                    f"layer {index}, {part}: {count:,} of {marks.size:,} differ from central differences by more than"
                    f" {options.numerical_tolerance:.0e}, at eps {options.eps:.0e} and down to {eps:.0e}"
                )
    rows = [*derived, *agreement.layer_agreement(ours, unflatten(jnp.asarray(found)), "differences")]
    judged = EveryWeight(
        eps=options.eps,
        weights=exact.size,
        largest_difference=float(np.max(np.abs(found - exact))),
        above_tolerance=len(above),
        agree_at_smaller_eps=len(above) - len(open_),
        at_a_kink=int(kinked.sum()),
        wrong=int((~kinked).sum()),
        seconds=seconds,
    )
    return rows, judged, failures


def _scale(gradient: jax.Array) -> jax.Array:
    """For each entry max(1, the largest |gradient| of its array): a difference of E has an error that grows with E."""
    return jnp.full_like(gradient, jnp.maximum(1, jnp.max(jnp.abs(gradient))))


def epoch_times(
    spec: Spec, experiment: Experiment, splits: Splits, epochs: int, listener: Listener
) -> dict[str, EpochTime]:
    """Seconds of the first epoch by each derived route, in float32, taken in turns so that both see the same machine."""
    hyper, key, state = fitting.initial(spec, experiment.hyper, experiment.seed)
    specs = {name: replace(spec, training=replace(spec.training, gradient=name)) for name in ("autodiff", "delta_rule")}
    programs = {name: fitting.compile_program(one, hyper, key, splits, state)[0] for name, one in specs.items()}
    seconds: dict[str, list[float]] = {name: [] for name in specs}
    listener.begins("epochs", epochs)
    for turn in range(epochs):
        for name in specs if turn % 2 else reversed(specs):
            program, started = programs[name], time.perf_counter()
            jax.block_until_ready(program.advance(program.hyper, program.key, program.splits, state))
            seconds[name].append(time.perf_counter() - started)
        listener.advanced(1)
    return {
        name: EpochTime(programs[name].compile_seconds, statistics.median(seconds[name]), seconds[name])
        for name in specs
    }


def as_tree(experiment: Experiment, options: Options, findings: Findings) -> dict[str, Any]:
    """Everything found, for JSON: lists, numbers and names; null where a number is not finite."""
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
            "curves": {name: _lists(curve._asdict()) for name, curve in findings.curves.items()},
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


def _lists(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in values.items()}
