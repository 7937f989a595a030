"""The record of an epoch, and its line in metrics.jsonl."""

import json
import math

import pytest

from jaxmlp.run.sealed import finite
from jaxmlp.training.epochs import Epoch, Measured

TRAIN, VALIDATION = Measured(0.1 + 0.2, 7, 9), Measured(1 / 3, 2, 3)


@pytest.mark.parametrize("disagreement", [None, 0.0, 1e-7, math.nan])
@pytest.mark.parametrize("loss", [1 / 3, math.inf, math.nan])
def test_a_line_of_metrics_gives_the_epoch_back(loss, disagreement):
    """To the bit; but a number that is not finite is null in the file, and comes back as NaN."""
    epoch = Epoch(3, 0.1, TRAIN, VALIDATION._replace(loss=loss), 0.25, disagreement)
    line = json.loads(json.dumps(finite(epoch.to_json()), allow_nan=False))
    found = Epoch.from_json(line)
    assert repr(found) == repr(epoch).replace("inf", "nan")
    assert finite(found.to_json()) == line


def test_a_line_of_metrics_has_the_documented_keys_in_order():
    assert list(Epoch(1, 0.1, TRAIN, VALIDATION, 0.5, 0.0).to_json()) == [
        *("epoch", "learning_rate", "train", "validation", "seconds", "gradient_disagreement"),
    ]
    assert TRAIN.to_json() == {"loss": 0.1 + 0.2, "accuracy": 7 / 9, "correct": 7, "count": 9}
