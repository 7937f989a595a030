"""How a training in memory begins, as an event: what commands read of a config file."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxmlp.fields import flat, plain
from jaxmlp.spec import Hyper, Spec, Splits
from jaxmlp.training.events import RunBegin
from jaxmlp.training.result import Fit
from jaxmlp.training.validation import reads


def of_fit(spec: Spec, hyper: Hyper, seed: int, splits: Splits, start: Fit | None) -> RunBegin:
    """One network, that goes on from `start`, if that is given."""
    epochs = () if start is None else tuple(start.epochs)
    return RunBegin(_config(spec, hyper) | {"seed": seed}, _sizes(splits), None, start is not None, epochs)


def of_grid(spec: Spec, hyper: Hyper, splits: Splits, axes: Mapping[str, Sequence[Any]]) -> RunBegin:
    """Many networks, which differ in the values of the axes."""
    config = {key: value for key, value in _config(spec, hyper).items() if key.split(".")[1] not in axes}
    return RunBegin(config, _sizes(splits), axes=axes)


def _config(spec: Spec, hyper: Hyper) -> dict[str, Any]:
    """Each key that is read, by its full name."""
    read = reads(spec.network, spec.training)
    tree = {"network": plain(spec.network), "training": plain(spec.training)}
    return dict(flat(tree | {"hyper": {name: value for name, value in plain(hyper).items() if name in read}}))


def _sizes(splits: Splits) -> str:
    sizes = " / ".join(f"{len(split.x):,}" for split in splits)
    return f"{sizes} train, validation, test examples, in memory"
