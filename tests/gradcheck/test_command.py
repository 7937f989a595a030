"""The gradcheck command: what it prints, its JSON, its exit codes, and that a wrong derivative is found."""

import json

import jax
import pytest

from jaxmlp.errors import UsageError
from jaxmlp.gradcheck import checks, command, numerical
from jaxmlp.nn.activations import ACTIVATIONS
from jaxmlp.nn.losses import LOSSES

SMALL = ["--data.name", "digits", "--network.hidden", "6", "--epochs", "0", "--curve-weights", "20"]
SMALL += ["--training.no-shuffle"]  # compiles sooner
DEEP = "--network.hidden 12 11 --network.activation gelu --network.dropout --hyper.l1 0.01 --hyper.l2 0.01 --examples 3"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(numerical, "BLOCK", 256)
    monkeypatch.setattr(checks, "CURVE_EPS", checks.CURVE_EPS[::2])
    with jax.numpy_dtype_promotion("standard"):
        yield


def checked(capsys, *arguments):
    code = command.main([*SMALL, "--json", *arguments])
    captured = capsys.readouterr()
    assert captured.err == ""
    return code, json.loads(captured.out, parse_constant=pytest.fail)


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "--data.normalise none --eps 0.01",
        DEEP,
        "--network.activation elu --network.loss squared_error --network.output-activation leaky_relu",
        "--network.init zeros",
    ],
)
def test_agrees(capsys, arguments):
    code, found = checked(capsys, *arguments.split())
    assert (code, found["verdict"], found["failures"]) == (0, "ok", [])
    assert found["every_weight"]["wrong"] == 0
    assert len(found["rows"]) == (3 if "--examples" in arguments else 1)


def test_softmax_regression_from_a_file(capsys, tmp_path):
    config = tmp_path / "softmax.toml"
    config.write_text('[network]\nhidden = []\nactivation = "tanh"\n[data]\nname = "mnist5k"\n')
    assert command.main([str(config), "--json", "--data.name", "digits", "--epochs", "1"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found["sizes"] == [64, 10]
    assert found["experiment"]["network"]["activation"] == "tanh"
    assert [row["name"] for row in found["table"][:3]] == ["output bias", "input to output i", "input to output ii"]
    assert {"autodiff", "delta_rule"} == found["epochs"].keys()
    assert found["epoch_ratio"] > 0
    assert found["curves"]["float64"]["slope"] == pytest.approx(2, abs=0.05)
    assert found["every_weight"]["largest_difference"] < 1e-9


def test_quiet_prints_nothing_where_all_agree(capsys):
    assert command.main([*SMALL, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("width", [80, 120])
def test_printed_within_the_width(capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    assert command.main([*SMALL, *DEEP.split(), "--epochs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "…" not in printed
    assert "hidden 1 to hidden 2 w2[" in " ".join(printed.split())  # on one line
    assert max(len(line) for line in printed.splitlines()) <= width
    assert "ok  the three routes agree" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tolerence", "1"], "did you mean --tolerance"),
        (["--eps", "0"], "--eps is 0.0; accepted is a finite number above 0"),
        (["--examples", "0"], "--examples is 0; accepted is a whole number of at least 1"),
        (["--network.activation", "tan"], "did you mean tanh"),
        (["--hyper.beta1", "0.5"], "hyper.beta1 is set, but not read"),
        (["nowhere.toml"], "nowhere.toml does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage(arguments, message):
    with pytest.raises(UsageError, match=message) as caught:
        command.main(arguments)
    assert caught.value.exit_code == 2


# --- last, as they leave no program to the tests after them


@pytest.fixture
def fresh_programs():
    """For a test that changes a derivative: no compiled program is shared with others."""
    jax.clear_caches()
    yield
    jax.clear_caches()


@pytest.mark.usefixtures("fresh_programs")
def test_a_wrong_derivative_fails_and_names_its_layer(capsys, monkeypatch):
    tanh = ACTIVATIONS["tanh"]
    monkeypatch.setitem(ACTIVATIONS, "tanh", tanh._replace(derivative=lambda z, a: 1 - a))
    code, found = checked(capsys, "--network.activation", "tanh")
    assert (code, found["verdict"]) == (1, "failed")
    assert all(line.startswith("layer 1, ") for line in found["failures"])
    assert len(found["failures"]) == 4  # weights and biases, against both
    assert found["every_weight"]["wrong"] > 0


@pytest.mark.usefixtures("fresh_programs")
def test_a_flipped_sign_fails_at_a_kinked_activation_too(capsys, monkeypatch):
    loss = LOSSES["softmax_cross_entropy"]
    flipped = loss._replace(delta=lambda *given: -loss.delta(*given))
    monkeypatch.setitem(LOSSES, "softmax_cross_entropy", flipped)
    assert command.main(SMALL) == 1
    printed = capsys.readouterr().out
    assert "failed layer 2, biases: hand-derived and automatic differ by 2.0e+00" in " ".join(printed.split())
    assert "ok  the three" not in printed
    assert command.main([*SMALL, "--quiet"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert all(line.startswith("error: layer ") for line in err.splitlines())
    assert len(err.splitlines()) > 1
