"""Pictures of a sweep are drawn for every shape of sweep, can be read, and show what they say."""

import itertools
import math

import numpy as np
import pytest
from helpers import assert_picture, texts

from jaxmlp import plots
from jaxmlp.plots import sweep
from jaxmlp.plots.lines import sample
from jaxmlp.plots.means import Cells
from jaxmlp.plots.trials import diverged

RATE, MOMENTUM, HIDDEN, L1 = "hyper.learning_rate", "hyper.momentum", "network.hidden", "hyper.l1"


def saved(folder, *sweep):
    """The pictures of a sweep by the names of their files, saved as `jaxmlp sweep` does."""
    figures = {f"{name}.png": draw() for name, draw in plots.sweep_pictures(*sweep).items()}
    for name, figure in figures.items():
        figure.save(folder / name)
    return figures


def row(trial, loss, seed=0, **more):
    lost = loss is None or not math.isfinite(loss)
    known = {"trial": trial, "seed": seed, "status": "diverged" if lost else "early_stopping", "epochs_run": 4}
    known |= {
        "best_epoch": 0 if lost else 3,
        "validation_loss": loss,
        "validation_accuracy": None if lost else 1 - loss / 4,
    }
    return known | {"validation_correct": 0, "validation_count": 100} | more


def table(values, losses, seeds=1):
    """A trial for every combination of values on the axes, and for every seed."""
    places = itertools.product(*values.values(), range(seeds))
    return [
        row(i, loss, place[-1], **dict(zip(values, place[:-1], strict=True)))
        for i, (place, loss) in enumerate(zip(places, itertools.cycle(losses), strict=False))
    ]


def early(rows, every=2):
    """One in so many is pruned, unless it diverged."""
    pruned = {"status": "pruned", "epochs_run": 1}
    return [r | pruned if i % every == 0 and not diverged(r) else r for i, r in enumerate(rows)]


def curve(losses):
    accuracy = [None if loss is None else 1 - loss / 4 for loss in losses]
    kinds = {"loss": losses, "accuracy": accuracy}
    return {f"{split}_{kind}": values for split in ("train", "validation") for kind, values in kinds.items()}


def curves_of(rows):
    return {
        r["trial"]: curve([1.0, 0.9, None] if diverged(r) else [1.0, 0.8, r["validation_loss"], 0.9])
        if r["epochs_run"] > 1
        else curve([r["validation_loss"]])
        for r in rows
    }


def best(rows):
    return min((r for r in rows if not diverged(r)), key=lambda r: r["validation_loss"], default={"trial": None})[
        "trial"
    ]


def marked(figure, gid="best"):
    return figure.findobj(lambda artist: artist.get_gid() == gid)


def assert_readable(figure):
    """Nothing leaves the page, and no text lies on another."""
    box = figure.get_tightbbox()  # in inches
    width, height = figure.get_size_inches()
    assert min(box.x0, box.y0) > -0.02
    assert box.x1 < width + 0.02
    assert box.y1 < height + 0.02
    boxes = [(text.get_text(), text.get_window_extent()) for text in drawn(figure) if text.get_text().strip("/")]
    for (a, one), (b, other) in itertools.combinations(boxes, 2):
        assert not one.overlaps(other), (a, b)


def drawn(figure):
    """The texts that are seen: ticks beyond the ends of an axis are not."""
    for legend in figure.legends:
        yield from (legend.get_title(), *legend.get_texts())
    for axes in figure.axes:
        yield from axes.texts
        if axes.axison:
            yield from (axes.title, axes._left_title, axes._right_title, axes.xaxis.label, axes.yaxis.label)
            for axis in (axes.xaxis, axes.yaxis):
                low, high = sorted(axis.get_view_interval())
                ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
                texts = [text for tick in ticks for text in (tick.label1, tick.label2)]
                yield from (text for text in texts if text.get_visible())


RATES, MOMENTA = np.geomspace(1e-3, 3, 8).tolist(), np.linspace(0, 0.99, 8).tolist()
WORDS = {HIDDEN: [[32], [64, 32], [512, 256, 128, 64, 32, 16, 8]], "a.b": ["relu", "$x_1$ a word too long to write"]}
LONG = {"network.activation": [f"a word too long to write {i}" for i in range(9)]}
FIFTEEN = {f"a.quite_a_long_name_of_an_axis_{i}": [i] if i > 2 else [0, 1] for i in range(15)}
SAID = [f"a word too long to write {i}" for i in range(3)]
DRAWS = [0.1 * 1.1**i for i in range(24)]  # each a value of its own


