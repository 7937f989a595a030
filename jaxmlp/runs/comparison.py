"""Several runs compared: their configurations, the keys that differ, and whether their results do."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from jaxmlp.errors import JaxmlpError, UsageError
from jaxmlp.plots.values import last
from jaxmlp.run import metrics
from jaxmlp.runs.outcomes import Outcomes, obstacle
from jaxmlp.runs.records import ENDED, RUN, SWEEP, Record, differing, read, value_of
from jaxmlp.scores import Score
from jaxmlp.statistics import McNemar, PairedDifference, SeedStatistics, holm, mcnemar, paired_difference
from jaxmlp.sweep.store import BEST
from jaxmlp.text import count, typed

MOST_TESTS = 1000  # of pairs of runs
ALL = "all runs"  # what the only configuration is called


class Configuration(NamedTuple):
    """The runs that differ in nothing but the seed."""

    name: str  # what tells it from the others
    runs: list[Record]

    @property
    def seeds(self) -> dict[int, Record]:
        """A run of each seed: the first, where a seed was trained twice."""
        first: dict[int, Record] = {}
        for run in self.runs:
            first.setdefault(run.tree["seed"], run)
        return first

    def over_seeds(self, split: str, measure: str) -> SeedStatistics | None:
        """Of a measure of summary.json, each seed once; None where a run has no finite one."""
        values = [run.summary[split].get(measure) for run in self.seeds.values()]
        return None if any(value is None for value in values) else SeedStatistics.of(values)


class PairTest(NamedTuple):
    """McNemar's test of two runs, and its p-value corrected for how many tests there are."""

    first: Record
    second: Record
    result: McNemar
    examples: int
    corrected: float = 1.0


class SeedTest(NamedTuple):
    """The t-test of two configurations over the seeds that both have, and its corrected p-value."""

    first: Configuration
    second: Configuration
    result: PairedDifference
    corrected: float = 1.0


class Comparison(NamedTuple):
    """All that is said of several runs."""

    runs: list[Record]
    configurations: list[Configuration]
    keys: list[str]  # that differ
    score: Score
    pairs: list[PairTest]
    over_seeds: list[SeedTest]
    obstacles: list[str]  # why there is no test
    curves: dict[str, list[dict[str, Any]]]  # the lines of metrics.jsonl, by run


def chosen(records: Sequence[Record], on_message: Callable[[str], object]) -> list[Record]:
    """The runs that can be compared: of a sweep its best one, and those with the score that most have.

    Raises UsageError where they are fewer than two.
    """
    runs = []
    for record in records:
        if record.kind == SWEEP and (record.path / BEST).is_dir():
            on_message(f"{record.name} is a sweep: its best run is compared")
            record = read(record.path / BEST)
        if record.kind == RUN and record.state == ENDED and record.test:
            runs.append(record)
        else:
            why = f"it is {record.state} ({record.note})" if record.kind == RUN else f"it is of a {record.kind}"
            on_message(f"{record.name} is left out: {why}")
    for score, _ in Counter(run.score for run in runs).most_common()[1:]:
        for run in [run for run in runs if run.score == score]:
            on_message(f"{run.name} is left out: it is measured by {score.title}, and others are not")
            runs.remove(run)
    if len(runs) < 2:
        raise UsageError(
            f"{count(len(runs), 'run')} can be compared; give two or more that have ended ({typed('runs', 'ls')} lists them)"
        )
    return runs


def compare(runs: Sequence[Record]) -> Comparison:
    """Compare runs that are `chosen`; the data are read again, once, and each network predicts the test examples."""
    configurations = grouped(runs)
    score = runs[0].score
    over_seeds, obstacles = _over_seeds(configurations, score.name)
    pairs, obstacles_of_pairs = _pairs(configurations)
    obstacles = list(dict.fromkeys(obstacles + obstacles_of_pairs))
    curves = {run.name: metrics.read(run.path) for run in runs}
    keys = differing([run.keys for run in runs])
    return Comparison(list(runs), configurations, keys, score, pairs, over_seeds, obstacles, curves)


def grouped(runs: Sequence[Record]) -> list[Configuration]:
    """The runs by their configs without the seed, each named by the keys that tell it from the others."""
    groups: dict[str, list[Record]] = {}
    for run in runs:
        groups.setdefault(repr(sorted(_without_seed(run).items())), []).append(run)
    keys = differing([_without_seed(group[0]) for group in groups.values()])
    return [Configuration(values_of(group[0].keys, keys) or ALL, group) for group in groups.values()]


def values_of(config: Mapping[str, Any], keys: Sequence[str]) -> str:
    """The values of some keys in words: hidden 64-32, learning_rate 0.1; what is not there is left out."""
    names = [last(key) for key in keys]
    return ", ".join(
        f"{key if names.count(name) > 1 else name} {value_of(config, key)}"
        for key, name in zip(keys, names, strict=True)
        if key in config
    )


def _without_seed(run: Record) -> dict[str, Any]:
    return {key: value for key, value in run.keys.items() if value != "" and key not in ("seed", "data.dir")}


def _over_seeds(configurations: Sequence[Configuration], measure: str) -> tuple[list[SeedTest], list[str]]:
    """The test of each two configurations over the seeds that they share; and why there is none of some."""
    tests, obstacles = [], []
    if all(len(configuration.runs) == 1 for configuration in configurations):
        return [], []
    for first, second in combinations(configurations, 2):
        if reason := obstacle(first.runs[0], second.runs[0]):
            obstacles.append(reason)
            continue
        shared = sorted(first.seeds.keys() & second.seeds.keys())
        if len(shared) < 2:
            obstacles.append(
                f"{first.name} and {second.name} share {count(len(shared), 'seed')}: two or more are needed to compare"
                " configurations seed by seed"
            )
            continue
        scores = [[side.seeds[seed].summary["test"][measure] for seed in shared] for side in (first, second)]
        if any(score is None for side in scores for score in side):
            obstacles.append(f"{first.name} or {second.name} has a test {measure} that is not finite")
            continue
        tests.append(SeedTest(first, second, paired_difference(*scores)))
    corrected = holm([test.result.p for test in tests])
    return [test._replace(corrected=p) for test, p in zip(tests, corrected, strict=True)], obstacles


def _pairs(configurations: Sequence[Configuration]) -> tuple[list[PairTest], list[str]]:
    """McNemar's test of each two runs; where configurations have several, of the runs of one seed."""
    runs = [run for configuration in configurations for run in configuration.runs]
    pairs = list(combinations(runs, 2))
    if 1 < len(configurations) < len(runs):
        pairs = [
            (first.seeds[seed], second.seeds[seed])
            for first, second in combinations(configurations, 2)
            for seed in sorted(first.seeds.keys() & second.seeds.keys())
        ]
    if len(pairs) > MOST_TESTS:
        return [], [
            f"there are {len(pairs):,} pairs of runs, of which at most {MOST_TESTS:,} are tested: give fewer runs"
        ]
    outcomes, tests, obstacles = Outcomes(), [], []
    for first, second in pairs:
        if reason := obstacle(first, second):
            obstacles.append(reason)
            continue
        try:
            right = [outcomes.right(run) for run in (first, second)]
        except JaxmlpError as error:
            obstacles.append(str(error))
            continue
        tests.append(PairTest(first, second, mcnemar(*right), len(right[0])))
    corrected = holm([test.result.p for test in tests])
    return [test._replace(corrected=p) for test, p in zip(tests, corrected, strict=True)], obstacles
