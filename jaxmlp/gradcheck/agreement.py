"""How far the three routes to the gradient agree: layer by layer, weight by weight, and over eps.

Functions here compute, and judge nothing; take them to float64 (`jax.enable_x64`), where agreement is a proof.
Parameters are numbered as in `jax.flatten_util.ravel_pytree`: layer after layer, its weights row by row, then its biases.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from jaxmlp.nn.gradients import by_autodiff, by_delta_rule, differences, perturbed
from jaxmlp.nn.network import Params, record
from jaxmlp.spec import Examples, Hyper, Spec

KINKED = ("relu", "leaky_relu", "elu")  # the second derivative (elu), or already the first, jumps where z = 0
TOGETHER = 1024  # weights of one call: the only shape that is compiled

compiled_autodiff = jax.jit(by_autodiff, static_argnums=0)
compiled_delta_rule = jax.jit(by_delta_rule, static_argnums=0)
compiled_differences = jax.jit(differences, static_argnums=0)


class Problem(NamedTuple):
    """Where a gradient is taken: the arguments of a route. All numbers in one precision."""

    spec: Spec
    hyper: Hyper
    params: Params
    batch: Examples
    key: Key[Array, ""] | None  # of the dropout masks, the same at every evaluation; None: no dropout


class LayerAgreement(NamedTuple):
    """How far two gradients agree over the weights, or the biases, of one layer."""

    layer: int  # from 1, the layer that reads the inputs
    part: str  # weights, biases
    against: str  # what the delta rule is compared with: autodiff, differences
    size: int
    largest_gradient: float  # max |g| of the delta rule
    largest_absolute: float  # max |g - g'|
    largest_relative: float  # the same, divided by the larger max |g| of the two


class TableRow(NamedTuple):
    """A row of the report's Table 1: one parameter, and its gradient by three routes."""

    name: str
    coordinate: int
    place: str  # such as w1[350,17] or b2[9]
    eps: float
    numerical: float
    delta_rule: float
    autodiff: float

    @property
    def difference(self) -> float:
        """|numerical - delta rule|, the report's last column."""
        return abs(self.numerical - self.delta_rule)

    @property
    def derived_difference(self) -> float:
        """|delta rule - autodiff|."""
        return abs(self.delta_rule - self.autodiff)


class EpsCurve(NamedTuple):
    """The error of central differences over eps: eps^2 from above, 1/eps from below, and a floor between.

    E(w + eps) - E(w - eps) = 2 eps E' + eps^3/3 E''' + ..., so the quotient errs by eps^2/6 E''' (truncation), and by
    u |E| / eps for a unit of round-off u. Errors are the largest over the weights whose steps cross no kink at any eps.
    """

    eps: Float[np.ndarray, " E"]  # falling
    error: Float[np.ndarray, " E"]  # max |difference - automatic|
    error_with_kinks: Float[np.ndarray, " E"]  # the same over all the weights
    crossing: Int[np.ndarray, " E"]  # weights whose step crosses a kink
    weights: int
    slope: float  # d log error / d log eps over the decades of truncation: 2; NaN where there are none
    floor: float  # the smallest error
    best_eps: float  # where it is


def layer_agreement(ours: Params, theirs: Params, against: str) -> list[LayerAgreement]:
    """Two gradients compared, weights and biases of every layer apart: two rows for each layer.

    Relative is to the largest magnitude in that array, since a single gradient may be 0. 0 where both arrays are.
    """
    rows = []
    for index, (our_layer, their_layer) in enumerate(zip(ours, theirs, strict=True), 1):
        for part, one, other in zip(("weights", "biases"), our_layer, their_layer, strict=True):
            one, other = np.asarray(one), np.asarray(other)
            largest = float(np.max(np.abs(one)))
            scale = max(largest, float(np.max(np.abs(other))))
            apart = float(np.max(np.abs(one - other)))
            rows.append(LayerAgreement(index, part, against, one.size, largest, apart, apart / scale if apart else 0.0))
    return rows


