"""Typed slips: each costs one line that says what to write, and no run."""

import importlib
from typing import get_args, get_type_hints

import pytest

from jaxmlp.__main__ import COMMANDS
from jaxmlp.cli.flags import flags_of
from jaxmlp.cli.slips import SYNONYMS, check
from jaxmlp.errors import UsageError

POSITIONAL = {"predict": ["run", "a.png"]}


def command_of(name):
    return importlib.import_module(f"jaxmlp.{name}.command").COMMAND


def refusal(name, *arguments):
    with pytest.raises(UsageError) as refused:
        check(arguments, flags_of(command_of(name).kind))
    return str(refused.value)


@pytest.mark.parametrize(
    ("command", "arguments", "line"),
    [
        ("train", "--lr 0.1", "--lr is not known here: write --hyper.learning-rate 0.1"),
        ("train", "--lr=0.1", "--lr is not known here: write --hyper.learning-rate 0.1"),
        ("train", "--hyper.lr 0.1", "--hyper.lr is not known here: write --hyper.learning-rate 0.1"),
        ("perceptron", "--lr 0.1", "--lr is not known here: write --online.learning-rate 0.1"),
        ("train", "--epochs 5", "--epochs is not known here: write --training.max-epochs 5"),
        ("train", "--learning-rate 0.1", "--learning-rate is not known here: write --hyper.learning-rate 0.1"),
        ("train", "--learning_rate 0.1", "--learning-rate is not known here: write --hyper.learning-rate 0.1"),
        ("train", "--batch-size 64", "--batch-size is not known here: write --training.batch-size 64"),
        ("train", "--hidden 128,64", "--hidden is not known here: write --network.hidden 128 64"),
        ("train", "--layers [128,64]", "--layers is not known here: write --network.hidden 128 64"),
        ("train", "--dropout", "--dropout is not known here: write --network.dropout"),
        ("train", "--optimizer adam", "--optimizer is not known here: write --training.optimizer adam"),
        ("train", "--adam", "--adam is not known here: write --training.optimizer adam"),
        ("train", "--gpu", "--gpu is not known here: write --device gpu"),
        ("train", "--data mnist", "--data is not known here: write --data.name mnist"),
        ("train", "-o runs/a", "-o is not known here: write --out runs/a"),
        (
            "train",
            "--track mlflow --quiet --track wandb",
            "--track is given twice, and takes all of its values together: write --track mlflow wandb",
        ),
        ("train", "-v", "-v is not known here; --help-all lists all flags"),
        ("sweep", "--sedes 3", "--sedes is not known here; did you mean --seeds or --seed? --help-all lists all flags"),
        (
            "train",
            "--network.hidden 128,64",
            "--network.hidden is '128,64': write its values apart, --network.hidden 128 64",
        ),
        (
            "train",
            "--network.dropout True",
            "--network.dropout takes no value, but 'True' follows: write --network.dropout for yes, --network.no-dropout"
            " for no",
        ),
        (
            "train",
            "--no-resume=0",
            "--no-resume takes no value, but '0' follows: write --resume for yes, --no-resume for no",
        ),
        ("train", "--network.no-hidden", "--network.no-hidden is not known here: write --network.hidden"),
        ("train", "--seed", "--seed is followed by nothing; accepted is a whole number"),
        ("train", "--out --resume", "--out is followed by nothing; accepted is a value"),
        ("train", "--network.hidden 8 wide", "--network.hidden is 'wide'; accepted is a whole number"),
        ("train", "--device cuda", "--device 'cuda' is unknown; known: auto, cpu, gpu, tpu"),
        ("sweep", "--mode serial", "--mode 'serial' is unknown; did you mean sequential? (known: packed, sequential)"),
        ("train", "a.toml b", "'b' is one argument too many: accepted is CONFIG.toml, and flags; see --help"),
        ("train", "a.toml --quiet b", "'b' is one argument too many: accepted is CONFIG.toml, and flags; see --help"),
        ("report", "mnist", "'mnist' is one argument too many: accepted is no argument, and flags; see --help"),
        ("predict", "", "RUN is missing: A run directory, or its model.safetensors."),
        ("sweep", "--seeds 1.5", "--seeds is '1.5'; accepted is a whole number"),
        ("sweep", "--chunk=it's", """--chunk is "it's"; accepted is a whole number"""),
    ],
)
def test_a_slip_meets_the_line_that_helps(command, arguments, line):
    assert refusal(command, *arguments.split()) == line


def test_an_empty_value_is_no_number():
    assert refusal("sweep", "--resident", "") == "--resident is ''; accepted is a whole number"


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "a.toml",
        "--seed 1 a.toml",
        "a.toml --network.hidden 8 4 --quiet",
        "--network.hidden",
        "--network.hidden=8",
        "--network.hidden 8 4 --network.hidden 6",
        "--network.no-dropout --no-quiet",
        "--hyper.min_delta -1e-3",
        "--hyper.min-delta=-inf",
        "--quiet a.toml",
    ],
)
def test_what_is_right_passes(arguments):
    check(arguments.split(), flags_of(command_of("train").kind))


def number_flags():
    """Each flag of a command's own that takes one number, and two of those in sections."""
    own = [
        (name, f"--{field.replace('_', '-')}", number)
        for name in COMMANDS
        for field, hint in get_type_hints(command_of(name).kind).items()
        for number in (int, float)
        if hint is number or number in get_args(hint)
    ]
    return [*own, ("train", "--hyper.learning-rate", float), ("perceptron", "--online.max-steps", int)]


@pytest.mark.parametrize(("command", "flag", "kind"), number_flags())
def test_what_is_no_number_is_told_in_one_line(tmp_path, monkeypatch, command, flag, kind):
    monkeypatch.chdir(tmp_path)
    wanted = "a whole number" if kind is int else "a number"
    with pytest.raises(UsageError) as refused:
        importlib.import_module(f"jaxmlp.{command}.command").main([*POSITIONAL.get(command, []), flag, "x"])
    assert str(refused.value) == f"{flag} is 'x'; accepted is {wanted}"


@pytest.mark.parametrize("word", SYNONYMS)
def test_each_synonym_leads_to_a_flag(word):
    """Of some command; and it is no flag of its own, which it would hide."""
    leaves = {name: {flag.leaf for flag in flags_of(command_of(name).kind).values()} for name in COMMANDS}
    assert any(SYNONYMS[word] in found for found in leaves.values())
    assert all(word not in found or name == "gradcheck" for name, found in leaves.items())
