"""What a network and its training are (static), their hyperparameters (traced), and examples.

Axis letters of the whole project: N examples, D inputs, H hidden units, K output units (one a class), G trials.
"""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

from annotated_types import Ge, Gt, Interval
from jaxtyping import Array, Float, Int

from jaxmlp import display


# `training.validation.NAMES` says for each key which registry the names that it accepts are the entries of.
@dataclass(frozen=True)
class Network:
    """The network: its hidden layers, functions and initial weights."""

    hidden: tuple[Annotated[int, Ge(1)], ...] = (128,)
    """Units of each hidden layer; none at all is softmax regression."""
    activation: str = "relu"
    """Of the hidden layers."""
    output_activation: str = "identity"
    """Of the output layer, under a loss that reads it."""
    loss: str = "softmax_cross_entropy"
    """Of each example."""
    init: str = "glorot_uniform"
    """Of the weights before training; uniform draws in ± hyper.init_scale."""
    dropout: bool = False
    """Whether hidden units are dropped in training, at hyper.dropout_rate."""


@dataclass(frozen=True)
class Training:
    """The training: its update rule, its minibatches, and when it stops."""

    optimizer: str = "momentum"
    """The update rule."""
    schedule: str = "constant"
    """Of the learning rate, after the warm-up."""
    batch_size: Annotated[int, Ge(1)] = 128
    """Examples in a minibatch."""
    max_epochs: Annotated[int, Ge(1)] = 100
    """Epochs after which training ends, if it was not stopped before."""
    stop_rule: str = "no_improvement"
    """What counts as an epoch without progress; hyper.patience of them stop the training."""
    monitor: str = "loss"
    """What early stopping watches: of the validation examples the loss, the objective (with the penalties) or the score
    (accuracy or R2), or the objective of the minibatches as they were trained."""
    gradient: str = "autodiff"
    """How it is computed; both trains on autodiff, and reports how far delta_rule is from it."""
    shuffle: bool = True
    """Whether every epoch has an order of its own; else the examples come as they are."""
    clip: bool = False
    """Whether a gradient whose norm over all weights is above hyper.clip_norm is scaled down to it."""
    penalty_to: str = "mean"
    """Whether the penalties are added to the mean loss of a minibatch, or to its sum: then a batch of B examples has 1/B
    of them (scikit-learn's alpha)."""
    l1_step: str = "subgradient"
    """How the L1 penalty moves the weights; proximal is a soft threshold, and gives exact zeros; none leaves it out."""
    matmul_precision: str = "highest"
    """Of matrix products. On a CPU all are float32; the default of accelerators is less."""
    compute_dtype: str = "full"
    """Of the operands of matrix products in training: full, or bfloat16, whose products are summed in float32. Evaluated and
    predicted is in full."""
    dtype: str = "float32"
    """Of weights, hyperparameters and metrics: float32 or float64."""


@dataclass(frozen=True)
class Spec:
    """Everything that fixes a shape, a loop length or a code path: the static argument of every program."""

    network: Network
    training: Training
    inputs: int
    outputs: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of every layer, inputs first: (D, *hidden, K)."""
        return (self.inputs, *self.network.hidden, self.outputs)


class Hyper(NamedTuple):
    """The hyperparameters of a training: traced, so that one compiled program serves all their values. 0 is off."""

    learning_rate: Annotated[float, Gt(0)] = 0.1
    """Step size, before the schedule."""
    momentum: Annotated[float, Interval(ge=0, lt=1)] = 0.9
    """Share gamma of the last step that is kept."""
    beta1: Annotated[float, Interval(ge=0, lt=1)] = 0.9
    """Decay of the mean of gradients."""
    beta2: Annotated[float, Interval(ge=0, lt=1)] = 0.999
    """Decay of the mean of squared gradients."""
    rms_decay: Annotated[float, Interval(ge=0, lt=1)] = 0.9
    """Decay of the mean of squared gradients."""
    epsilon: Annotated[float, Gt(0)] = 1e-8
    """Added to the root of the mean square."""
    weight_decay: Annotated[float, Ge(0)] = 1e-4
    """Decoupled decay of the weights."""
    clip_norm: Annotated[float, Ge(0)] = 0.0
    """Largest norm of the gradient, if training.clip; 0 does not clip."""
    l1: Annotated[float, Ge(0)] = 0.0
    """Factor of the penalty sum |w|."""
    l2: Annotated[float, Ge(0)] = 0.0
    """Factor of the penalty 1/2 sum w^2."""
    label_smoothing: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    """Share of the target that all classes have alike, in training."""
    huber_delta: Annotated[float, Gt(0)] = 1.0
    """Error from which the Huber loss grows linearly."""
    quantile: Annotated[float, Interval(gt=0, lt=1)] = 0.5
    """The quantile that is learnt; 0.5 is the median."""
    dropout_rate: Annotated[float, Interval(ge=0, lt=1)] = 0.5
    """Share of hidden units dropped, if network.dropout."""
    init_scale: Annotated[float, Ge(0)] = 0.03
    """Half width a of the initialiser uniform(-a, a)."""
    warmup_epochs: Annotated[float, Ge(0)] = 0.0
    """Epochs over which the learning rate rises linearly, before the schedule."""
    decay_rate: Annotated[float, Interval(gt=0, le=1)] = 0.9
    """Factor of the learning rate, each epoch or each decay_epochs."""
    decay_epochs: Annotated[float, Gt(0)] = 10.0
    """Epochs between two drops of the learning rate."""
    decay_power: Annotated[float, Ge(0)] = 0.5
    """p of learning_rate / (1 + epoch)^p."""
    final_fraction: Annotated[float, Interval(ge=0, le=1)] = 0.0
    """Share of the learning rate that is left at max_epochs."""
    patience: Annotated[int, Ge(0)] = 3
    """Epochs without progress after which training stops; 0 never stops."""
    min_delta: Annotated[float, Ge(0)] = 0.0
    """The watched value (training.monitor) must fall by more than this to count as progress."""


class Examples(NamedTuple):
    """Examples to learn from or to evaluate on: a minibatch, or a whole split. NumPy arrays until they go on the device."""

    x: Float[Array, "N D"]
    targets: Int[Array, " N"] | Float[Array, "N K"]  # class numbers 0 to K-1, or the target of every output
    weights: Float[Array, " N"] | None = None  # None: every example counts once, and no time is spent on it

    def __repr__(self) -> str:
        return display.fields(self)


class Splits(NamedTuple):
    """The three parts of the data. Test examples are evaluated once, after training."""

    train: Examples
    validation: Examples
    test: Examples

    def __repr__(self) -> str:
        parts = "".join(f"\n  {name}={part!r}," for name, part in self._asdict().items())
        return f"Splits({parts}\n)"

    def _repr_html_(self) -> str:
        rows = [(name, *map(display.summary, part)) for name, part in self._asdict().items()]
        return display.table("Splits", ("split", *Examples._fields), rows)