def sampled(axis, values):
    """A trial for each of DRAWS, with a value of another axis in turn; every other one is pruned."""
    return early([row(i, 0.1 + i / 20, **{RATE: x, axis: values[i % len(values)]}) for i, x in enumerate(DRAWS)])


ABSENT = [{RATE: 0.1}, {RATE: 0.2, MOMENTUM: 0.9}, {RATE: 0.1, MOMENTUM: 0.5}]

SWEEPS = {
    "8 x 8": (table({RATE: RATES, MOMENTUM: MOMENTA}, [0.3, 0.1, None]), 2),
    "2 x 3": (table({RATE: [0.1, 0.2], MOMENTUM: [0, 0.5, 0.9]}, [0.3, 0.1], 2), 2),
    "words": (table(WORDS, [0.1, 0.2]), 2),
    "1 x 1": (table({RATE: [0.1], MOMENTUM: [0.9]}, [0.3]), 2),
    "map of one loss": (table({RATE: [0.1, 0.2], MOMENTUM: [0.9, 0.95]}, [0.0]), 2),
    "map of the lost": (table({RATE: [0.1, 0.2], MOMENTUM: [0.9, 0.95]}, [None, math.nan]), 2),
    "axis": (table({RATE: [1e-3, 1e-2, 1e-1, 1]}, [0.3, 0.2, 0.1, None], 3), 1),
    "axis with 0": (table({L1: [0, 1e-6, 1e-5, 1e-4]}, [0.3, 0.2]), 1),
    "axis of long words": (table(LONG, [0.3, 0.2], 2), 1),
    "axis of truths": (table({"training.shuffle": [True, False]}, [0.3, 0.2]), 1),
    "one value": (table({RATE: [0.1]}, [0.3]), 1),
    "one huge value": (table({RATE: [1e30]}, [None], 2), 1),
    "one tiny value": (table({RATE: [1e-30]}, [0.3], 2), 1),
    "one negative value": (table({RATE: [-1e30], MOMENTUM: [0], HIDDEN: [[8], [16]]}, [0.3]), 3),
    "axis of the lost": (table({RATE: [0.1, 1]}, [None], 2), 1),
    "many values": (table({RATE: np.linspace(0.1, 1, 200).tolist()}, [0.3, 0.2, 1e30]), 1),
    "pruned pairs": (early(table({RATE: RATES, MOMENTUM: MOMENTA}, [0.3, 0.1, None])), 2),
    "pruned, 20 x 20": (
        early(table({RATE: np.geomspace(1e-3, 3, 20).tolist(), MOMENTUM: list(range(20))}, [0.3, None])),
        2,
    ),
    "pruned axis": (early(table({L1: [0, 1e-6, 1e-5, 1e-4]}, [0.3, 0.2, 1e30, None], 3)), 1),
    "pruned, three axes": (
        early(table({RATE: RATES, MOMENTUM: [0, 0.9], HIDDEN: [[8], [64, 32]]}, [9.3, 0.1, None])),
        3,
    ),
    "all pruned": (early(table({RATE: RATES, MOMENTUM: [0, 0.9], HIDDEN: [[8], [64, 32]]}, [0.3, 0.1]), every=1), 3),
    "15 axes": (table(FIFTEEN, [0.3, 0.2]), 15),
    "long words": (table(WORDS | LONG, [0.1, 0.2]), 3),
    "all lost": (table({RATE: [1, 2], MOMENTUM: [0, 0.9], L1: [0, 1]}, [None]), 3),
    "one of three axes": (table({RATE: [1], MOMENTUM: [0], L1: [0]}, [0.5]), 3),
    "seeds": (table({}, [0.3, 0.25, 0.2, None], 20), 0),
    "equal seeds": (table({}, [0.25], 5), 0),
    "one seed": (table({}, [0.25], 1), 0),
    "lost seeds": (table({}, [None], 3), 0),
    "one epoch": ([row(i, 0.1 + i, epochs_run=1, best_epoch=1, **{RATE: i}) for i in range(3)], 1),
    "sample over words": (sampled("network.activation", SAID), 2),
    "sample of two axes": (sampled(MOMENTUM, np.linspace(0, 0.9, 24).tolist()), 2),
    "absent keys": ([row(i, 0.1, **values) for i, values in enumerate(ABSENT)], 2),
}


