"""`predict` and `evaluate` on tables: what a run learnt of classes, label sets and values is predicted and measured."""

import csv
import json

import numpy as np
import pytest
from helpers import assert_picture, json_lines, refused, save_clouds, strict_json, summary_of

from jaxmlp.errors import DataError, RunError, UsageError
from jaxmlp.evaluate import command as evaluate
from jaxmlp.gradcheck import command as gradcheck
from jaxmlp.perceptron import command as perceptron
from jaxmlp.predict import command as predict
from jaxmlp.sweep import command as sweep
from jaxmlp.train import command as train

SHORT = ["--network.hidden", "--training.max-epochs", "3", "--hyper.learning-rate", "0.01", "--device", "cpu"]
TARGETS = {  # of each kind: the columns, the loss, and the picture of it
    "classes": ("colour", "softmax_cross_entropy", "confusion.png"),
    "labels": ("sport,politics", "sigmoid_cross_entropy", "labels.png"),
    "values": ("price,weight", "squared_error", "predicted.png"),
}


def write(path, rows=60, leave_out=(), **changed):
    """A table with inputs of both types and targets of all kinds."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=rows).round(3)
    columns = {
        "id": [f"r{i}" for i in range(rows)],
        "x": x.tolist(),
        "town": rng.choice(["Rome", "Oslo"], rows).tolist(),
        "colour": np.where(x > 0, "red", "blue").tolist(),
        "sport": (x > 0).astype(int).tolist(),
        "politics": (x < 0.5).astype(int).tolist(),
        "price": (2 * x).round(4).tolist(),
        "weight": (x - 1).round(4).tolist(),
    } | changed
    names = [name for name in columns if name not in leave_out]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(zip(*(columns[name] for name in names), strict=True))
    return path


def flags_of(kind, file):
    target, loss, _ = TARGETS[kind]
    others = {name for other, _, _ in TARGETS.values() for name in other.split(",")} - set(target.split(","))
    data = ["--data.name", str(file), "--data.target", target, "--data.leave-out", ",".join(["id", *sorted(others)])]
    return [*data, "--network.loss", loss, *SHORT]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    write(folder / "table.csv")
    return folder


@pytest.fixture(scope="module")
def runs(folder):
    """A run of each kind of targets."""
    for kind in TARGETS:
        assert train.main([*flags_of(kind, folder / "table.csv"), "--out", str(folder / kind)]) == 0
    return folder


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    """A run on arrays, and these."""
    folder = tmp_path_factory.mktemp("arrays")
    file = save_clouds(folder / "arrays.npz")
    assert train.main(["--data.name", str(file), *SHORT, "--out", str(folder / "run"), "--quiet"]) == 0
    return folder


def answers(capsys):
    return list(csv.DictReader(capsys.readouterr().out.splitlines()))


@pytest.mark.parametrize("kind", TARGETS)
def test_a_run_measures_and_draws_its_kind_of_targets(runs, kind):
    out, score = runs / kind, "r2" if kind == "values" else "accuracy"
    summary = summary_of(out)
    assert score in summary["test"]
    assert all(score in line["validation"] for line in json_lines(out / "metrics.jsonl"))
    assert sorted(path.name for path in (out / "plots").iterdir()) == sorted(["curves.png", TARGETS[kind][2]])
    assert_picture(out / "plots" / TARGETS[kind][2])


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("classes", ["prediction", "probability_blue", "probability_red"]),
        ("labels", ["prediction_sport", "prediction_politics", "probability_sport", "probability_politics"]),
        ("values", ["prediction_price", "prediction_weight"]),
    ],
)
def test_rows_are_predicted_as_csv(runs, tmp_path, capsys, kind, columns):
    leave_out = ("price", "weight", "sport", "politics", "colour")
    new = write(tmp_path / "new.csv", 3, leave_out, id=["007", "1.50", "true"])
    assert predict.main([str(runs / kind), str(new), "--keep", "id"]) == 0
    rows = answers(capsys)
    assert list(rows[0]) == ["id", *columns]
    assert [row["id"] for row in rows] == ["007", "1.50", "true"]  # as they stand in the file
    if kind == "classes":
        assert all(
            row["prediction"] == max(("blue", "red"), key=lambda c: float(row[f"probability_{c}"])) for row in rows
        )


def test_files_are_answered_one_after_the_other(runs, tmp_path, capsys):
    good, bad = write(tmp_path / "a.csv", 2), write(tmp_path / "b.csv", 2, leave_out=("x",))
    out = tmp_path / "said.csv"
    assert predict.main([str(runs / "values"), str(good), str(bad), str(good), "--out", str(out)]) == 1
    assert [row["file"] for row in csv.DictReader(out.read_text().splitlines())] == [str(good)] * 4
    error = capsys.readouterr().err
    assert f"error: {bad}: no column 'x'" in error
    assert f"4 predictions: {out}" in error
    assert predict.main([str(runs / "values"), str(good), "--json"]) == 0
    assert [set(row) for row in strict_json(capsys.readouterr().out)] == [{"prediction_price", "prediction_weight"}] * 2


def test_unknown_categories_are_said(runs, tmp_path, capsys):
    new = write(tmp_path / "new.csv", 3, town=["Paris", "Rome", "Paris"])
    assert predict.main([str(runs / "classes"), str(new)]) == 0
    assert "2 values of unknown categories, taken as none: 'Paris'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words", "error"),
    [
        (["classes", "table.csv", "--keep", "ident"], ["no column 'ident' to keep", "id"], None),
        (["classes", "table.csv", "picture.png"], ["picture.png is not"], UsageError),
        (["classes", "table.csv", "--invert"], ["--invert is for images"], UsageError),
        (["classes", "picture.png", "--keep", "id"], ["--keep is for tables"], UsageError),
        (["classes", "table.csv", "--out", "table.csv"], ["would replace what is read"], UsageError),
        (["classes", "gone.csv"], ["gone.csv", "No such file"], None),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_predictions_are_refused(runs, monkeypatch, capsys, arguments, words, error):
    monkeypatch.chdir(runs)
    if error is not None:
        refused(words, predict.main, arguments)
    else:
        assert predict.main(arguments) == 1
        told = capsys.readouterr().err
        assert all(word in told for word in words)


@pytest.mark.parametrize("kind", TARGETS)
def test_a_run_is_measured_on_its_test_examples_and_on_a_file(runs, capsys, kind):
    assert evaluate.main([str(runs / kind), "--json"]) == 0
    own = strict_json(capsys.readouterr().out)
    test = summary_of(runs / kind)["test"]
    score = {"classes": "accuracy", "labels": "exact_match", "values": "r2"}[kind]
    assert own[score] == pytest.approx(test["r2" if kind == "values" else "accuracy"], abs=1e-5)
    assert (own["count"], own["kind"], len(own[kind])) == (test["count"], kind, 2)
    model = runs / kind / "model.safetensors"
    target = TARGETS[kind][0].split(",")
    assert evaluate.main([str(model), str(runs / "table.csv"), "--json", "--target", *target]) == 0
    assert json.loads(capsys.readouterr().out)["count"] == 60
    assert evaluate.main([str(runs / kind), str(runs / "table.csv")]) == 0
    assert {"classes": "ROC AUC", "labels": "all labels right", "values": "R2"}[kind] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words", "error"),
    [
        (["classes", "new.csv"], ["no column 'colour', which the network learnt"], DataError),
        (["classes", "other.csv"], ["green"], DataError),
        (["classes", "picture.png"], ["picture.png is no table", ".csv"], UsageError),
        (["classes", "--target", "colour"], ["--target"], UsageError),
        (["classes/model.safetensors"], ["no test examples", "FILE"], UsageError),
        (["classes/model.safetensors", "table.csv"], ["--target is missing"], UsageError),
        (["values", "rows.npz"], ["rows.npz holds arrays", "columns of a table"], DataError),
        (["gone"], ["gone"], RunError),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_measured_is_refused(runs, monkeypatch, arguments, words, error):
    monkeypatch.chdir(runs)
    write(runs / "new.csv", 5, leave_out=("colour",))
    write(runs / "other.csv", 3, colour=["red", "green", "blue"])
    np.savez(runs / "rows.npz", x=np.ones((2, 3)), y=np.ones((2, 2)))
    refused(words, evaluate.main, arguments, error=error)


@pytest.mark.parametrize(
    ("names", "count"),
    [
        ({"x": 20, "y": 20}, 20),
        ({"x": 20, "y": 20, "sample_weight": 20}, 19),
        ({"x_test": 20, "y_test": 20, "sample_weight": 60}, 20),  # the weights of x_train
        ({"x_test": 20, "y_test": 20, "sample_weight_test": 20}, 19),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_an_npz_is_predicted_and_measured_with_its_own_weights(arrays, tmp_path, capsys, names, count):
    kept = np.load(arrays / "arrays.npz")
    file = tmp_path / "mine.npz"
    of = {"x": kept["x_test"], "y": kept["y_test"], "s": (np.arange(60) > 0).astype(np.float32)}
    np.savez(file, **{name: of[name[0]][:rows] for name, rows in names.items()})
    assert evaluate.main([str(arrays / "run"), str(file), "--json"]) == 0
    assert strict_json(capsys.readouterr().out)["count"] == count
    assert predict.main([str(arrays / "run"), str(file)]) == 0
    assert len(answers(capsys)) == 20


def test_a_target_with_a_comma_in_its_name_and_weights_are_measured_as_they_were_trained(tmp_path, capsys):
    table = write(tmp_path / "table.csv", colour=["true", "false"] * 30, weight=[0.5, 2.0] * 30)
    text = table.read_text()
    table.write_text(text.replace("colour", '"yes,no"', 1))
    out = str(tmp_path / "run")
    flags = ["--data.name", str(table), "--data.target", "yes,no", "--data.weight", " weight", "--data.leave-out", "id"]
    assert train.main([*flags, *SHORT, "--out", out, "--quiet"]) == 0
    capsys.readouterr()
    assert evaluate.main([out, str(table)]) == 0
    told = capsys.readouterr().out
    assert "60 examples" in told
    assert "metric, weighted" in told
    assert " of 60)" not in told
    assert evaluate.main([out, str(table), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["weighted"]
    assert predict.main([out, str(table)]) == 0
    assert list(answers(capsys)[0]) == ["prediction", "probability_False", "probability_True"]


def test_other_data_than_were_trained_on_are_not_measured_as_its_own(runs):
    write(runs / "table.csv", 50)
    try:
        refused(["trained on other data"], evaluate.main, [str(runs / "values")], error=RunError)
    finally:
        write(runs / "table.csv")
    assert evaluate.main([str(runs / "values")]) == 0


@pytest.mark.parametrize("kind", ["labels", "values"])
def test_a_sweep_measures_its_kind_of_targets(folder, tmp_path, capsys, kind):
    out, score = tmp_path / "sweep", "r2" if kind == "values" else "accuracy"
    flags = [*flags_of(kind, folder / "table.csv"), "--grid", "l2 = [0.0, 0.1]", "--seeds", "2", "--test-all"]
    flags += ["--chunk", "1"]
    assert sweep.main([*flags, "--out", str(out)]) == 0
    rows = json_lines(out / "results.jsonl")
    assert all({f"{split}_{score}" for split in ("train", "validation", "test")} <= row.keys() for row in rows)
    assert all(f"validation_{score}" in line for line in json_lines(out / "curves.jsonl"))
    told, page = capsys.readouterr().out, (out / "sweep.html").read_text()
    assert f"test {'R2' if kind == 'values' else ''}" in told
    assert ("mean absolute error" in page) == (kind == "values")
    assert ("Wilson" in page) == (kind != "values")
    assert (out / "best/plots" / TARGETS[kind][2]).exists()
    assert sweep.main(["--out", str(out), "--resume"]) == 0


@pytest.mark.parametrize("kind", ["labels", "values"])
def test_gradients_are_checked_on_every_kind_of_targets(folder, capsys, kind):
    flags = [
        *flags_of(kind, folder / "table.csv"),
        "--epochs",
        "0",
        "--examples",
        "4",
        "--curve-weights",
        "5",
        "--json",
    ]
    assert gradcheck.main(flags) == 0
    assert strict_json(capsys.readouterr().out)["verdict"] == "ok"


def test_a_loss_that_does_not_learn_the_targets_is_refused_before_anything_is_written(folder, tmp_path):
    flags = flags_of("values", folder / "table.csv")
    flags[flags.index("squared_error")] = "softmax_cross_entropy"
    words = ["'price', 'weight'", "values", "network.loss learns classes", "squared_error"]
    refused(words, train.main, [*flags, "--out", str(tmp_path / "run"), "--quiet"])
    assert not (tmp_path / "run" / "config.toml").exists()


def test_a_perceptron_learns_classes_only(folder, tmp_path):
    data = ["--data.name", str(folder / "table.csv"), "--data.target", "price", "--data.normalise", "per_feature"]
    refused(["a perceptron learns classes", "values"], perceptron.main, [*data, "--out", str(tmp_path), "--quiet"])
