"""Every format predicts as the model does: each activation, loss, normalisation and kind of target, and tables."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from helpers import LEARNT, refused

from jaxmlp.data.columns import Column, Columns
from jaxmlp.data.normalising import NORMALISATIONS
from jaxmlp.data.preparing import Preparation
from jaxmlp.export import examples, formats
from jaxmlp.export.formats import FORMATS, TOLERANCE, agreement
from jaxmlp.nn.activations import ACTIVATIONS
from jaxmlp.nn.losses import CLASSES, LABELS, LOSSES, VALUES
from jaxmlp.nn.network import Layer
from jaxmlp.run import directory
from jaxmlp.run.answers import LINKS
from jaxmlp.spec import Network, Spec, Training
from jaxmlp.training.model import Model
from jaxmlp.training.precision import precision

NOTHING = np.zeros(0, np.float32)
NAMES = {CLASSES: ("ant", 'bee "b"', "cät", "dog"), LABELS: ("sport", "arts", "war", "sea"), VALUES: (0, 1, 2, 3)}
COLUMNS = Columns(
    (
        Column("size", median=2.5, indicator=True),
        Column("town's", ("Oslo", "Rome\n", 'a "b" \\'), indicator=True),
        Column("paid", ("false", "true")),
        Column("label", ("", "x"), indicator=True),  # an empty text is a category, and the name is that of an output
        Column("since", median=1.7e9),
    )
)


def preparation_of(normalise, shape, names=NAMES[CLASSES], kind=CLASSES, columns=None, dtype=np.float32):
    D = int(np.prod(shape))
    rng, length = np.random.default_rng(1), {"per_feature": D, "global": 1, "unit": 1}.get(normalise, 0)
    mean = (0 if normalise == "unit" else 1) * rng.normal(size=length)
    std = rng.uniform(0.5, 2, length)
    if columns is not None and length:
        mean[-1], std[-1] = 1.7e9, 1e5
        mean, std = np.where(columns.numbers(), mean, 0), np.where(columns.numbers(), std, 1)
    return Preparation(normalise, mean.astype(dtype), std.astype(dtype), names, shape, kind, columns)


def model_of(network, preparation, outputs=None, dtype="float32"):
    """A model with weights of a fixed draw, biases too."""
    D = int(np.prod(preparation.input_shape))
    spec = Spec(network, Training(dtype=dtype), D, outputs or len(preparation.classes))
    with precision(spec.training):
        rng, sides = np.random.default_rng(0), zip(spec.sizes, spec.sizes[1:], strict=False)
        params = tuple(Layer(*(jnp.asarray(rng.normal(size=s), dtype) for s in (side, side[1:]))) for side in sides)
    return Model(spec, params, preparation)


def of_loss(loss, kind, outputs):
    names = NAMES[kind] if outputs > 1 else (False, True)
    own = {"output_activation": "tanh"} if LOSSES[loss].reads_output_activation else {}
    return model_of(Network((5,), loss=loss, **own), preparation_of("none", (4,), names, kind), outputs)


def of_activation(name):
    """Of the hidden units, and of the outputs."""
    network = Network((5,), name, output_activation=name, loss="squared_error")
    return model_of(network, preparation_of("none", (4,), kind=VALUES))


def of_table(normalise):
    return model_of(Network((5,)), preparation_of(normalise, (COLUMNS.inputs,), columns=COLUMNS, dtype=float))


WIDE = preparation_of("per_feature", (4,), dtype=float)
MODELS = {
    **{name: of_activation(name) for name in ACTIVATIONS},
    **{name: of_loss(*case) for name, case in LEARNT.items()},
    **{f"images, {name}": model_of(Network((5, 6)), preparation_of(name, (3, 2))) for name in NORMALISATIONS},
    **{f"a table, {name}": of_table(name) for name in ("per_feature", "none")},
    "images of colours": model_of(Network((5,)), preparation_of("per_image", (4, 3, 3))),
    "wide numbers": model_of(Network((5,)), WIDE._replace(mean=WIDE.mean + 1.7e9, classes=(3, 1, 7, -2))),
    "in float64": model_of(Network((5,), "gelu"), preparation_of("none", (4,)), dtype="float64"),
    "one value": model_of(Network((5,), loss="huber"), preparation_of("none", (4,), ("price",), VALUES)),
    "many classes": model_of(Network(()), preparation_of("none", (4,), tuple(f"class {k}" for k in range(40)))),
}


def awkward(model):
    """Random examples; of images a constant one, of tables unknown words and other spellings."""
    x = examples.random_examples(model, 50)
    if model.preparation.columns is not None:
        frame = x.to_pandas()
        frame.loc[0, "town's"] = "Paris"
        frame.loc[1:2, "paid"] = ["True", "0"]
        return pd.DataFrame(frame)
    if len(model.preparation.input_shape) > 1:
        x[0] = 7
    return x


CASES = [
    (format, name)
    for format in FORMATS
    for name in MODELS
    if format != "stablehlo"
    or name not in {*ACTIVATIONS, *LEARNT} - {"tanh", *list(LEARNT)[::3]}  # these are JAX's own
]


@pytest.mark.parametrize(("format", "name"), CASES)
def test_a_file_predicts_as_the_model_does(format, name, tmp_path):
    chosen, model = FORMATS[format], MODELS[name]
    for package in (chosen.needs or "numpy", chosen.runtime):
        pytest.importorskip(package)
    for file, content in chosen.files(model, chosen.name).items():
        (tmp_path / file).write_bytes(content)
    x = awkward(model)
    raw = examples.Raw(x if isinstance(x, np.ndarray) else arrow_table(x), "")
    measured = agreement(model, chosen.open(model, tmp_path / chosen.name), raw)
    assert measured.examples == len(x)
    assert measured.largest <= TOLERANCE
    assert measured.equal == (None if model.preparation.kind == VALUES else len(x))


def arrow_table(frame):
    import pyarrow as pa

    return pa.Table.from_pandas(frame, preserve_index=False)


def test_every_loss_has_what_makes_its_outputs():
    assert LINKS.keys() == LOSSES.keys()


def test_a_run_directory_knows_every_file(tmp_path):
    for chosen in FORMATS.values():
        for name in (
            chosen.files(MODELS["images, unit"], chosen.name) if chosen.runtime != "onnxruntime" else [chosen.name]
        ):
            (tmp_path / "export").mkdir(exist_ok=True)
            (tmp_path / "export" / name).write_text("")
    (tmp_path / "config.toml").write_text("[hyper]\n")
    assert directory.check_new(tmp_path, overwrite=True)


def test_answers_that_are_not_finite_are_seen():
    model = MODELS["images, unit"]
    x = np.zeros((3, 3, 2), np.float32)
    wrong = model.predict_proba(x).copy()
    wrong[1, 1] = np.nan
    measured = formats.agreement(model, lambda x: (wrong, model.predict(x)), examples.Raw(x, ""))
    assert not measured.largest <= TOLERANCE


def test_a_column_without_a_name_is_refused_by_onnx():
    pytest.importorskip("onnx")
    columns = Columns((Column(""),))
    model = model_of(Network(()), preparation_of("none", (1,), columns=columns, dtype=float))
    refused(["has no name", "--format numpy"], FORMATS["onnx"].files, model, "model.onnx")
