"""Which score a table has, and how it is written."""

import pytest

from jaxmlp.scores import ACCURACY, R2, score_of


@pytest.mark.parametrize(
    ("names", "score"),
    [
        (["loss", "accuracy", "correct"], ACCURACY),
        (["trial", "validation_loss", "validation_accuracy"], ACCURACY),
        (["loss", "r2", "mae"], R2),
        (["trial", "validation_r2"], R2),
        (["hyper.r2d2", "r2_of_mine"], ACCURACY),
        ([], ACCURACY),
    ],
)
def test_the_score_is_told_by_the_columns(names, score):
    assert score_of(names) == score


def test_accuracies_are_per_cent_and_r2_is_not():
    assert ACCURACY.text(0.975) == "97.50 %"
    assert ACCURACY.pair(0.975, 0.0125) == "97.50 ± 1.25 %"
    assert R2.text(-0.25) == "-0.2500"
    assert R2.pair(0.5, None) == "0.5000"
