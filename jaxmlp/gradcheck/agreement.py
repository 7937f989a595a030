"""How far the three routes to the gradient agree: layer by layer, in the report's table, and over eps.

Functions here compare, and judge nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from jaxmlp.gradcheck.numerical import Problem, crossings, flat, numerical
from jaxmlp.nn.gradients import by_autodiff, by_delta_rule
from jaxmlp.nn.network import Params

compiled_autodiff = jax.jit(by_autodiff, static_argnums=0)
compiled_delta_rule = jax.jit(by_delta_rule, static_argnums=0)


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


def layer_agreement(delta_rule: Params, other: Params, against: str) -> list[LayerAgreement]:
    """Two gradients compared: a row for the weights and one for the biases of every layer.

    Relative is to the largest magnitude in that array, since a single gradient may be 0. 0 where both arrays are.
    """
    rows = []
    for index, layers in enumerate(zip(delta_rule, other, strict=True), 1):
        for part, *arrays in zip(("weights", "biases"), *layers, strict=True):
            g, g_other = map(np.asarray, arrays)
            largest = float(np.max(np.abs(g)))
            scale = max(largest, float(np.max(np.abs(g_other))))
            absolute = float(np.max(np.abs(g - g_other)))
            relative = absolute / scale if absolute else 0.0
            rows.append(LayerAgreement(index, part, against, g.size, largest, absolute, relative))
    return rows


def report_places(problem: Problem) -> list[tuple[str, int, str]]:
    """The parameters of the report's Table 1, for a network of any depth: name, coordinate, place such as w1[350,17].

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
    delta_rule = flat(compiled_delta_rule(*problem).grads)[coordinates].tolist()
    autodiff = flat(compiled_autodiff(*problem).grads)[coordinates].tolist()
    tiled, steps = np.tile(coordinates, len(eps)), np.repeat(np.asarray(eps, float), len(coordinates))
    by_eps = numerical(problem, tiled, steps).reshape(len(eps), -1).tolist()
    return [
        TableRow(*place, step, *gradients)
        for step, differences in zip(eps, by_eps, strict=True)
        for place, *gradients in zip(places, differences, delta_rule, autodiff, strict=True)
    ]


def eps_curve(problem: Problem, coordinates: Int[np.ndarray, " P"], eps: Float[np.ndarray, " E"]) -> EpsCurve:
    """The largest error of central differences at some `coordinates`, for each `eps` (falling), against `by_autodiff`.

    The slope is fitted over the two decades that begin one decade above the best eps: below them round-off is felt, and
    above them the next term of the series. NaN where fewer than three eps lie there: in float32, or where E''' = 0.
    """
    exact = flat(compiled_autodiff(*problem).grads)[coordinates]
    tiled, steps = np.tile(coordinates, len(eps)), np.repeat(eps, len(coordinates))
    errors = np.abs(numerical(problem, tiled, steps).reshape(len(eps), -1) - exact[None, :])  # [E, P]
    crossed = crossings(problem, tiled, steps).reshape(len(eps), -1)  # [E, P]
    smooth = ~crossed.any(axis=0)  # [P]
    with_kinks = errors.max(axis=1).astype(float)
    error = errors[:, smooth].max(axis=1).astype(float) if smooth.any() else np.full(len(eps), np.nan)
    slope, floor, best = _fit(eps, error)
    return EpsCurve(eps, error, with_kinks, crossed.sum(axis=1), len(coordinates), slope, floor, best)


def _fit(eps: Float[np.ndarray, " E"], error: Float[np.ndarray, " E"]) -> tuple[float, float, float]:
    """Slope, floor, and the eps of the floor."""
    if not np.isfinite(error).any():
        return np.nan, np.nan, np.nan
    lowest = int(np.nanargmin(error))
    decades = np.log10(eps) - np.log10(eps[lowest])
    fitted = (decades > 0.99) & (decades < 3.01) & (error > 0)
    slope = np.polyfit(np.log10(eps[fitted]), np.log10(error[fitted]), 1)[0] if fitted.sum() >= 3 else np.nan
    return float(slope), float(error[lowest]), float(eps[lowest])


def _largest_and_median(magnitudes: Float[np.ndarray, " P"]) -> list[int]:
    order = np.argsort(-magnitudes, kind="stable")
    nonzero = np.count_nonzero(magnitudes)
    return [int(order[0]), int(order[max(nonzero // 2, min(1, len(order) - 1))])]
