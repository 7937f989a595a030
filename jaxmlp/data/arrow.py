"""Arrow's types of columns, as numbers and as categories."""

from typing import Any

import numpy as np


def is_numeric(kind: Any) -> bool:
    """Whether a type of Arrow is of numbers."""
    import pyarrow as pa

    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def is_categorical(kind: Any) -> bool:
    """Whether a type of Arrow is of categories: text, true and false, or a dictionary."""
    import pyarrow as pa

    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return text or pa.types.is_boolean(kind) or pa.types.is_dictionary(kind)


def as_floats(values: Any) -> np.ndarray:
    """Numbers of Arrow as float64, NaN where they are missing."""
    import pyarrow as pa

    return np.array(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), float)


def as_text(values: Any) -> Any:
    """Categories of Arrow as text; missing ones stay missing."""
    import pyarrow as pa

    return values.cast(values.type.value_type if pa.types.is_dictionary(values.type) else values.type).cast(pa.string())
