"""scikit-learn's searches over our estimators, with all candidates and folds trained as trials of a few programs.

Trials of one fold share their data, and those with one seed the order of the examples too: they are a seed group of the
grid. Candidates whose shapes or functions differ are groups. Scores, tables and the choice of the best are scikit-learn's
own: its search is given estimators whose `fit` takes up the weights of their trial.
"""

from collections.abc import Iterable
from typing import Any

import joblib
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import GridSearchCV, ParameterGrid, ParameterSampler, RandomizedSearchCV, check_cv
from sklearn.utils import check_random_state, indexable
from sklearn.utils._metadata_requests import _routing_enabled

from jaxmlp.sklearn.estimator import NEVER
from jaxmlp.sklearn.replays import Plans, plain, prefix_of, replaying


class _Search:
    """`fit` of both searches."""

    def fit(self: Any, X: Any, y: Any = None, **params: Any) -> Any:
        """Train all candidates on all folds, score them, and refit the best on all of X.

        Args:
            X: The examples [N, D].
            y: What they are.
            **params: `groups` [N] of the splitter; all else goes to the fits, such as `sample_weight` [N].

        Raises:
            TypeError: for an estimator that is neither one of this package nor a pipeline that ends with one.
            ValueError: as scikit-learn's searches do.
        """
        prefix = prefix_of(self.estimator)
        if y is None:
            raise ValueError(f"This {type(self).__name__} requires y to be passed, but the target y is None")
        X, y = indexable(X, y)
        routed = self._get_routed_params_for_fit(params)
        splitter: Any = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        folds = list(splitter.split(X, y, **routed.splitter.split))
        candidates = list(self._candidates())
        base: Any = clone(self.estimator)
        seed = f"{prefix}random_state"
        drawn = None
        if base.get_params()[seed] is None:  # one for all candidates, so that they share the order of their examples
            drawn = int(check_random_state(None).randint(NEVER))
            base.set_params(**{seed: drawn})
        plans = Plans(base, prefix, routed.estimator.fit)
        planned = [plans.add(candidate, X, y, rows) for rows, _ in folds for candidate in candidates]
        trained = plans.train()
        search = GridSearchCV(
            replaying(base, trained.replays),
            [{name: [value] for name, value in candidate.items()} for candidate in candidates],
            scoring=self.scoring,
            refit=self.refit,
            cv=folds,
            verbose=self.verbose,
            error_score=self.error_score,
            return_train_score=self.return_train_score,
        )
        router = search.get_metadata_routing()
        passed = router.consumes("fit", params) if _routing_enabled() else params.keys() - {"groups"}
        threads = -1 if all(planned) else 1  # scoring lets other threads run; a fit may read settings of this one
        with joblib.parallel_config("threading", n_jobs=threads):
            search.fit(X, y, **{name: params[name] for name in passed})

        self.compiles_ = trained.compiles
        for name, value in vars(search).items():
            if name.endswith("_") and not name.startswith("_"):
                setattr(self, name, value)
        if self.scoring is None:  # a scorer keeps its estimator, and that one all trials
            self.scorer_ = check_scoring(self.estimator)
        share = trained.seconds / (len(folds) * len(candidates))
        self.cv_results_["mean_fit_time"] = self.cv_results_["mean_fit_time"] + share
        if self.refit:
            self.best_estimator_ = plain(search.best_estimator_)
            if drawn is not None and self.best_estimator_.get_params().get(seed) == drawn:
                self.best_estimator_.set_params(**{seed: None})
        return self


class MLPGridSearchCV(_Search, GridSearchCV):
    """scikit-learn's GridSearchCV for the estimators of this package, with all candidates and folds trained side by side.

    Parameters, methods and fitted attributes are GridSearchCV's (`n_jobs` and `pre_dispatch` are not read: the grid uses
    the whole machine). The estimator is an MLPClassifier or MLPRegressor of jaxmlp.sklearn, or a Pipeline that ends with
    one. Each candidate comes to the weights that it has when it is fitted on a fold alone, to rounding; those that cannot
    be trained side by side (solver "lbfgs", a device of their own, an estimator in place of the last step) are fitted one
    after the other. `compiles_` says how many programs were compiled. mean_fit_time is an equal share of the time that all
    took together.

    Example:
        from jaxmlp.sklearn import MLPClassifier, MLPGridSearchCV
        search = MLPGridSearchCV(MLPClassifier(random_state=0), {"alpha": [1e-5, 1e-3], "learning_rate_init": [1e-3, 1e-2]})
        search.fit(X, y).best_params_
    """

    def _candidates(self) -> Iterable[dict[str, Any]]:
        return ParameterGrid(self.param_grid)


class MLPRandomizedSearchCV(_Search, RandomizedSearchCV):
    """scikit-learn's RandomizedSearchCV for the estimators of this package; see `MLPGridSearchCV`.

    Example:
        from scipy.stats import loguniform
        search = MLPRandomizedSearchCV(MLPClassifier(), {"learning_rate_init": loguniform(1e-4, 1e-1)}, n_iter=32)
        search.fit(X, y).best_params_
    """

    def _candidates(self) -> Iterable[dict[str, Any]]:
        return ParameterSampler(self.param_distributions, self.n_iter, random_state=self.random_state)
