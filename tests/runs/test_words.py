"""What tests say in words: who is better, by how much, and when that may be luck."""

from pathlib import Path

import pytest

from jaxmlp.runs import words
from jaxmlp.runs.comparison import Comparison, Configuration, PairTest, SeedTest
from jaxmlp.runs.records import Record
from jaxmlp.scores import ACCURACY, R2
from jaxmlp.statistics import McNemar, PairedDifference

A, B = Record(Path("/runs/a")), Record(Path("/runs/b"))
FIRST, SECOND = Configuration("rate 1", [A]), Configuration("rate 2", [B])


@pytest.mark.parametrize(
    ("p", "text"), [(0.5, "0.500"), (0.0123, "0.012"), (0.00123, "0.0012"), (1e-9, "< 0.0001"), (1.0, "1.000")]
)
def test_small_p_values_keep_their_digits(p, text):
    assert words.probability(p) == text


@pytest.mark.parametrize(
    ("result", "corrected", "tests", "said"),
    [
        (McNemar(9, 1, 0.0219), 0.0219, 1, "/runs/a is better (p = 0.022)"),
        (McNemar(1, 9, 0.0219), 0.0219, 1, "/runs/b is better (p = 0.022)"),
        (McNemar(5, 4, 1.0), 1.0, 1, "no difference between them is shown (p = 1.000)"),
        (McNemar(9, 1, 0.0219), 0.0657, 3, "shown (p = 0.022, after Holm's correction for 3 tests 0.066)"),
    ],
    ids=["first", "second", "neither", "corrected"],
)
def test_the_better_of_two_runs_is_named(result, corrected, tests, said):
    line = words.of_pair(PairTest(A, B, result, 1000, corrected), tests)
    assert line.startswith(f"/runs/a alone gets {result.first_only} of 1,000 test examples right, /runs/b alone ")
    assert line.endswith(said)


@pytest.mark.parametrize(
    ("difference", "score", "said"),
    [
        (
            PairedDifference(10, 0.004, 0.001, 0.003, 0.005, 0.001),
            ACCURACY,
            "rate 1 is better than rate 2 by 0.40 points of test accuracy on average over 10 seeds (95 % interval 0.30 to"
            " 0.50; p = 0.0010)",
        ),
        (
            PairedDifference(2, -0.004, 0.001, -0.013, 0.005, 0.1),
            ACCURACY,
            "rate 2 is ahead of rate 1 by 0.40 points of test accuracy on average over 2 seeds (95 % interval -0.50 to 1.30;"
            " p = 0.100), which may be the luck of the seeds: no difference is shown",
        ),
        (
            PairedDifference(3, 0.1, 0.01, 0.09, 0.11, 1e-6),
            R2,
            "rate 1 is better than rate 2 by 0.1000 of test R2 on average over 3 seeds (95 % interval 0.0900 to 0.1100; p <"
            " 0.0001)",
        ),
    ],
    ids=["first", "luck", "R2"],
)
def test_the_better_of_two_configurations_is_named(difference, score, said):
    assert words.of_seeds(SeedTest(FIRST, SECOND, difference, difference.p), score, 1) == said


def test_many_tests_are_counted_and_many_reasons_are_cut():
    pairs = [PairTest(A, B, McNemar(9, 1, p), 100, p) for p in (0.01, 0.5, 0.9)]
    reasons = [f"reason {i}" for i in range(7)]
    lines = words.conclusions(Comparison([A, B], [FIRST, SECOND], [], ACCURACY, pairs, [], reasons, {}))
    assert lines[0].startswith("Of 3 pairs of networks, 1 differs in how many of the same test examples they get right")
    assert lines[1:] == [*(f"No test: reason {i}" for i in range(5)), "No test of 2 pairs more, for such reasons"]