LINES = ("1 x 1", "sample over words", "absent keys")  # of two axes, that are no map
PRUNED_AXES = ("pruned axis", "pruned, three axes", "all pruned")
# whose curves and cost are drawn too: of every kind of trial, of one and of many, and with the longest names
OVER_EPOCHS = (*PRUNED_AXES, "many values", "one value", "15 axes", "long words", "all lost", "seeds", "one epoch")


def axes_of(rows, n):
    return list(dict.fromkeys(key for r in rows for key in r if "." in key))[:n]


@pytest.mark.parametrize("name", SWEEPS)
def test_any_sweep_is_drawn(tmp_path, name):
    rows, n = SWEEPS[name]
    axes = axes_of(rows, n)
    assert len(axes) == n
    over_epochs = name in OVER_EPOCHS
    figures = saved(tmp_path, rows, axes, curves_of(rows) if over_epochs else {}, best(rows), over_epochs)
    first = {0: ["seeds.png"], 1: ["lines_over_axis.png"], 2: ["heat_map.png"]}
    first |= {2: BOTH} if name == "sample of two axes" else {}
    expected = ["lines_over_axis.png"] if name in LINES else first.get(n, ["parallel_coordinates.png", "scatter.png"])
    assert list(figures) == expected + ["learning_curves.png", "cost_against_quality.png"] * over_epochs
    assert sorted(figures) == sorted(path.name for path in tmp_path.iterdir())
    for file, figure in figures.items():
        assert_picture(tmp_path / file, sides=(250, 1500))
        assert_readable(figure)
        assert bool(marked(figure) or marked(figure, "best line")) == (best(rows) is not None)
        assert any("every trial diverged" in " ".join(text.split()) for text in texts(figure)) == (best(rows) is None)


BOTH = ["parallel_coordinates.png", "scatter.png"]


@pytest.mark.parametrize(
    ("axis", "values", "names"),
    [
        (HIDDEN, [[8]], ["lines_over_axis.png"]),
        (HIDDEN, [[8], [64, 32]], ["lines_over_axis.png"]),  # half of the map has trials
        (HIDDEN, [[8 * i] for i in range(1, 7)], ["lines_over_axis.png"]),
        (HIDDEN, [[8 * i] for i in range(1, 8)], BOTH),  # more than there are colours
        (MOMENTUM, [0.0, 0.5, 0.9], ["lines_over_axis.png"]),
        (MOMENTUM, [0.9, None], ["lines_over_axis.png"]),
        (MOMENTUM, np.linspace(0, 0.9, 24).tolist(), BOTH),
        ("network.activation", SAID, ["lines_over_axis.png"]),
    ],
    ids=str,
)
def test_samples_of_two_axes_are_no_map(axis, values, names):
    rows = sampled(axis, values)
    figures = {f"{name}.png": draw() for name, draw in plots.sweep_pictures(rows, [RATE, axis], {}, 1, False).items()}
    assert list(figures) == names
    for axes in ([RATE, axis], [axis, RATE]):
        assert sweep.as_lines(rows, axes) == ([] if names == BOTH else [RATE, axis])
        assert sweep.is_grid(rows, axes) == (len(values) == 1)
    assert all(marked(figure) or marked(figure, "best line") for figure in figures.values())


@pytest.mark.parametrize(("cells", "expected"), [(3, False), (4, False), (5, True), (8, True)])
def test_a_map_is_more_than_half_full(cells, expected):
    places = [(0, 0), (1, 1), (0, 2), (1, 3), (0, 1), (1, 0), (0, 3), (1, 2)]  # of 2 x 4
    places = places[:cells] if cells > 3 else [(0, 0), (1, 1), (0, 2), (0, 0)]
    rows = [row(i, 0.1, **{RATE: x, MOMENTUM: y}) for i, (x, y) in enumerate(places)]
    assert sweep.is_grid(rows, [RATE, MOMENTUM]) == expected


