"""scikit-learn's MLPRegressor, trained by jaxmlp."""

from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from jaxmlp.errors import UsageError, unknown
from jaxmlp.nn.losses import LOSSES, VALUES
from jaxmlp.sklearn.constraints import ABOVE_0, CONSTRAINTS
from jaxmlp.sklearn.estimator import Estimator


class MLPRegressor(RegressorMixin, Estimator):
    """A multi-layer perceptron that learns numbers: scikit-learn's MLPRegressor, trained by jaxmlp.

    Minimises the mean loss + (alpha/2 sum w^2 + l1 sum |w|) / examples. Every parameter of scikit-learn's has its meaning
    and its default there. On top, with defaults that change nothing:

    Args:
        loss: Also "huber" and "quantile".
        activation: Also each other activation of jaxmlp, such as "gelu", and those that are registered.
        solver: Also each other update rule of jaxmlp, such as "adamw" or "lion", and those that are registered.
        l1: Strength of the L1 penalty.
        dropout: Share of hidden units that are dropped in training.
        weight_decay: Decoupled decay of the weights, of "adamw" and "lion".
        huber_delta: Error from which the Huber loss grows linearly.
        quantile: The quantile that is learnt by the loss of that name; 0.5 is the median.
        gradient: "delta_rule", the backpropagation derived by hand, or "autodiff".
        device: Where to compute, such as "cpu" or "gpu:0"; None is JAX's default.

    Example:
        from jaxmlp.sklearn import MLPRegressor
        upper = MLPRegressor("quantile", quantile=0.9, random_state=0).fit(X_train, y_train)
        upper.predict(X_test)
    """

    _parameter_constraints: dict = {  # noqa: RUF012
        **CONSTRAINTS,
        "loss": [str],
        "huber_delta": [ABOVE_0],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        loss="squared_error",
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="adam",
        alpha=0.0001,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        l1=0.0,
        dropout=0.0,
        weight_decay=1e-4,
        huber_delta=1.0,
        quantile=0.5,
        gradient="delta_rule",
        device=None,
    ):
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.l1 = l1
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.huber_delta = huber_delta
        self.quantile = quantile
        self.gradient = gradient
        self.device = device

    def fit(self, X, y, sample_weight=None, *, validation_data=None):
        """Train a network on X [N, D], dense or sparse, and y: numbers [N], or [N, K] for several outputs.

        Args:
            X: The examples.
            y: What to come near to.
            sample_weight: The weight of each example [N].
            validation_data: (X, y) or (X, y, sample_weight) to evaluate on after each epoch, and to stop early by, instead
                of a share of X.

        Raises:
            ValueError: for a parameter or for data that cannot be trained with.
        """
        return self._fit(X, y, sample_weight, validation_data, incremental=False)

    @available_if(lambda self: self._check_solver())
    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch more."""
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X):
        """The outputs for each example: [N], or [N, K] where there are several."""
        check_is_fitted(self)
        values = self._outputs(X)
        return values.ravel() if self.n_outputs_ == 1 else values

    def _read_targets(self, y: Any, *, first: bool, incremental: bool) -> tuple[np.ndarray, str]:
        known = [name for name, loss in LOSSES.items() if VALUES in loss.learns]
        if self.loss not in known:
            raise unknown("loss", self.loss, known)
        targets = self._own_targets(y)
        self.n_outputs_ = targets.shape[1]
        return targets, VALUES

    def _own_targets(self, y: Any) -> np.ndarray:
        y, least = np.asarray(y), LOSSES[self.loss].least_target
        if y.min() < least:
            raise UsageError(f"y goes from {y.min():g}; accepted by loss {self.loss!r} is {least:g} or more")
        return y.reshape(-1, 1) if y.ndim == 1 else y

    def _weights(self, y: Any, sample_weight: np.ndarray | None, *, incremental: bool) -> np.ndarray | None:
        return sample_weight

    def _out_activation(self, kind: str) -> str:
        return "exp" if self.loss == "poisson" else "identity"
