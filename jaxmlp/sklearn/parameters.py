"""From the parameters of an estimator and the sizes of its data to what is trained: a Spec and its Hyper."""

import math
import warnings
from collections.abc import Mapping
from numbers import Integral
from typing import Any, NamedTuple

from jaxmlp.nn.losses import CLASSES, LABELS
from jaxmlp.spec import Hyper, Network, Spec, Training
from jaxmlp.training.optimizers import optimizer

ACTIVATIONS = {"logistic": "sigmoid"}  # scikit-learn's name: the registry's; the others are called alike
SCHEDULES = {"constant": "constant", "invscaling": "inverse_scaling_by_epoch", "adaptive": "plateau"}
OF_RULES = {  # hyperparameters of update rules, and what they are called here
    "momentum": "momentum",
    "beta1": "beta_1",
    "beta2": "beta_2",
    "epsilon": "epsilon",
    "weight_decay": "weight_decay",
}
CUT = 0.2  # what "adaptive" multiplies the learning rate by
LARGEST_BATCH = 200  # of batch_size "auto"


class Sizes(NamedTuple):
    """What the data fix."""

    examples: int  # that are trained on
    inputs: int
    outputs: int
    kind: str  # of the targets: losses.CLASSES, LABELS or VALUES
    dtype: str  # float32 or float64


def spec_and_hyper(parameters: Mapping[str, Any], sizes: Sizes) -> tuple[Spec, Hyper]:
    """What is trained, and its hyperparameters in Python numbers. Pure, but for the warning of a batch that is clipped.

    Args:
        parameters: All parameters of an MLPClassifier or MLPRegressor, as `get_params(deep=False)` gives them.
        sizes: What the data fix.

    Example:
        parameters = MLPClassifier(alpha=1e-3).get_params(deep=False)
        spec, hyper = spec_and_hyper(parameters, Sizes(1437, 64, 10, "classes", "float64"))
    """
    spec = Spec(network(parameters, sizes), training(parameters, sizes), sizes.inputs, sizes.outputs)
    return spec, hyperparameters(parameters, sizes)


def network(parameters: Mapping[str, Any], sizes: Sizes) -> Network:
    """The layers of the network, their functions and its loss."""
    activation: str = parameters["activation"]
    return Network(
        hidden=hidden_sizes(parameters["hidden_layer_sizes"]),
        activation=ACTIVATIONS.get(activation, activation),
        loss=loss_name(parameters, sizes),
        init="glorot_uniform_all",
        dropout=parameters["dropout"] > 0,
    )


def hidden_sizes(given: Any) -> tuple[int, ...]:
    """hidden_layer_sizes, a number or several, as a tuple. Raises ValueError for one that is not whole and above 0."""
    listed = list(given) if hasattr(given, "__iter__") else [given]
    if not all(isinstance(units, Integral) and not isinstance(units, bool) for units in listed):
        raise ValueError(f"hidden_layer_sizes is {listed}; accepted are whole numbers above 0")
    if any(units <= 0 for units in listed):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {listed}.")
    return tuple(int(units) for units in listed)


def loss_name(parameters: Mapping[str, Any], sizes: Sizes) -> str:
    """The loss in the registry: of classes by how many outputs there are; of values by its name."""
    if sizes.kind not in (CLASSES, LABELS):
        return parameters["loss"]
    smoothed = parameters["label_smoothing"] > 0
    if sizes.kind == CLASSES and sizes.outputs > 1:
        return "smoothed_cross_entropy" if smoothed else "softmax_cross_entropy"
    if smoothed:
        raise ValueError(
            f"label_smoothing is {parameters['label_smoothing']}, and it needs three classes or more; accepted is 0"
        )
    return "sigmoid_cross_entropy"


def training(parameters: Mapping[str, Any], sizes: Sizes) -> Training:
    """The update rule, the minibatches and what stops the training."""
    sgd = parameters["solver"] == "sgd"
    return Training(
        optimizer=update_rule(parameters),
        schedule=SCHEDULES[parameters["learning_rate"]] if sgd else "constant",
        batch_size=batch_size(parameters, sizes.examples),
        max_epochs=parameters["max_iter"],
        stop_rule="no_improvement_within",
        monitor="score" if parameters["early_stopping"] else "train_objective",
        gradient=parameters["gradient"],
        shuffle=bool(parameters["shuffle"]),
        penalty_to="sum",
        l1_step="subgradient" if parameters["l1"] else "none",
        dtype=sizes.dtype,
    )


def update_rule(parameters: Mapping[str, Any]) -> str:
    """The update rule in the registry; L-BFGS, which has none, names adam."""
    velocity = "nesterov_velocity" if parameters["nesterovs_momentum"] else "velocity"
    solver: str = parameters["solver"]
    return {"sgd": velocity, "lbfgs": "adam"}.get(solver, solver)


def batch_size(parameters: Mapping[str, Any], examples: int) -> int:
    """Examples in a minibatch: at most all of them, and a warning where more were wanted. L-BFGS takes all."""
    given = parameters["batch_size"]
    if parameters["solver"] == "lbfgs":
        return examples
    if isinstance(given, str):
        return min(LARGEST_BATCH, examples)
    if given > examples:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=2
        )
    return max(1, min(int(given), examples))


def hyperparameters(parameters: Mapping[str, Any], sizes: Sizes) -> Hyper:
    """The hyperparameters; what a rule does not read stays at its default.

    scikit-learn stops after more than n_iter_no_change epochs without progress. It takes the mean of the squared error
    over the outputs for the loss, and their sum for the gradient; here it is the sum, so `tol` is one of K outputs.
    """
    sgd, reads = parameters["solver"] == "sgd", optimizer(update_rule(parameters)).reads
    epochs = parameters["n_iter_no_change"]
    summed = sizes.outputs if averages_outputs(parameters) and not parameters["early_stopping"] else 1
    schedule = parameters["learning_rate"] if sgd else "constant"
    changed: dict[str, float | None] = {
        **{field: parameters[name] for field, name in OF_RULES.items() if field in reads},
        "decay_power": parameters["power_t"] if schedule == "invscaling" else None,
        "decay_epochs": 1 / sizes.examples if schedule == "invscaling" else None,
        "decay_rate": CUT if schedule == "adaptive" else None,
        "dropout_rate": parameters["dropout"] if parameters["dropout"] > 0 else None,
        "label_smoothing": parameters.get("label_smoothing"),
        "huber_delta": parameters["huber_delta"] if parameters.get("loss") == "huber" else None,
        "quantile": parameters["quantile"] if parameters.get("loss") == "quantile" else None,
    }
    return Hyper(
        learning_rate=float(parameters["learning_rate_init"]),
        l1=float(parameters["l1"]),
        l2=float(parameters["alpha"]),
        patience=0 if math.isinf(epochs) else int(epochs) + 1,
        min_delta=float(parameters["tol"]) * summed,
    )._replace(**{name: float(value) for name, value in changed.items() if value is not None})  # pyright: ignore[reportArgumentType]


def averages_outputs(parameters: Mapping[str, Any]) -> bool:
    """Whether scikit-learn's loss is the mean over the outputs, where the registry's is their sum: of squared errors."""
    return parameters.get("loss") == "squared_error"
