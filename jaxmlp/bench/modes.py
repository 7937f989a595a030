"""The ways to measure: entries in turn, whole programs, growth over sizes, shares over batch and width, an accelerator."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxmlp.bench import accelerator, entries, growth, programs, reached, running, shares, table
from jaxmlp.bench.entries import Entry
from jaxmlp.bench.machine import where_and_when
from jaxmlp.bench.measuring import Job, Measurement, measure
from jaxmlp.bench.results import Results
from jaxmlp.bench.task import Task
from jaxmlp.cli.progress import Lines

if TYPE_CHECKING:
    from jaxmlp.plots import Picture


class Plan(NamedTuple):
    """What is measured, and for how many rounds."""

    preset: str
    task: Task
    rounds: int
    parts: Sequence[str]
    peers: Sequence[str]


class Measured(NamedTuple):
    """What was measured, for files, and what failed."""

    tree: dict[str, Any]
    picture: Callable[[], "Picture"] | None  # None: there is none
    failures: list[str]


def run_programs(plan: Plan, lines: Lines) -> Measured:
    """All programs in turn."""
    task = plan.task
    wanted = {program.peer for program in programs.chosen(plan.parts, plan.peers)}
    missing = [peer for peer in entries.missing(plan.peers) if peer in wanted]
    chosen = programs.chosen(plan.parts, [peer for peer in plan.peers if peer not in missing])
    sizes = "-".join(map(str, task.sizes))
    lines.on_message(f"{plan.preset}: {sizes} on {programs.SETS[plan.preset][0]}; {len(chosen)} programs")
    _say_missing(lines, missing)
    outcomes = running.measure(chosen, plan.preset, task, plan.rounds, partial(_show, lines))
    lines.clear()
    reached.show(plan.preset, outcomes, lines.console)

    def picture() -> "Picture":
        from jaxmlp.bench import chart

        return chart.programs(plan.preset, task, outcomes)

    tree = where_and_when() | {"preset": plan.preset, "task": asdict(task), "rounds": plan.rounds}
    tree |= {"programs": reached.to_json(plan.preset, outcomes), "not_installed": missing}
    failures = [f"{outcome.program.name} failed: {outcome.failure}" for outcome in outcomes if outcome.failure]
    return Measured(tree, picture, failures)


def _say_missing(lines: Lines, missing: Sequence[str]) -> None:
    if missing:
        lines.on_message(f"not installed: {', '.join(missing)}; {entries.how_to_install(missing)}")


def compare(plan: Plan, lines: Lines) -> Measured:
    """All entries in turn."""
    task = plan.task
    missing = [peer for peer in entries.missing(plan.peers) if peer in {entry.peer for entry in entries.ENTRIES}]
    chosen_entries = entries.chosen(plan.parts, [peer for peer in plan.peers if peer not in missing], task.device)
    lines.on_message(_about(plan.preset, task, chosen_entries))
    _say_missing(lines, missing)
    jobs = [Job(entry, task, entry.name) for entry in chosen_entries]
    results = Results(plan.preset, task, plan.rounds, measure(jobs, plan.rounds, partial(_show, lines)))
    lines.clear()
    table.show(results, lines.console)

    def picture() -> "Picture":
        from jaxmlp.bench import chart

        return chart.bars(results)

    return Measured(results.to_json(missing), picture, _failures(jobs, results.measurements))


def grow(plan: Plan, lines: Lines) -> Measured:
    """One size after the other; the values of each in turn."""
    task, grown, failures = plan.task, [], []
    lines.on_message(_about(plan.preset, task, ()))
    for axis in growth.AXES:
        points = growth.points(axis, task)
        measurements = measure(list(points.values()), plan.rounds, partial(_show, lines))
        failures += _failures(list(points.values()), measurements)
        grown += filter(None, [growth.line(axis, points, measurements)])
    lines.clear()
    growth.show(grown, lines.console)

    def picture() -> "Picture":
        from jaxmlp.bench import chart

        return chart.growth(grown)

    return Measured(growth.to_json(grown, plan.preset, task, plan.rounds), picture, failures)


def accelerate(plan: Plan, lines: Lines) -> Measured:
    """One network in all precisions, grids of it, and a sweep as a whole program, as far as the time goes."""
    task, rows, failures, left, limits = plan.task, [], [], [], {}
    accelerator.check_device(task.device)
    lines.on_message(_about(plan.preset, task, ()))
    end, run = time.monotonic() + accelerator.SECONDS, None
    for jobs in accelerator.groups(task):
        if time.monotonic() > end:
            left += [job.label for job in jobs]
            continue
        measurements = measure(jobs, plan.rounds, partial(_show, lines))
        failures += _failures(jobs, measurements)
        rows += accelerator.rows(jobs, measurements, limits)
    if time.monotonic() > end:
        left.append("jaxmlp sweep")
    else:
        _show(lines, "jaxmlp sweep", 0, 1)
        run = accelerator.sweep(task.device)
        failures += [f"jaxmlp sweep failed: {run.failure}"] if run.failure else []
    lines.clear()
    accelerator.show(rows, run, lines.console)
    if left:
        lines.on_message(f"no time for: {', '.join(left)}")

    return Measured(accelerator.to_json(rows, run, left, task, plan.rounds), None, failures)


def map_shares(plan: Plan, lines: Lines) -> Measured:
    """One place after the other; the entries of each in turn."""
    task, cells, failures, torch = plan.task, [], [], not entries.missing(["torch"])
    lines.on_message(_about(plan.preset, task, ()))
    if not torch:
        _say_missing(lines, ["torch"])
    for batch, width in shares.places():
        jobs = shares.jobs(task, batch, width, torch=torch)
        measurements = measure(jobs, plan.rounds, partial(_show, lines))
        failures += _failures(jobs, measurements)
        cells.append(shares.cell(batch, width, measurements))
    lines.clear()
    shares.show(cells, lines.console)

    def picture() -> "Picture":
        from jaxmlp.bench import chart

        return chart.shares(cells, task)

    return Measured(shares.to_json(cells, plan.preset, task, plan.rounds), picture, failures)


def _failures(jobs: Sequence[Job], measurements: Sequence[Measurement]) -> list[str]:
    pairs = zip(jobs, measurements, strict=True)
    return [f"{job.label} failed: {measurement.failure}" for job, measurement in pairs if measurement.failure]


def _show(lines: Lines, what: str, done: int, total: int) -> None:
    lines.show(what, done, total, None, [])


def _about(preset: str, task: Task, chosen_entries: Sequence[Entry]) -> str:
    sizes = "-".join(map(str, task.sizes))
    grid = f", a grid of {task.trials:,}" if any(entry.part == "grid" for entry in chosen_entries) else ""
    counted = f"; {len(chosen_entries)} entries" if chosen_entries else ""
    return f"{preset}: {sizes}, {task.examples:,} examples, batch {task.batch}{grid}{counted}"
