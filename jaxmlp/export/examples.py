"""The examples that an exported file is checked on: the test examples of the run as they came, or random ones."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxmlp.data import inputs, tables
from jaxmlp.data.arrow import as_floats, as_text, is_numeric
from jaxmlp.data.bundled import TEST_SEED
from jaxmlp.data.columns import Column
from jaxmlp.data.parts import draw
from jaxmlp.data.sources import load_data
from jaxmlp.data.tables import Table
from jaxmlp.errors import JaxmlpError
from jaxmlp.export import facts
from jaxmlp.nn.losses import CLASSES
from jaxmlp.run import own
from jaxmlp.training.model import Model

RANDOM = 1000  # examples, where there are no others


class Raw(NamedTuple):
    """Examples as they came, an array [N, *input_shape] or a table of Arrow, and where they are from."""

    x: Any
    origin: str

    def part(self, start: int, stop: int) -> Any:
        """Some of them."""
        return self.x[start:stop] if isinstance(self.x, np.ndarray) else self.x.slice(start, stop - start)


def of_run(run: Path | None, model: Model) -> Raw:
    """The test examples of a run as they came; random ones of a fixed seed where the data are not at hand."""
    cause = "no run is known"
    if run is not None:
        try:
            raw = _test_examples(run, model)
            model.preparation.apply(raw.x, raw.origin, lambda _: None)  # raises where they have another shape by now
            return raw
        except JaxmlpError as error:
            cause = str(error).splitlines()[0]
    return Raw(random_examples(model), f"random examples ({cause})")


def _test_examples(run: Path, model: Model) -> Raw:
    """As `prepare` takes them, but not prepared."""
    data = own.data_keys(run)
    dataset = load_data(data)
    own.check_begun_with(run, dataset)
    origin = f"test examples of {dataset.origin}"
    if not isinstance(dataset, Table):
        return Raw(dataset.test_images, origin)
    train, _, test, _ = tables.parts(dataset, data)
    stratified = data.stratified and model.preparation.kind == CLASSES
    _, drawn = draw(train, test or data.test, "test", TEST_SEED, stratified=stratified)
    assert drawn is not None
    return Raw(drawn.x, origin)


def random_examples(model: Model, count: int = RANDOM) -> Any:
    """Examples like those of training, as far as the model knows them."""
    rng, preparation = np.random.default_rng(0), model.preparation
    shape = (count, *preparation.input_shape)
    if preparation.columns is not None:
        import pyarrow as pa

        columns = preparation.columns.columns
        standard = np.ones(preparation.columns.inputs) if not preparation.std.size else preparation.std
        first = np.cumsum([0, *(column.inputs for column in columns)])
        return pa.table(
            {c.name: _random_column(rng, c, count, standard[k]) for c, k in zip(columns, first, strict=False)}
        )
    if preparation.normalise == "per_image":
        return rng.integers(0, 256, shape).astype(np.uint8)
    x = rng.normal(size=(count, model.spec.inputs))
    if preparation.mean.size:
        x = x * preparation.std + preparation.mean
    return x.astype(facts.input_dtype(model)).reshape(shape)


def _random_column(rng: np.random.Generator, column: Column, count: int, scale: Any) -> Any:
    """Numbers about the median, or categories; a tenth is missing."""
    import pyarrow as pa

    missing = rng.random(count) < 0.1
    if column.categories is None:
        return pa.array(column.median + scale * rng.normal(size=count), mask=missing)
    return pa.array(rng.choice(np.asarray(column.categories), count).tolist(), pa.string(), mask=missing)


def by_column(model: Model, table: Any) -> dict[str, np.ndarray]:
    """The columns of a table [N]: float64, NaN where it is missing; or text, None where it is missing."""
    columns = {}
    assert model.preparation.columns is not None
    table = inputs.as_table(table, "the table")
    for column in model.preparation.columns.columns:
        values = table.column(column.name).combine_chunks()
        if column.categories is None:
            columns[column.name] = as_floats(values if is_numeric(values.type) else as_text(values))
        else:
            columns[column.name] = np.array(as_text(values).to_pylist(), object)
    return columns
