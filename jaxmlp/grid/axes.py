"""The axes of a grid as Python gives them: lists of values by key, read and checked before anything is compiled."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

from annotated_types import Ge

from jaxmlp.errors import UsageError, nearest
from jaxmlp.fields import annotations, changed, different, shown, value_of
from jaxmlp.grid.trials import HYPER, Base, Trials, product_codes
from jaxmlp.spec import Hyper, Network, Spec, Training
from jaxmlp.training.validation import axis_values, check, refuse_unread

SECTIONS = {"hyper": Hyper, "network": Network, "training": Training}
KEYS = {name: f"{section}.{name}" for section, kind in SECTIONS.items() for name in annotations(kind)}
SEED = Annotated[int, Ge(0)]


def trials_of(spec: Spec, hyper: Hyper, grid: Any, seeds: Any) -> Trials[Spec]:
    """Every combination of the values in `grid`, over `spec` and `hyper`, with every seed.

    Raises UsageError for what no trial could have, and for an axis that a combination does not read.
    """
    axes = axes_of(grid)
    return Trials(axes, product_codes(axes), seeds_of(seeds), partial(_base, spec, hyper, axes))


def axes_of(grid: Any) -> dict[str, tuple[Any, ...]]:
    """The values of each key, by full name (hyper.learning_rate). Raises UsageError for what no trial could have."""
    if not isinstance(grid, Mapping):
        raise UsageError(f"grid is {shown(grid)}; accepted is a dict of lists, such as {{'learning_rate': [0.1, 0.3]}}")
    return dict(_axis(name, values) for name, values in grid.items())


def _axis(name: Any, values: Any) -> tuple[str, tuple[Any, ...]]:
    field = f"grid.{name}"
    if name in ("seed", "seeds"):
        raise UsageError(f"{field} is no axis: use seeds=, as in seeds=5 or seeds=[3, 7]")
    if name not in KEYS:
        raise UsageError(f"{field} is no key; {nearest(str(name), KEYS)}")
    if isinstance(values, Mapping):
        raise UsageError(
            f"{field} is {shown(values)}; ranges are for config files: give a list, such as numpy.geomspace(0.001, 1, 8)"
        )
    section, _ = KEYS[name].split(".")
    return KEYS[name], axis_values(KEYS[name], field, values, annotations(SECTIONS[section])[name])


def seeds_of(seeds: Any) -> tuple[int, ...]:
    """The seeds: so many from 0, or as they are listed. Raises UsageError."""
    if hasattr(seeds, "__len__") and not isinstance(seeds, str):
        return different("seeds", seeds, SEED)
    return tuple(range(value_of("seeds", seeds, Annotated[int, Ge(1)])))


def _base(spec: Spec, hyper: Hyper, axes: Mapping[str, Sequence[Any]], values: dict[str, Any]) -> Base[Spec]:
    """The spec of a group of trials. Raises UsageError as `check` does, for an axis that it does not read too."""
    spec = changed(spec, values)
    traced = {key.removeprefix(HYPER): listed for key, listed in axes.items() if key.startswith(HYPER)}
    check(spec, hyper._replace(**{name: listed[0] for name, listed in traced.items()}))
    defaults = Hyper()._asdict()
    wanted = [name for name, listed in traced.items() if set(listed) != {defaults[name]}]
    refuse_unread(spec.network, spec.training, wanted)
    return Base(spec, hyper, frozenset(Hyper._fields))