def test_lines_of_two_axes_have_a_colour_for_each_value():
    rows = [row(i, 0.1 + i, **{RATE: i + 1, HIDDEN: [[8], [64, 32]][i % 2]}) for i in range(6)]
    figure = plots.lines_over_axis(rows, RATE, 0, by=HIDDEN)
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 3]
    assert [line.get_ydata().tolist() for line in lines] == [[0.1, 2.1, 4.1], [1.1, 3.1, 5.1]]
    assert len({line.get_color() for line in lines}) == 2
    legend, _ = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["8", "64-32"]
    assert "Validation loss and accuracy over learning_rate, a colour for each hidden" in texts(figure)


def test_numbers_over_a_few_words_are_lines_with_their_sparsity(tmp_path):
    rows = table({L1: [0, 1e-4, 1e-2], "training.l1_step": ["subgradient", "proximal"]}, [0.3, 0.2], 2)
    rows = [r | {"sparsity": 10 * r[L1]} for r in rows]
    (figure,) = saved(tmp_path, rows, [L1, "training.l1_step"], {}, 1, False).values()
    assert len(figure.axes) == 3
    assert_readable(figure)
    assert {"l1_step", "subgradient", "proximal"} <= set(texts(figure))


PRUNED = [row(0, 0.2), row(1, 0.5, status="pruned"), row(2, 0.6, status="pruned"), row(3, None, status="pruned")]
WHERE = {RATE: [0.1, 0.1, 1.0, 1.0], MOMENTUM: [0.0, 0.9, 0.0, 0.9], L1: [0, 0, 1, 1]}


@pytest.mark.parametrize(
    ("picture", "axes", "word", "heights"),
    [
        ("heat_map", [RATE, MOMENTUM], "with pruned trials", [1.5, 0.5]),  # the upper edges of the cells
        ("lines_over_axis", RATE, "mean with pruned trials", [0.35, 0.6]),  # a mean with one of them, and one of them
        ("scatter", [RATE], "pruned (2): the loss of fewer epochs", [0.5, 0.6]),
        ("parallel_coordinates", [RATE, MOMENTUM, L1], "pruned (2): the loss of fewer epochs", []),
        ("cost_against_quality", [RATE], "pruned (2): the loss of fewer epochs", [0.5, 0.6]),
    ],
)
def test_pruned_trials_are_marked(picture, axes, word, heights):
    rows = [r | {key: values[i] for key, values in WHERE.items() if key in axes} for i, r in enumerate(PRUNED)]
    figures = [getattr(plots, picture)(them, axes, 0) for them in (rows, [r | {"status": "max_epochs"} for r in rows])]
    marks, none = (marked(figure, "pruned") for figure in figures)
    assert marks[0].get_ydata() == pytest.approx(heights)
    assert not none
    assert [word in texts(figure) for figure in figures] == [True, False]


def test_pruned_curves_are_purple():
    rows = [row(0, 0.5), row(1, 0.25), row(2, 0.75, status="pruned", epochs_run=1)]
    figure = plots.learning_curves(rows, [], curves_of(rows), 1)
    _, purple, coloured = figure.axes[0].collections
    assert len(purple.get_segments()) == len(coloured.get_segments()) == 1
    assert "pruned" in texts(figure)


def test_lines_across_have_a_bar_of_their_colours():
    rows = [row(i, 0.1 * (i + 1), **{RATE: i, MOMENTUM: i, L1: i}) for i in range(4)]
    rows.append(row(4, 9.0, status="pruned", **{RATE: 9, MOMENTUM: 9, L1: 9}))
    bars = []
    for kept in (rows, rows[:4], rows[-1:]):
        figure = plots.parallel_coordinates(kept, [RATE, MOMENTUM, L1], 0)
        bars.append([axes for axes in figure.axes if axes.get_ylabel().startswith("validation loss")])
    (with_pruned,), (without,), none = bars
    assert with_pruned.get_ylabel() == "validation loss, not pruned"
    assert without.get_ylabel() == "validation loss"
    assert with_pruned.get_ylim() == without.get_ylim() == pytest.approx((0.1, 0.4))
    assert not none


