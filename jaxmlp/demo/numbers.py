"""Arrays of numbers as the page reads them."""

import base64
from typing import Any

import numpy as np


def packed(array: np.ndarray) -> dict[str, Any]:
    """The numbers in base64, little-endian, and of which kind they are: uint8, float32 or float64."""
    kind = array.dtype.name if array.dtype.name in ("uint8", "float32", "float64") else "float64"
    content = np.ascontiguousarray(array, np.dtype(kind).newbyteorder("<"))
    return {"kind": kind, "base64": base64.b64encode(content.tobytes()).decode()}
