"""The measurements beside each other: ratios, the share of the machine's limit, and whether all did the same work."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from jaxmlp.bench.entries import FLOOR, GRID, LIMIT, RUN
from jaxmlp.bench.machine import where_and_when
from jaxmlp.bench.measuring import Measurement
from jaxmlp.bench.task import Task

TOLERANCE = 0.05  # by which a loss may be off: the order of the examples and what is drawn differ between libraries


class Results(NamedTuple):
    """What was measured of one task."""

    preset: str
    task: Task
    rounds: int
    measurements: Sequence[Measurement]

    @property
    def measured(self) -> list[Measurement]:
        """Those that did not fail."""
        return [measurement for measurement in self.measurements if not measurement.failure]

    def called(self, name: str) -> Measurement | None:
        """The measurement of an entry, if there is one."""
        return next((measurement for measurement in self.measured if measurement.entry.name == name), None)

    def times(self, measurement: Measurement, base: str) -> float | None:
        """How many times as long as the entry `base` it takes: a ratio of medians."""
        other = self.called(base)
        return other and measurement.median / other.median

    def share(self, measurement: Measurement) -> float | None:
        """Of the speed of the machine's large product."""
        ratio = self.times(measurement, LIMIT)
        return ratio and 1 / ratio

    def off(self, measurement: Measurement) -> bool:
        """Whether the loss is so far from ours that it did not do the same work."""
        ours = self.called(RUN) or self.called(GRID)
        if ours is None or ours.loss is None or measurement.loss is None:
            return False
        return not abs(measurement.loss - ours.loss) <= TOLERANCE * ours.loss  # NaN is off

    @property
    def speed(self) -> float | None:
        """Operations a second of the large product."""
        limit = self.called(LIMIT)
        return limit and self.task.flops / limit.median

    def to_json(self, missing: Sequence[str]) -> dict[str, Any]:
        """All of it, with the machine, the versions and the date."""
        return where_and_when() | {
            "preset": self.preset,
            "task": asdict(self.task),
            "epoch_flops": self.task.flops,
            "large_product_flops_per_second": self.speed,
            "rounds": self.rounds,
            "entries": [self._entry(measurement) for measurement in self.measurements],
            "not_installed": list(missing),
        }

    def _entry(self, measurement: Measurement) -> dict[str, Any]:
        named = {"name": measurement.entry.name, "part": measurement.entry.part}
        if measurement.failure:
            return named | {"failure": measurement.failure}
        return named | {
            "seconds": measurement.seconds,
            "median_seconds": measurement.median,
            "times_jaxmlp": self.times(measurement, RUN),
            "times_jaxmlp_grid": self.times(measurement, GRID),
            "times_product_floor": self.times(measurement, FLOOR),
            "share_of_large_product": self.share(measurement),
            "loss": measurement.loss,
            "loss_is_off": self.off(measurement),
            "first_seconds": measurement.first_seconds,
            "peak_bytes": measurement.peak_bytes,
            "device_peak_bytes": measurement.device_peak_bytes,
            "device": measurement.device,
        }
