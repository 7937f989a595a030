"""The states of trials before their first epoch."""

from collections import Counter
from collections.abc import Iterable, Mapping

import jax

from jaxmlp.grid.trials import Trial
from jaxmlp.spec import Spec
from jaxmlp.training import fitting
from jaxmlp.training.loop import TrainState


class FirstStates:
    """`loop.begin` of trials, evaluated once for all that share a first state.

    A first state depends on the seed, and on init_scale where that is read. It is kept while there are `unbegun` trials
    that begin with it.
    """

    def __init__(self, spec: Spec, trials: Mapping[int, Trial], unbegun: Iterable[int]) -> None:
        self.spec, self.trials = spec, trials
        self._left = Counter(map(self._origin, unbegun))
        self._states: dict[tuple[int, float], TrainState] = {}

    def take(self, trial: int) -> TrainState:
        """The first state of a trial, in NumPy; each trial takes it once."""
        origin = self._origin(trial)
        if origin not in self._states:
            key = jax.random.key(origin[0], impl=fitting.PRNG)
            state = fitting.compiled_begin(self.spec, fitting.traced(self.spec, self.trials[trial].hyper), key)
            self._states[origin] = jax.device_get(state)
        self._left[origin] -= 1
        return self._states[origin] if self._left[origin] else self._states.pop(origin)

    def _origin(self, trial: int) -> tuple[int, float]:
        hyper, seed = self.trials[trial]
        return seed, hyper.init_scale if self.spec.network.init == "uniform" else 0.0
