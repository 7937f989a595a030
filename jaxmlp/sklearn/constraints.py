"""What the parameters that the estimators share accept: scikit-learn's types and ranges."""

from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from jaxmlp.nn.activations import ACTIVATIONS
from jaxmlp.nn.gradients import GRADIENTS
from jaxmlp.sklearn.parameters import ACTIVATIONS as THEIR_ACTIVATIONS
from jaxmlp.sklearn.parameters import SCHEDULES
from jaxmlp.training.optimizers import OPTIMIZERS


class Names(StrOptions):
    """The names that a registry has when a parameter is checked, and those that are scikit-learn's alone."""

    def __init__(self, registry: Collection[str], others: Collection[str]) -> None:
        super().__init__({*registry, *others})
        self.registry, self.others = registry, others

    def is_satisfied_by(self, val: Any) -> bool:
        self.options = {*self.registry, *self.others}
        return super().is_satisfied_by(val)


AT_LEAST_0, ABOVE_0 = Interval(Real, 0, None, closed="left"), Interval(Real, 0, None, closed="neither")
AT_LEAST_1, SHARE = Interval(Integral, 1, None, closed="left"), Interval(Real, 0, 1, closed="left")
CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", AT_LEAST_1],
    "activation": [Names(ACTIVATIONS, THEIR_ACTIVATIONS)],
    "solver": [Names(OPTIMIZERS, ["lbfgs"])],
    "alpha": [AT_LEAST_0],
    "batch_size": [StrOptions({"auto"}), AT_LEAST_1],
    "learning_rate": [StrOptions(set(SCHEDULES))],
    "learning_rate_init": [ABOVE_0],
    "power_t": [AT_LEAST_0],
    "max_iter": [AT_LEAST_1],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [AT_LEAST_0],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [SHARE],
    "beta_1": [SHARE],
    "beta_2": [SHARE],
    "epsilon": [ABOVE_0],
    "n_iter_no_change": [AT_LEAST_1, Options(Real, {np.inf})],
    "max_fun": [AT_LEAST_1],
    "l1": [AT_LEAST_0],
    "dropout": [SHARE],
    "weight_decay": [AT_LEAST_0],
    "gradient": [StrOptions(set(GRADIENTS))],
    "device": [str, None],
}
