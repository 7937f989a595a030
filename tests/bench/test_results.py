"""Ratios, shares, and losses that are off."""

import math

import pytest
from bench.conftest import made_up

from jaxmlp.bench.entries import FLOOR, GRID, LIMIT, RUN
from jaxmlp.bench.measuring import Measurement
from jaxmlp.bench.results import Results
from jaxmlp.bench.task import PRESETS


def test_ratios_are_of_medians(results):
    numpy = results.called("NumPy by hand")
    assert results.times(numpy, RUN) == pytest.approx(0.2 / 0.16)
    assert results.times(numpy, GRID) == pytest.approx(0.2 / 0.12)
    assert results.share(numpy) == pytest.approx(0.1 / 0.2)
    assert results.speed == pytest.approx(PRESETS["report"].flops / 0.1)


@pytest.mark.parametrize(
    ("loss", "off"), [(0.3, False), (0.314, False), (0.316, True), (0.28, True), (math.nan, True), (math.inf, True)]
)
def test_a_loss_is_off_where_it_is_far_from_ours(loss, off):
    other = made_up("NumPy by hand", loss)
    for ours in (RUN, GRID):
        assert Results("report", PRESETS["report"], 3, [made_up(ours), other]).off(other) is off
    assert not Results("report", PRESETS["report"], 3, [other]).off(other)


def test_json_has_all_rounds_the_machine_the_versions_and_the_date(results):
    tree = results.to_json(["torch"])
    assert tree.keys() >= {"date", "machine", "versions", "preset", "task", "epoch_flops", "rounds"}
    assert tree["not_installed"] == ["torch"]
    assert tree["task"]["hidden"] == (128,)
    assert tree["large_product_flops_per_second"] == results.speed
    entries = {entry["name"]: entry for entry in tree["entries"]}
    assert entries["skorch"]["loss_is_off"]
    assert entries[RUN]["seconds"] == pytest.approx([0.192, 0.16, 0.144])
    assert entries[RUN]["times_product_floor"] == pytest.approx(0.16 / 0.13)
    assert entries[LIMIT]["loss"] is None
    assert entries[FLOOR]["share_of_large_product"] == pytest.approx(0.1 / 0.13)


def test_one_that_failed_has_its_reason_and_no_ratio(results):
    broken = Measurement(results.called("skorch").entry, [], failure="no such module")
    only = Results("report", PRESETS["report"], 3, [broken])
    assert only.measured == []
    assert only.speed is None
    assert only.to_json([])["entries"] == [{"name": "skorch", "part": "run", "failure": "no such module"}]
