"""What a run needs once it is trained, made ready while its training is compiled: XLA lets the interpreter go meanwhile."""

import contextlib
import threading

import jax

from jaxmlp.spec import Hyper, Spec, Splits
from jaxmlp.training import fitting
from jaxmlp.training.loop import state_shapes
from jaxmlp.training.model import compiled_forward, compiled_outputs, compiled_predictions
from jaxmlp.training.precision import in_dtype, precision


def begin(spec: Spec, hyper: Hyper, splits: Splits, kind: str) -> threading.Thread:
    """Compile the evaluation and the answers of the test examples, and import what draws, in a thread.

    The process waits for it at its end: one that leaves in the midst of a compilation may crash.
    """

    def prepare() -> None:
        with contextlib.suppress(Exception):  # it comes up again where this is needed, and is told there
            _compile(spec, hyper, splits, kind)
            import jinja2  # noqa: F401

            from jaxmlp.plots import curves, images, inline  # noqa: F401

    thread = threading.Thread(target=prepare, name="ahead")
    thread.start()
    return thread


def _compile(spec: Spec, hyper: Hyper, splits: Splits, kind: str) -> None:
    """From shapes alone: a call with arrays finds the programs."""
    with precision(spec.training):
        params = state_shapes(spec).params
        validation, test = (jax.eval_shape(lambda split=split: in_dtype(spec.training, split)) for split in splits[1:])
        for examples in (test, validation):
            fitting.compiled_evaluate.lower(spec, fitting.typed(spec, hyper), params, examples).compile()
        logits = jax.eval_shape(lambda params, x: compiled_forward(spec, params, x), params, test.x)
        compiled_forward.lower(spec, params, test.x).compile()
        compiled_outputs.lower(spec.network, logits).compile()
        compiled_predictions.lower(logits, kind).compile()
