"""The section [data] of a config: which data, and how they are split and normalised."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Interval

from jaxmlp.fields import FLOAT64


@dataclass(frozen=True)
class Data:
    """The data: where they come from, how they are split and normalised."""

    name: str = "mnist5k"
    """mnist, fashion_mnist, mnist5k, digits, tfds:NAME, or the path of an NPZ, CSV or Parquet file, or of a folder with
    IDX files."""
    dir: str = ""
    """Folder with IDX files or an NPZ (mnist, fashion_mnist; beats the variable JAXMLP_DATA); data_dir (tfds:NAME)."""
    normalise: str = "auto"
    """Of the inputs, by statistics of the training examples; auto is per_image for images, per_feature for features."""
    validation: Annotated[float, Interval(gt=0, lt=1), FLOAT64] = 0.2
    """Share of the training examples that is held out for validation."""
    split_seed: Annotated[int, Ge(0)] = 0
    """Of the draw of the validation examples; apart from the seed of training, so that seeds share their data."""
    stratified: bool = True
    """Whether every class gives the same share to the validation examples."""
    kind: str = "auto"
    """Of the targets: classes, labels (sets of them) or values; auto tells it from them, and from the loss."""
    class_weight: str = "none"
    """Of the training examples of a class; balanced gives all classes the same weight together."""
    target: str = ""
    """Of a table: the column to learn; several, with commas between them."""
    weight: str = ""
    """Of a table: the column with the weights of examples."""
    leave_out: str = ""
    """Of a table: columns that are not learnt from, with commas between them."""
    validation_file: str = ""
    """Of a table: a file with its validation examples, in place of a share."""
    test_file: str = ""
    """Of a table: a file with its test examples, in place of a share."""
    test: Annotated[float, Interval(gt=0, lt=1), FLOAT64] = 0.2
    """Of a table: share of the examples that are the test examples, always the same ones."""


OF_TABLES = {  # the keys that only tables read, with their defaults
    key: getattr(Data(), key) for key in ("target", "weight", "leave_out", "validation_file", "test_file", "test")
}

OPTIONAL = OF_TABLES | {
    "kind": Data().kind,
    "class_weight": Data().class_weight,
}  # said of other data where they are set

SPLITTING = (  # the keys of a config that say which examples there are for training, validation and testing
    *("data.name", "data.dir", "data.validation", "data.split_seed", "data.stratified", "data.kind", "data.target"),
    *("data.weight", "data.validation_file", "data.test_file", "data.test"),
)