def test_nothing_is_drawn_of_nothing():
    assert plots.sweep_pictures([], [RATE], {}, None, True) == {}


def test_cells_are_means_over_seeds():
    rows = table({RATE: [0.2, 0.1], "network.activation": ["relu", "tanh"]}, [1.0, 3.0, 5.0, None], 2)
    cells = Cells.of(rows, [RATE, "network.activation"])
    assert cells.across == ["0.1", "0.2"]
    assert cells.up == ["tanh", "relu"]  # read from the top
    assert cells.means("validation_loss").tolist() == [[5.0, 5.0], [2.0, 2.0]]
    assert {place: len(trials) for place, trials in cells.trials.items()} == dict.fromkeys(np.ndindex(2, 2), 2)


def test_the_best_cell_is_ringed_and_lost_ones_say_so():
    rows = table({RATE: [0.1, 1.0], MOMENTUM: [0.0, 0.9]}, [0.3, 0.2, 0.4, None])
    figure = plots.heat_map(rows, [RATE, MOMENTUM], 1)
    for ring in marked(figure):
        assert ring.get_xy() == (-0.5, 0.5)
    assert len(marked(figure)) == 2
    assert "every seed diverged" in texts(figure)
    assert {"0.300", "0.200", "0.400", "92.5", "95.0", "90.0"} <= set(texts(figure))
    assert "best: loss 0.2, accuracy 95.00 % (trial 1): learning_rate 0.1, momentum 0.9" in texts(figure)


def test_lines_are_means_with_every_trial_a_point():
    rows = table({L1: [0, 1e-5, 1e-3]}, [0.2, 0.4, 0.1, 0.2, None, None], 2)
    for r in rows:
        r["sparsity"] = 1e4 * r[L1]
    figure = plots.lines_over_axis(rows, L1, 2)
    loss, _, sparsity = figure.axes
    means = [line for line in loss.lines if len(line.get_xdata()) == 3]
    np.testing.assert_allclose(means[0].get_ydata(), [0.3, 0.15, np.nan])
    assert [point.get_ydata()[0] for point in marked(figure)] == pytest.approx([0.15, 1 - 0.15 / 4, 0.1])
    assert [text.get_text() for text in loss.get_xticklabels()] == ["0", "1e-5", "0.001"]
    assert sparsity.get_title(loc="left").startswith("Sparsity")
    assert "diverged (2)" in texts(figure)


@pytest.mark.parametrize(("spread", "panels"), [(0.0, 2), (0.009, 2), (0.02, 3)])
def test_sparsity_is_shown_where_it_varies(spread, panels):
    rows = [row(i, 0.1, **{L1: i}) | {"sparsity": 0.5 + spread * i} for i in range(2)]
    figure = plots.lines_over_axis(rows, L1, 0)
    assert len(figure.axes) == panels


@pytest.mark.parametrize(("M", "drawn"), [(3, 3), (2000, 2000), (2500, 2000)])
def test_so_many_curves_at_most(M, drawn):
    rows = [row(i, 0.5) for i in range(M)]
    taken = sample(rows, 1)
    assert drawn <= len(taken) <= drawn + 1
    assert {0, 1, M - 1} <= {r["trial"] for r in taken}


def test_curves_mark_the_best_epoch_and_the_diverged():
    rows = [row(0, 0.5), row(1, None), row(2, 0.25)]
    figure = plots.learning_curves(rows, [], curves_of(rows), 2)
    assert [point.get_xydata().tolist() for point in marked(figure)] == [[[3, 0.25]], [[3, 1 - 0.25 / 4]]]
    assert [mark.get_xdata().tolist() for mark in marked(figure, "diverged")] == [[2], [2]]
    assert marked(figure, "best line")[0].get_ydata().tolist() == [1.0, 0.8, 0.25, 0.9]
    assert {"diverged (1)", "Validation curves of 3 trials"} <= set(texts(figure))


