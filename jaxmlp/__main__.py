"""`jaxmlp COMMAND ...`, also `python -m jaxmlp`: all commands under one name, and their completion in a shell."""

from importlib import import_module

import jaxmlp
from jaxmlp.cli import main as cli

COMMANDS = {
    "train": "train a network; writes a run directory with its weights, metrics and pictures",
    "predict": "predict with a trained network: rows of tables, or images",
    "evaluate": "measure a trained network: accuracy, F1, ROC AUC, R2 and more",
    "export": "write a trained network for ONNX, StableHLO, NumPy or PyTorch",
    "demo": "make one web page of a trained network: draw for it, or move its columns",
    "runs": "list runs, show one, or test whether several differ",
    "sweep": "train a grid of hyperparameters and seeds as one program",
    "gradcheck": "check gradients three ways: derived by hand, automatic, numerical",
    "perceptron": "train one layer example by example, by the delta rule",
    "bench": "measure how fast the trainer is, beside other libraries and the machine's limit",
    "report": "reproduce the two documents of the project, their numbers beside ours",
}
SHELLS = ("bash", "zsh")
USAGE = """usage: {prog} COMMAND [ARGUMENT ...]

Trains multi-layer perceptrons with JAX.

{commands}

  {prog} COMMAND --help     one screen about a command, with examples
  {prog} --version          the version
  {prog} completion SHELL   what completes commands, flags and choices, in bash or zsh:
      jaxmlp completion bash >> ~/.bashrc
      jaxmlp completion zsh > "${{fpath[1]}}/_jaxmlp"
"""


def main(arguments: list[str]) -> int:
    """Run a command, or list them all. Raises UsageError for one that is unknown."""
    from jaxmlp.errors import unknown
    from jaxmlp.text import typed

    first, *others = arguments or ["--help"]
    if first in COMMANDS:
        return import_module(f"jaxmlp.{first}.command").main(others)
    if first in ("-h", "--help"):
        listed = "\n".join(f"  {name:12}{purpose}" for name, purpose in COMMANDS.items())
        print(USAGE.format(prog=typed(), commands=listed), end="")
    elif first == "--version":
        print(f"jaxmlp {jaxmlp.__version__}")
    elif first == "completion":
        print(_completion(others))
    else:
        raise unknown("command", first, [*COMMANDS, "completion"])
    return 0


def _completion(arguments: list[str]) -> str:
    from jaxmlp.errors import UsageError
    from jaxmlp.text import typed

    if len(arguments) != 1 or arguments[0] not in SHELLS:
        raise UsageError(f"completion is for one shell: {typed()} completion {'|'.join(SHELLS)}")
    from jaxmlp.cli import completion

    commands = [import_module(f"jaxmlp.{name}.command").COMMAND for name in COMMANDS]
    return completion.script(arguments[0], commands)


def start() -> None:
    """Run the command line of the process: the console script `jaxmlp`."""
    cli.run("jaxmlp.__main__")


if __name__ == "__main__":
    start()
