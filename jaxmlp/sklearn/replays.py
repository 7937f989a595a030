"""Estimators whose `fit` takes up the weights of a trial, for scikit-learn's searches to score."""

import time
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from jaxmlp.sklearn.arrays import Prepared
from jaxmlp.sklearn.estimator import Estimator
from jaxmlp.sklearn.trials import PlannedFit, TrainedFit, train

# Parameters that say which examples a fit sees.
OF_DATA = ("early_stopping", "validation_fraction", "random_state", "class_weight")
Key = tuple[str, str]  # digests of the data and of the parameters of a fit


class Replay(NamedTuple):
    """What a fit takes up, instead of training."""

    attributes: dict[str, Any]  # that its data give an estimator
    planned: PlannedFit
    kind: str  # of the targets
    trained: TrainedFit


class Trained(NamedTuple):
    """All trials of a search."""

    replays: dict[Key, Replay]
    compiles: int
    seconds: float


class Plans:
    """The fits of a search that can be trained side by side.

    Args:
        base: What is searched: an estimator of this package, or a pipeline that ends with one.
        prefix: Of the names of that estimator's parameters in `base`.
        params: Of the fits, by name; of arrays of N entries a fit has its own rows.
    """

    def __init__(self, base: Any, prefix: str, params: Mapping[str, Any]) -> None:
        self.base, self.prefix, self.params = base, prefix, params
        self._planned: dict[Key, tuple[dict[str, Any], PlannedFit, str]] = {}
        self._prepared: dict[tuple[str, ...], tuple[dict[str, Any], Prepared]] = {}
        self._transformed: dict[tuple[str, str], tuple[Any, Any, str]] = {}

    def add(self, candidate: Mapping[str, Any], X: Any, y: Any, rows: np.ndarray) -> bool:
        """Plan the fit of a candidate on some rows, if it can be; one that fails is left to fail where it is scored."""
        model: Any = clone(self.base)
        parameters: Any = clone(dict(candidate), safe=False)
        mlp = last_of(model)
        try:
            model.set_params(**parameters)
            return last_of(model) is mlp and self._add(model, X, y, rows)  # a candidate's own estimator has no replays
        except Exception:  # scikit-learn counts and reports what the fit itself raises
            return False

    def _add(self, model: Any, X: Any, y: Any, rows: np.ndarray) -> bool:
        mlp: Estimator = last_of(model)
        own = {name.removeprefix(self.prefix): value for name, value in self.params.items()}
        if mlp.solver == "lbfgs" or mlp.device is not None or own.keys() - {"sample_weight"}:
            return False
        mlp._validate_params()
        weights = own.get("sample_weight")
        weights = None if weights is None else _safe_indexing(weights, rows)
        x, targets, data = self._data(model, X, y, weights, rows)
        key = (data, *(_hash(getattr(mlp, name, None)) for name in OF_DATA))
        if key not in self._prepared:
            prepared = mlp._prepare(x, targets, weights)
            parameters = mlp.get_params(deep=False)
            given = {name: value for name, value in vars(mlp).items() if name not in parameters}
            self._prepared[key] = given, prepared
        attributes, prepared = self._prepared[key]
        vars(mlp).update(attributes)
        fit = PlannedFit(*mlp._described(prepared.sizes), prepared.seed, prepared.splits)
        self._planned[data, _digest(mlp)] = attributes, fit, prepared.sizes.kind
        return True

    def _data(self, model: Any, X: Any, y: Any, weights: Any, rows: np.ndarray) -> tuple[Any, Any, str]:
        """The examples and the targets of a fit as the network gets them, and their digest."""
        at = _hash(rows)
        steps = _hash([step.get_params() for step in model[:-1]]) if self.prefix else ""
        if (at, steps) not in self._transformed:
            x, targets = _safe_indexing(X, rows), _safe_indexing(y, rows)
            x = model[:-1].fit_transform(x, targets) if self.prefix else x
            self._transformed[at, steps] = x, targets, _digest_of_data(x, targets, weights)
        return self._transformed[at, steps]

    def train(self) -> Trained:
        """Train all fits that are planned."""
        started = time.perf_counter()
        self._transformed.clear()
        fits, compiles = train([fit for _, fit, _ in self._planned.values()])
        replays = {
            key: Replay(attributes, planned, kind, trained)
            for (key, (attributes, planned, kind)), trained in zip(self._planned.items(), fits, strict=True)
        }
        return Trained(replays, compiles, time.perf_counter() - started)


def prefix_of(estimator: Any) -> str:
    """What the names of the MLP's parameters begin with. Raises TypeError where there is none."""
    last, within = last_of(estimator), isinstance(estimator, Pipeline)
    if isinstance(last, Pipeline):
        raise TypeError(
            "estimator is a Pipeline that ends with Pipeline; accepted is one whose own last step is an MLPClassifier or"
            " MLPRegressor of jaxmlp.sklearn: put the steps of the inner one into the outer one"
        )
    if not isinstance(last, Estimator):
        raise TypeError(
            f"estimator is {type(last).__name__}; accepted is an MLPClassifier or MLPRegressor of jaxmlp.sklearn, or a"
            " Pipeline that ends with one: take scikit-learn's own search for others"
        )
    return f"{estimator.steps[-1][0]}__" if within else ""


def last_of(estimator: Any) -> Any:
    """The last step of a pipeline; another estimator itself."""
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator


def replaying(base: Any, replays: Mapping[Key, Replay]) -> Any:
    """`base` with a `fit` that takes up the replay of its data and parameters; where there is none, it trains."""
    replacement: Any = clone(base)
    mlp = last_of(replacement)
    kind = type(mlp)

    class Replaying(kind):
        _plain = kind

        def fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None) -> Any:
            replay = replays.get((_digest_of_data(X, y, sample_weight), _digest(self)))
            if replay is None or validation_data is not None:
                return super().fit(X, y, sample_weight, validation_data=validation_data)
            return _take_up(self, replay)

    Replaying.__name__ = kind.__name__
    mlp.__class__ = Replaying  # with all that `clone` keeps, such as the metadata that are requested
    return replacement


def _take_up(mlp: Any, replay: Replay) -> Any:
    """Set what a fit sets."""
    vars(mlp).update(replay.attributes)
    mlp._begin(replay.planned.spec, replay.kind)
    mlp._spec, mlp.n_iter_ = replay.planned.spec, replay.trained.epochs
    mlp.t_ = replay.trained.epochs * len(replay.planned.splits.train.x)
    mlp._keep(replay.trained.params)
    mlp._check_weights()
    if not replay.trained.converged:
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({mlp.max_iter}) reached and the optimization hasn't converged yet.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return mlp


def plain(fitted: Any) -> Any:
    """A fitted estimator, or pipeline, whose `fit` trains again."""
    mlp = last_of(fitted)
    if hasattr(mlp, "_plain"):
        mlp.__class__ = mlp._plain
    return fitted


def _digest_of_data(x: Any, targets: Any, weights: Any) -> str:
    """Of what the `fit` of an MLP is given: equal examples of other targets or weights are other data."""
    return _hash((x, targets, weights))


def _digest(mlp: Estimator) -> str:
    """Of the parameters."""
    return _hash(mlp.get_params(deep=False))


def _hash(value: Any) -> str:
    return str(joblib.hash(value, hash_name="sha1"))  # twice as fast as md5
