"""Which test examples a network gets right, so that two networks can be compared example by example."""

import numpy as np

from jaxmlp.data.config import SPLITTING, Data
from jaxmlp.errors import DataError
from jaxmlp.nn.losses import VALUES, loss
from jaxmlp.run import directory, model, own
from jaxmlp.run.identity import PLACES
from jaxmlp.run.pictures import Tested
from jaxmlp.run.runner import Loaded
from jaxmlp.runs.records import Record, value_of


def obstacle(first: Record, second: Record) -> str | None:
    """Why the test examples of two runs are not the same ones; None where they are, as far as their files say."""
    begun = [directory.identity_of(run.path) for run in (first, second)]
    both = f"{first.name} and {second.name}"
    if any(identity is None for identity in begun):
        return f"{both}: one was begun by an earlier version, which does not say on which data"
    if begun[0].data != begun[1].data:  # pyright: ignore[reportOptionalMemberAccess]
        names = [value_of(run.keys, "data.name") for run in (first, second)]
        return f"{both} learnt other data ({' and '.join(names)})" if len({*names}) > 1 else f"{both} learnt other data"
    keys = [key for key in SPLITTING if key not in PLACES and first.keys.get(key) != second.keys.get(key)]
    return f"{both} have other test examples: {', '.join(keys)} differ" if keys else None


class Outcomes:
    """The outcomes of networks; data that several of them share are read once."""

    def __init__(self) -> None:
        self._data: dict[tuple[Data, frozenset[str]], Loaded] = {}
        self._right: dict[str, np.ndarray] = {}

    def right(self, run: Record) -> np.ndarray:
        """Whether the network of a run gets each test example right [N]; of label sets, all labels of it.

        Raises JaxmlpError where the model or the data cannot be read, or the network predicts values.
        """
        if run.name not in self._right:
            trained = model.load(run.path)
            if trained.preparation.kind == VALUES:
                raise DataError(
                    "values are predicted, which are neither right nor wrong: McNemar's test is of classes and label sets"
                )
            tested = Tested.of(trained, self._read(run, trained.spec.network.loss).splits)
            equal = tested.answers.predicted == tested.targets
            self._right[run.name] = equal if equal.ndim == 1 else equal.all(axis=1)
        return self._right[run.name]

    def _read(self, run: Record, name: str) -> Loaded:
        key = own.data_keys(run.path), frozenset(loss(name).learns)
        if key not in self._data:
            self._data[key] = own.read_again(run.path, name)
        own.check_begun_with(run.path, self._data[key])
        return self._data[key]