def numerical(
    problem: Problem,
    coordinates: Int[np.ndarray, " P"],
    eps: float | Float[np.ndarray, " P"],
    advanced: Callable[[int], None] = lambda done: None,
) -> Float[np.ndarray, " P"]:
    """Central differences of the whole objective at some `coordinates`, with one eps or one for each.

    Runs in blocks of one shape, so that it compiles once for a precision; `advanced` is told the weights of each.
    """
    found = [np.zeros(0, problem.params[0].w.dtype)]
    for block, steps in _blocks(coordinates, eps):
        found.append(np.asarray(compiled_differences(*problem, block, steps))[: len(coordinates) - _total(found)])
        advanced(len(found[-1]))
    return np.concatenate(found)


def crossings(
    problem: Problem, coordinates: Int[np.ndarray, " P"], eps: float | Float[np.ndarray, " P"]
) -> Bool[np.ndarray, " P"]:
    """Whether a step from w - eps to w + eps crosses a kink of the objective, or touches one.

    There a central difference is the mean of two slopes, and no measure of either. Kinks lie where the net input of a
    unit with a kinked activation is 0 and, under an L1 penalty, where a weight is.
    """
    if not _has_kinks(problem):
        return np.zeros(len(coordinates), bool)
    found = [np.zeros(0, bool)]
    for block, steps in _blocks(coordinates, eps):
        found.append(np.asarray(_compiled_crossed(*problem, block, steps))[: len(coordinates) - _total(found)])
    return np.concatenate(found)


def report_places(problem: Problem) -> list[tuple[str, int, str]]:
    """The parameters of the report's Table 1, for a network of any depth: name, coordinate, place.

    The last bias of every layer, the output layer's first; and two weights of every layer: that with the largest
    gradient, and that with the median of those which are not 0 (so their input is not 0 either).
    """
    grads = compiled_autodiff(*problem).grads
    names = ["input", *(f"hidden {index}" for index in range(1, len(grads))), "output"]
    if len(grads) == 2:
        names[1] = "hidden"
    starts = np.cumsum([0, *(leaf.size for leaf in jax.tree.leaves(grads))])
    biases, weights = [], []
    for index, layer in enumerate(grads):
        name, columns = names[index + 1], layer.w.shape[1]
        biases.append((f"{name} bias", int(starts[2 * index + 2] - 1), f"b{index + 1}[{columns - 1}]"))
        for numeral, at in zip(("i", "ii"), _largest_and_median(np.abs(np.asarray(layer.w)).ravel()), strict=False):
            row, column = divmod(at, columns)
            coordinate = int(starts[2 * index] + at)
            weights.append((f"{names[index]} to {name} {numeral}", coordinate, f"w{index + 1}[{row},{column}]"))
    return [*reversed(biases), *weights]


def report_table(problem: Problem, eps: Sequence[float]) -> list[TableRow]:
    """The report's Table 1 at each `eps`, one after the other: some parameters, by three routes."""
    places = report_places(problem)
    coordinates = np.asarray([coordinate for _, coordinate, _ in places])
    ours = flat(compiled_delta_rule(*problem).grads)[coordinates]
    automatic = flat(compiled_autodiff(*problem).grads)[coordinates]
    found = numerical(problem, np.tile(coordinates, len(eps)), np.repeat(np.asarray(eps, float), len(coordinates)))
    return [
        TableRow(name, coordinate, place, step, float(found[row * len(places) + at]), float(ours[at]), float(auto))
        for row, step in enumerate(eps)
        for at, ((name, coordinate, place), auto) in enumerate(zip(places, automatic, strict=True))
    ]


def eps_curve(problem: Problem, coordinates: Int[np.ndarray, " P"], eps: Float[np.ndarray, " E"]) -> EpsCurve:
    """The largest error of central differences at some `coordinates`, for each `eps` (falling), against `by_autodiff`.

    The slope is fitted over the two decades that begin one decade above the best eps: below them round-off is felt, and
    above them the next term of the series. NaN where fewer than three eps lie there: in float32, or where E''' = 0.
    """
    exact = flat(compiled_autodiff(*problem).grads)[coordinates]
    every, steps = np.tile(coordinates, len(eps)), np.repeat(eps, len(coordinates))
    errors = np.abs(numerical(problem, every, steps).reshape(len(eps), -1) - exact[None, :])  # [E, P]
    crossed = crossings(problem, every, steps).reshape(len(eps), -1)  # [E, P]
    smooth = ~crossed.any(axis=0)  # [P]
    with_kinks = errors.max(axis=1).astype(float)
    error = errors[:, smooth].max(axis=1).astype(float) if smooth.any() else np.full(len(eps), np.nan)
    slope, floor, best = _fit(eps, error)
    return EpsCurve(eps, error, with_kinks, crossed.sum(axis=1), len(coordinates), slope, floor, best)


