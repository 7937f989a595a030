"""scikit-learn's MLPClassifier, trained by jaxmlp."""

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import check_is_fitted

from jaxmlp.nn.losses import CLASSES, LABELS
from jaxmlp.sklearn.constraints import CONSTRAINTS, SHARE
from jaxmlp.sklearn.estimator import Estimator


class MLPClassifier(ClassifierMixin, Estimator):
    """A multi-layer perceptron that learns classes or sets of labels: scikit-learn's MLPClassifier, trained by jaxmlp.

    Minimises the mean cross-entropy + (alpha/2 sum w^2 + l1 sum |w|) / examples. Every parameter of scikit-learn's has
    its meaning and its default there. On top, with defaults that change nothing:

    Args:
        activation: Also each other activation of jaxmlp, such as "gelu", and those that are registered.
        solver: Also each other update rule of jaxmlp, such as "adamw" or "lion", and those that are registered.
        l1: Strength of the L1 penalty.
        dropout: Share of hidden units that are dropped in training.
        weight_decay: Decoupled decay of the weights, of "adamw" and "lion".
        class_weight: "balanced", a mapping from class to weight, or None; multiplied with sample_weight.
        label_smoothing: Share of the target that all classes have alike, of three classes or more.
        gradient: "delta_rule", the backpropagation derived by hand, or "autodiff".
        device: Where to compute, such as "cpu" or "gpu:0"; None is JAX's default.

    Example:
        from jaxmlp.sklearn import MLPClassifier
        model = MLPClassifier(random_state=0).fit(X_train, y_train, validation_data=(X_validation, y_validation))
        model.score(X_test, y_test), model.validation_curve_
    """

    _parameter_constraints: dict = {  # noqa: RUF012
        **CONSTRAINTS,
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
        "label_smoothing": [SHARE],
    }

    def __init__(
        self,
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
        class_weight=None,
        label_smoothing=0.0,
        gradient="delta_rule",
        device=None,
    ):
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
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.gradient = gradient
        self.device = device

    def fit(self, X, y, sample_weight=None, *, validation_data=None):
        """Train a network on X [N, D], dense or sparse, and y: classes [N], or 0 and 1 for each label [N, K].

        Args:
            X: The examples.
            y: What they are.
            sample_weight: The weight of each example [N].
            validation_data: (X, y) or (X, y, sample_weight) to evaluate on after each epoch, and to stop early by, instead
                of a share of X.

        Raises:
            ValueError: for a parameter or for data that cannot be trained with.
        """
        return self._fit(X, y, sample_weight, validation_data, incremental=False)

    @available_if(lambda self: self._check_solver())
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Train for one epoch more; the first call needs all `classes` there are."""
        self._validate_params()
        if _check_partial_fit_first_call(self, classes):
            self._label_binarizer = LabelBinarizer()
            self._label_binarizer.fit(y if type_of_target(y).startswith("multilabel") else classes)
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X):
        """The class of each example [N], or which labels it has [N, K]."""
        check_is_fitted(self)
        probabilities = self._outputs(X)
        return self._label_binarizer.inverse_transform(probabilities.ravel() if self.n_outputs_ == 1 else probabilities)

    def predict_proba(self, X):
        """The probability of each class, in the order of `classes_` [N, K]; of labels each by itself."""
        check_is_fitted(self)
        probabilities = self._outputs(X)
        return np.hstack([1 - probabilities, probabilities]) if self.n_outputs_ == 1 else probabilities

    def predict_log_proba(self, X):
        """The logarithm of `predict_proba`."""
        probabilities = self.predict_proba(X)
        return np.log(probabilities, out=probabilities)

    def _read_targets(self, y: Any, *, first: bool, incremental: bool) -> tuple[np.ndarray, str]:
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        elif self.warm_start and set(classes := unique_labels(y)) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. Previously"
                f" got {self.classes_}, `y` has {classes}"
            )
        targets = self._own_targets(y)
        return targets, LABELS if targets.ndim == 2 else CLASSES

    def _own_targets(self, y: Any) -> np.ndarray:
        classes = unique_labels(y)
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
            )
        binary = self._label_binarizer.transform(y)
        self.n_outputs_ = binary.shape[1]
        if self._label_binarizer.y_type_.startswith("multilabel"):
            return np.asarray(binary.toarray() if hasattr(binary, "toarray") else binary)
        return binary.argmax(axis=1).astype(np.int32) if self.n_outputs_ > 1 else binary[:, 0].astype(np.int32)

    def _weights(self, y: Any, sample_weight: np.ndarray | None, *, incremental: bool) -> np.ndarray | None:
        if self.class_weight is None:
            return sample_weight
        if incremental and self.class_weight == "balanced":
            raise ValueError(
                "class_weight is 'balanced', and partial_fit does not see all examples; accepted is a mapping such as"
                " {class: weight}: compute_class_weight of scikit-learn makes one from all of y"
            )
        of_class = compute_sample_weight(self.class_weight, y)
        if not (np.isfinite(of_class) & (of_class >= 0)).all():
            raise ValueError(f"class_weight is {self.class_weight}; accepted are finite weights of 0 or more")
        return of_class if sample_weight is None else of_class * sample_weight

    def _out_activation(self, kind: str) -> str:
        return "softmax" if kind == CLASSES and self.n_outputs_ > 1 else "logistic"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
