"""A comparison in plain words."""

from jaxmlp.runs.comparison import Comparison, PairTest, SeedTest
from jaxmlp.scores import Score
from jaxmlp.text import count

LEVEL = 0.05  # of p-values: differences below it are said to be there
MOST_OBSTACLES = 5  # that are said


def probability(p: float) -> str:
    """A p-value: 0.023, or < 0.0001."""
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}" if p < 0.01 else f"{p:.3f}"


def points(score: Score, difference: float) -> str:
    """A difference of scores: 0.42 points of accuracy in per cent, or 0.0123 of R2."""
    return f"{score.factor * difference:.{score.digits}f}{' points' if score.unit else ''}"


def of_pair(test: PairTest, tests: int) -> str:
    """What McNemar's test of two runs says."""
    result, names = test.result, (test.first.name, test.second.name)
    alone = f"{names[0]} alone gets {result.first_only:,} of {test.examples:,} test examples right"
    alone += f", {names[1]} alone {result.second_only:,}"
    if test.corrected >= LEVEL:
        verdict = "no difference between them is shown"
    else:
        verdict = f"{names[result.second_only > result.first_only]} is better"
    return f"{alone}: {verdict} ({_p(result.p, test.corrected, tests)})"


def of_seeds(test: SeedTest, score: Score, tests: int) -> str:
    """What the t-test of two configurations over seeds says."""
    result, sign = test.result, 1 if test.result.mean >= 0 else -1
    better, worse = (test.first.name, test.second.name)[::sign]
    low, high = sorted((sign * result.low, sign * result.high))
    interval = f"95 % interval {score.factor * low:.{score.digits}f} to {score.factor * high:.{score.digits}f}"
    by = f"by {points(score, abs(result.mean))} of test {score.title} on average over {count(result.pairs, 'seed')}"
    doubt = "" if test.corrected < LEVEL else ", which may be the luck of the seeds: no difference is shown"
    ahead = "ahead of" if doubt else "better than"
    return f"{better} is {ahead} {worse} {by} ({interval}; {_p(result.p, test.corrected, tests)}){doubt}"


def _p(p: float, corrected: float, tests: int) -> str:
    text = f"p {'' if p < 1e-4 else '= '}{probability(p)}"
    return text if tests == 1 else f"{text}, after Holm's correction for {tests:,} tests {probability(corrected)}"


def conclusions(comparison: Comparison) -> list[str]:
    """The most telling results, a line each."""
    lines = [of_seeds(test, comparison.score, len(comparison.over_seeds)) for test in comparison.over_seeds]
    pairs = comparison.pairs
    if len(pairs) == 1:
        lines.append(of_pair(pairs[0], 1))
    elif pairs:
        differ = [test for test in pairs if test.corrected < LEVEL]
        what = "pairs of networks of the same seed" if comparison.over_seeds else "pairs of networks"
        lines.append(
            f"Of {len(pairs):,} {what}, {_how_many(len(differ))} in how many of the same test examples they get right"
            f" (McNemar's exact test, p below {LEVEL} after Holm's correction)"
        )
    lines += [f"No test: {reason}" for reason in comparison.obstacles[:MOST_OBSTACLES]]
    more = len(comparison.obstacles) - MOST_OBSTACLES
    return [*lines, f"No test of {count(more, 'pair')} more, for such reasons"] if more > 0 else lines


def _how_many(differ: int) -> str:
    return "none differs" if not differ else f"{differ:,} differ{'s' * (differ == 1)}"