def flat(params: Params) -> Float[np.ndarray, " P"]:
    """All the parameters of a network, or their gradients, as one NumPy vector in the order of coordinates."""
    return np.asarray(jax.flatten_util.ravel_pytree(params)[0])


def _fit(eps: Float[np.ndarray, " E"], error: Float[np.ndarray, " E"]) -> tuple[float, float, float]:
    """Slope, floor, and the eps of the floor."""
    if not np.isfinite(error).any():
        return np.nan, np.nan, np.nan
    at = int(np.nanargmin(error))
    decades = np.log10(eps) - np.log10(eps[at])
    fitted = (decades > 0.99) & (decades < 3.01) & (error > 0)
    slope = np.polyfit(np.log10(eps[fitted]), np.log10(error[fitted]), 1)[0] if fitted.sum() >= 3 else np.nan
    return float(slope), float(error[at]), float(eps[at])


def _largest_and_median(magnitudes: Float[np.ndarray, " P"]) -> list[int]:
    order = np.argsort(-magnitudes, kind="stable")
    moving = np.count_nonzero(magnitudes)
    return [int(order[0]), int(order[max(moving // 2, min(1, len(order) - 1))])]


def _blocks(
    coordinates: Int[np.ndarray, " P"], eps: float | Float[np.ndarray, " P"]
) -> Iterator[tuple[Int[np.ndarray, " B"], Float[np.ndarray, " B"]]]:
    """Blocks of TOGETHER weights; the last one is filled up with its first weight."""
    steps = np.broadcast_to(np.asarray(eps, float), coordinates.shape)
    for start in range(0, len(coordinates), TOGETHER):
        block, part = coordinates[start : start + TOGETHER], steps[start : start + TOGETHER]
        missing = TOGETHER - len(block)
        yield (
            np.concatenate([block, np.full(missing, block[0])]).astype(np.int32),
            np.concatenate([part, np.full(missing, part[0])]),
        )


def _total(found: list[np.ndarray]) -> int:
    return sum(len(part) for part in found)


def _has_kinks(problem: Problem) -> bool:
    network = problem.spec.network
    hidden = network.activation in KINKED and bool(network.hidden)
    return hidden or network.output_activation in KINKED or bool(np.asarray(problem.hyper.l1) != 0)


def _crossed(
    spec: Spec,
    hyper: Hyper,
    params: Params,
    batch: Examples,
    key: Key[Array, ""] | None,
    coordinates: Int[Array, " P"],
    eps: Float[Array, " P"],
) -> Bool[Array, " P"]:
    def sides(params: Params) -> Float[Array, " U"]:
        """The sign of every net input that meets a kink."""
        logits, tape = record(spec, hyper, params, batch.x, key)
        nets = [*tape.nets] if spec.network.activation in KINKED else []
        if spec.network.output_activation in KINKED:
            nets.append(logits)
        return jnp.concatenate([jnp.sign(z).reshape(-1) for z in [*nets, jnp.zeros(0, logits.dtype)]])

    eps = eps.astype(params[0].w.dtype)
    up, down = perturbed(sides, params, coordinates, eps)
    weights = jax.flatten_util.ravel_pytree(params)[0][coordinates]
    penalised = jax.flatten_util.ravel_pytree([(jnp.ones_like(w), jnp.zeros_like(b)) for w, b in params])[0][
        coordinates
    ]
    near_zero = (jnp.asarray(hyper.l1) != 0) & (penalised > 0) & (jnp.abs(weights) <= eps)
    return jnp.any(up != down, axis=1) | near_zero


_compiled_crossed = jax.jit(_crossed, static_argnums=0)