def test_cost_is_counted_in_trial_epochs():
    rows = [
        row(i, 0.1 + i, epochs_run=n, status="pruned" if n < 9 else "max_epochs") for i, n in enumerate([1, 1, 3, 9])
    ]
    figure = plots.cost_against_quality(rows, [], 3)
    assert "4 trials, 3 pruned: 14 trial-epochs spent (4 × 9 are 36)" in texts(figure)
    (dots,) = marked(figure, "pruned")
    np.testing.assert_allclose(dots.get_xdata(), [1, 1, 3], atol=0.15)  # moved, but little
    stairs = figure.axes[1].patches[0].get_data()
    assert stairs.values.tolist() == [4, 2, 2, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("values", "bins", "x", "y"),
    [
        ([0.0, 1.0, 0.1, 0.9], 2, [0.25, 0.75, 0.25, 0.75], [0, 1, 1, 0]),
        ([2.0, 2.0], 4, [2.0, 2.0], [0, 1]),
        ([5.0], 3, [5.0], [0]),
    ],
)
def test_dots_are_heaped(values, bins, x, y):
    found = sweep.heaps(np.array(values), bins)
    np.testing.assert_allclose(found, [x, y])


def test_seeds_have_mean_and_standard_deviation():
    rows = table({}, [0.1, 0.2, 0.3, None], 4)
    figure = plots.seeds(rows, 0)
    assert "The luck of 4 seeds (1 diverged): accuracy 95.00 ± 2.50 %" in texts(figure)
    assert "mean 0.20 ± 0.10" in texts(figure)
    assert "best: loss 0.1, accuracy 97.50 % (trial 0): seed 0" in texts(figure)


def of_values(rows, scale=1.0):
    """The rows as a sweep that learns values has them: R2 in place of accuracy."""
    changed = []
    for r in rows:
        kept = {name: value for name, value in r.items() if name not in ("validation_accuracy", "validation_correct")}
        loss = r["validation_loss"]
        changed.append(kept | {"validation_r2": None if diverged(r) else 1 - scale * loss})
    return changed


def assert_of_values(figure):
    said = " ".join(texts(figure))
    assert "accuracy" not in said.lower()
    assert "R2" in said


LOSSES = [0.3, 0.2, 0.7, 0.5, None]
GOOD, FAR_BELOW_0 = 0.5, 50.0  # R2, as it falls with the loss


@pytest.mark.parametrize(
    ("values", "seeds", "names", "scale"),
    [
        ({RATE: [0.1, 0.3, 1.0]}, 2, ["lines_over_axis"], FAR_BELOW_0),
        ({RATE: [0.1, 0.3, 1.0], MOMENTUM: [0.0, 0.5, 0.9]}, 2, ["heat_map"], GOOD),
        ({RATE: [0.1, 0.3, 1.0], MOMENTUM: [0.0, 0.5, 0.9]}, 2, ["heat_map"], FAR_BELOW_0),
        (
            {RATE: [0.1, 0.3], MOMENTUM: [0.0, 0.9], L1: [0.0, 1e-3]},
            1,
            ["parallel_coordinates", "scatter"],
            FAR_BELOW_0,
        ),
    ],
)
def test_sweeps_of_values_show_r2(tmp_path, values, seeds, names, scale):
    rows = of_values(table(values, LOSSES, seeds), scale)
    figures = saved(tmp_path, rows, list(values), {}, best(rows), False)
    assert list(figures) == [f"{name}.png" for name in names]
    for name, figure in figures.items():
        assert_of_values(figure)
        assert_picture(tmp_path / name)


@pytest.mark.parametrize("scale", [GOOD, FAR_BELOW_0])
def test_curves_and_seeds_of_values_show_r2(tmp_path, scale):
    rows = of_values(table({}, LOSSES, 4), scale)
    curves = {}
    for r in rows:
        losses = curve([1.0, r["validation_loss"]])["validation_loss"]
        scores = [None if loss is None else 1 - scale * loss for loss in losses]
        curves[r["trial"]] = {"validation_loss": losses, "validation_r2": scores}
    figures = saved(tmp_path, rows, [], curves, best(rows), False)
    assert list(figures) == ["seeds.png", "learning_curves.png"]
    for name, figure in figures.items():
        assert_of_values(figure)
        assert_picture(tmp_path / name)
    drawn = figures["learning_curves.png"].axes[1].collections
    assert any(len(collection.get_paths()) for collection in drawn)  # lines are there, though R2 is below 0
