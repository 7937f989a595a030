"""What the epochs of a trial came to: a row each, as the trials of a grid keep them."""

import numpy as np

from jaxmlp.training.loop import EpochLog

COLUMNS = (*EpochLog._fields[1:], "seconds")
History = np.ndarray  # float64 [epochs, columns]


def column(history: History, name: str) -> np.ndarray:
    """One number of every epoch."""
    return history[:, COLUMNS.index(name)]


def joined(histories: list[History]) -> History:
    """One after the other; of none, that of no epoch."""
    return np.concatenate([np.zeros((0, len(COLUMNS))), *histories])


def rows_of(log: EpochLog, seconds: float) -> np.ndarray:
    """The rows of a log of [..., epochs], in NumPy: [..., epochs, columns], with the same seconds in each."""
    columns = [np.asarray(part, float) for part in log[1:]]
    return np.stack([*columns, np.full(columns[0].shape, seconds)], axis=-1)
