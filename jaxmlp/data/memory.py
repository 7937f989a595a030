"""Whether examples fit into memory, before it is taken."""

from jaxmlp.errors import DataError


def check_memory(called: str, rows: int, inputs: int) -> None:
    """Raise DataError where so many rows of so many numbers, as float64 and then as float32, exceed what is free."""
    import psutil

    needed, free = 12 * rows * inputs, psutil.virtual_memory().available
    if needed > free:
        raise DataError(
            f"{called}: {rows:,} rows of {inputs:,} inputs take {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB of memory"
            " are free; take fewer rows or columns"
        )
