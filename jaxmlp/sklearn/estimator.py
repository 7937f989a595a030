"""What the two estimators share: their parameters, and a fit as a few compiled calls of the training loop."""

import warnings
from abc import abstractmethod
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from jaxmlp.nn.network import Params
from jaxmlp.sklearn import checks, epochs, lbfgs
from jaxmlp.sklearn.arrays import (
    Prepared,
    at_the_start,
    device_of,
    examples_of,
    layers_of,
    none_of,
    rows_of,
    with_params,
)
from jaxmlp.sklearn.constraints import CONSTRAINTS
from jaxmlp.sklearn.curves import curves_of, show
from jaxmlp.sklearn.outputs import outputs
from jaxmlp.sklearn.parameters import Sizes, averages_outputs, spec_and_hyper
from jaxmlp.spec import Examples, Hyper, Spec, Splits
from jaxmlp.training.fitting import initial
from jaxmlp.training.loop import TrainState
from jaxmlp.training.precision import precision

NEVER = 2**31 - 1  # the last epoch of a program: `max_iter` is no part of it, so that another one compiles nothing


class Estimator(BaseEstimator):
    """A multi-layer perceptron with the interface of scikit-learn's."""

    _parameter_constraints: dict = CONSTRAINTS
    hidden_layer_sizes: Any
    activation: str
    solver: str
    learning_rate: str
    max_iter: int
    max_fun: int
    tol: float
    n_iter_no_change: float
    random_state: Any
    verbose: bool | int
    warm_start: bool
    early_stopping: bool
    validation_fraction: float
    dropout: float
    device: str | None
    n_outputs_: int

    @abstractmethod
    def _read_targets(self, y: Any, *, first: bool, incremental: bool) -> tuple[np.ndarray, str]:
        """The targets as the training has them, [N] or [N, K], and their kind; sets what is known of them."""

    @abstractmethod
    def _own_targets(self, y: Any) -> np.ndarray:
        """Targets of further rows, in the form of those that were trained on."""

    @abstractmethod
    def _weights(self, y: Any, sample_weight: np.ndarray | None, *, incremental: bool) -> np.ndarray | None:
        """The weight of each example."""

    @abstractmethod
    def _out_activation(self, kind: str) -> str:
        """The name that scikit-learn has for the output activation."""

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, validation_data: Any = None, *, incremental: bool
    ) -> "Estimator":
        prepared = self._prepare(X, y, sample_weight, validation_data, incremental=incremental)
        spec, hyper = self._described(prepared.sizes)
        spec = replace(spec, training=replace(spec.training, max_epochs=NEVER))
        with jax.default_device(device_of(self.device)), precision(spec.training):
            if prepared.first:
                self._begin(spec, prepared.sizes.kind)
            traced, key, state = initial(at_the_start(spec), hyper, prepared.seed)
            if not prepared.first:
                state = with_params(state, layers_of(self.coefs_, self.intercepts_))
            self._spec = spec
            if self.solver == "lbfgs":
                self._minimise(spec, traced, state.params, prepared.splits.train)
            else:
                self._train(spec, traced, key, prepared.splits, state, incremental=incremental)
        self._check_weights()
        return self

    def _prepare(
        self, X: Any, y: Any, sample_weight: Any, validation_data: Any = None, *, incremental: bool = False
    ) -> Prepared:
        """Check parameters and data, and set what is known of the data before the training."""
        self._validate_params()
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        X, y, sample_weight = checks.data(self, X, y, sample_weight, first=first)
        weights = self._weights(y, sample_weight, incremental=incremental)
        targets, kind = self._read_targets(y, first=first, incremental=incremental)
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        dtype = ("float64" if self.solver == "lbfgs" else X.dtype.name) if first else self.coefs_[0].dtype.name
        everything = examples_of(X, targets, weights, dtype)
        random = check_random_state(self.random_state)
        seed = int(random.randint(NEVER))
        train, validation = self._parts(everything, validation_data, random, dtype)
        sizes = Sizes(len(train.x), X.shape[1], self.n_outputs_, kind, dtype)
        return Prepared(Splits(train, validation, none_of(train)), sizes, seed, first)

    def _described(self, sizes: Sizes) -> tuple[Spec, Hyper]:
        """What is trained."""
        return spec_and_hyper(self.get_params(deep=False), sizes)

    def _check_weights(self) -> None:
        """Raise ValueError where the training has diverged."""
        if not all(np.isfinite(array).all() for array in (*self.coefs_, *self.intercepts_)):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to be"
                " preprocessed."
            )

    def _begin(self, spec: Spec, kind: str) -> None:
        """The attributes before the first epoch of a new network."""
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(spec.sizes)
        self.out_activation_ = self._out_activation(kind)
        self._before: TrainState | None = None
        if self.solver != "lbfgs":
            self._begin_curves()

    def _begin_curves(self) -> None:
        self.loss_curve_: list[float] = []
        self.validation_scores_: list[float] | None = None
        self.validation_curve_: list[float] | None = None
        self.best_loss_: float | None = None
        self.best_validation_score_: float | None = None

    def _parts(
        self, examples: Examples, validation_data: Any, random: np.random.RandomState, dtype: str
    ) -> tuple[Examples, Examples]:
        """The examples to train on and to validate on: rows of their own, a share of all, or none."""
        if validation_data is not None:
            return examples, examples_of(*checks.validation_data(self, validation_data), dtype)
        if not self.early_stopping or self.solver == "lbfgs":
            return examples, none_of(examples)
        stratify = examples.targets if is_classifier(self) and self.n_outputs_ == 1 else None
        rows: Any = np.arange(len(examples.x))
        kept, held_out = map(
            np.asarray,
            train_test_split(rows, random_state=random, test_size=self.validation_fraction, stratify=stratify),
        )
        if len(held_out) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        return rows_of(examples, kept), rows_of(examples, held_out)

    def _minimise(self, spec: Spec, hyper: Hyper, params: Params, train: Examples) -> None:
        if self.dropout:
            raise ValueError(f"dropout is {self.dropout}, and solver 'lbfgs' has no minibatches; accepted is 0")
        limits: Any = {"iterations": self.max_iter, "evaluations": self.max_fun, "tolerance": self.tol}
        minimum = lbfgs.minimise(spec, hyper, params, jax.device_put(train), verbose=bool(self.verbose), **limits)
        self.loss_, self.n_iter_ = minimum.loss, minimum.iterations
        self._keep(minimum.params)

    def _train(
        self, spec: Spec, hyper: Hyper, key: jax.Array, splits: Splits, state: TrainState, *, incremental: bool
    ) -> None:
        """Train by minibatches: go on from what was remembered, and keep what each call has come to."""
        if not hasattr(self, "loss_curve_"):  # the epochs before were of L-BFGS
            self._begin_curves()
        state = self._go_on(spec, hyper, state, incremental=incremental)
        if incremental and self.learning_rate == "invscaling" and self.t_:
            hyper = hyper._replace(decay_epochs=np.asarray(int(state.epoch) / self.t_, spec.training.dtype))
        splits = jax.device_put(splits)
        self.n_iter_, going = 0, True
        try:
            for progress in epochs.in_calls(spec, hyper, key, splits, state, 1 if incremental else int(self.max_iter)):
                state, going = progress.state, progress.running
                self._log(spec, splits, progress)
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=2)
        else:
            self._say_how_it_ended(state, going=going and not incremental)
        self._before = state = jax.device_get(state)
        self._keep(state.best_params if self.early_stopping else state.params)

    def _say_how_it_ended(self, state: TrainState, *, going: bool) -> None:
        """Warn where the training has not converged; a message if it has, and messages are wanted."""
        warning = ""
        if bool(state.stopping.diverged):
            warning = f"the loss is not finite after iteration {self.n_iter_}, and the training ended there"
        elif going:
            warning = f"Maximum iterations ({self.max_iter}) reached and the optimization hasn't converged yet."
        elif self.verbose and self.n_iter_ > 1:
            watched = "Validation score" if self.early_stopping else "Training loss"
            print(
                f"{watched} did not improve more than tol={self.tol:f} for {self.n_iter_no_change} consecutive epochs."
            )
        if warning:
            warnings.warn(f"Stochastic Optimizer: {warning}", ConvergenceWarning, stacklevel=2)

    def _go_on(self, spec: Spec, hyper: Hyper, state: TrainState, *, incremental: bool) -> TrainState:
        """The state of a further fit; of partial_fit with its update rule as it was left."""
        rule = (spec.training.optimizer, spec.training.schedule, spec.training.monitor)
        before, self._rule = self._before if getattr(self, "_rule", rule) == rule else None, rule
        return epochs.resumed(hyper, state, before, same_rule=incremental)

    def _log(self, spec: Spec, splits: Splits, progress: epochs.Progress) -> None:
        """Add the epochs of a call to the curves."""
        curves = curves_of(spec, splits, progress.log, averaged=averages_outputs(self.get_params(deep=False)))
        if self.verbose:
            show(curves, self.n_iter_ + 1)
        self.n_iter_ += len(curves.objective)
        self.t_ += len(splits.train.x) * len(curves.objective)
        self.loss_curve_ += curves.objective
        self.loss_ = self.loss_curve_[-1]
        if curves.scores:
            self.validation_scores_ = [*(self.validation_scores_ or []), *curves.scores]
            self.validation_curve_ = [*(self.validation_curve_ or []), *curves.validation]
        if self.early_stopping:
            self.best_validation_score_ = max(self.validation_scores_ or [])
        else:
            self.best_loss_ = min(self.loss_curve_)

    def _keep(self, params: Params) -> None:
        """The weights as plain arrays of their own."""
        self.coefs_ = [np.array(layer.w) for layer in params]
        self.intercepts_ = [np.array(layer.b) for layer in params]

    def _outputs(self, X: Any) -> np.ndarray:
        """The outputs of the network [N, K]."""
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        with jax.default_device(device_of(self.device)):
            return outputs(self._spec, layers_of(self.coefs_, self.intercepts_), X)

    def _check_solver(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError("partial_fit is only available for stochastic optimizers. lbfgs is not stochastic.")
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
