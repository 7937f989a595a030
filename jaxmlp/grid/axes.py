"""The axes of a grid as Python gives them: lists of values by key, read and checked before anything is compiled."""

from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Ge

from jaxmlp.errors import UsageError, nearest
from jaxmlp.fields import annotations, different, shown, value_of
from jaxmlp.spec import Hyper, Network, Training
from jaxmlp.training.validation import axis_values

SECTIONS = {"hyper": Hyper, "network": Network, "training": Training}
KEYS = {name: f"{section}.{name}" for section, kind in SECTIONS.items() for name in annotations(kind)}
SEED = Annotated[int, Ge(0)]


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
