"""A command line as the command it describes, over a config file, over the defaults."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, Generic, TypeVar, get_origin

from jaxmlp.cli import help as short_help
from jaxmlp.cli import slips
from jaxmlp.cli.flags import CHOICES, flags_of, is_section, texts_of, with_choices
from jaxmlp.errors import UsageError
from jaxmlp.fields import annotations, kind_of, value_of
from jaxmlp.run import config
from jaxmlp.run.config import AnyExperiment, Experiment
from jaxmlp.spec import Hyper
from jaxmlp.text import typed

Kind = TypeVar("Kind")  # of flags
AnyKind = TypeVar("AnyKind", bound=AnyExperiment)
KEYS = (  # of an experiment, in --help
    "data.name",
    "network.hidden",
    "network.activation",
    "network.dropout",
    "training.optimizer",
    "training.schedule",
    "training.batch-size",
    "training.max-epochs",
    "hyper.learning-rate",
    "hyper.l2",
    "hyper.patience",
    "seed",
)


@dataclass(frozen=True)
class Command(Generic[Kind]):
    """A command: its name, the class of its flags, the flags that --help shows, and its examples."""

    name: str
    kind: type[Kind]
    shown: tuple[str, ...]
    examples: tuple[str, ...]

    def parse(self, arguments: Sequence[str], default: Kind | None = None) -> Kind:
        """The command line over `default`. Prints help and exits at --help; raises UsageError for a slip."""
        known = flags_of(self.kind)
        if {"-h", "--help"} & set(arguments):
            print(short_help.page(self.name, (self.kind.__doc__ or "").strip(), known, self.shown, self.examples))
            raise SystemExit(0)
        everything = "--help-all" in arguments
        if not everything:
            slips.check(arguments, known)
        parsed = self._parsed(["--help"] if everything else arguments, default, quiet=not everything)
        for name, annotation in annotations(self.kind).items():
            if get_origin(annotation) is Annotated and kind_of(annotation) in (int, float):
                value_of("--" + name.replace("_", "-"), getattr(parsed, name), annotation)
        return parsed

    def _parsed(self, arguments: Sequence[str], default: Kind | None, *, quiet: bool) -> Kind:
        import tyro

        base: dict[str, Any] = {} if default is None else {"default": default}
        try:
            return tyro.cli(
                self.kind,
                args=list(arguments),
                prog=typed(self.name),
                console_outputs=not quiet,
                registry=None if quiet else registry(),
                **base,
            )
        except SystemExit as end:
            if end.code == 0:
                raise
            raise UsageError(f"{typed(self.name, *arguments)} cannot be read; --help shows how it is called") from None


def registry() -> Any:
    """How tyro shows the classes of flags, in --help-all and in completion: names out of a registry are choices."""
    from tyro import constructors

    rules = constructors.ConstructorRegistry()

    @rules.struct_rule
    def _(info: constructors.StructTypeInfo) -> constructors.StructConstructorSpec | None:
        if not is_section(info.type) or not (CHOICES.keys() | {*Hyper._fields}) & texts_of(info.type).keys():
            return None
        default = info.default if isinstance(info.default, info.type) else info.type()
        hints, texts = annotations(info.type), texts_of(info.type)
        return constructors.StructConstructorSpec(
            info.type,
            tuple(
                constructors.StructFieldSpec(name, with_choices(name, hint), getattr(default, name), texts[name])
                for name, hint in hints.items()
            ),
        )

    return rules


def given(arguments: Sequence[str]) -> frozenset[str]:
    """The full names of the config keys that a command line sets: `--hyper.learning-rate=0.2` is hyper.learning_rate."""
    flags = [argument[2:].split("=")[0].replace("-", "_") for argument in arguments if argument.startswith("--")]
    return frozenset(flag.replace(".no_", ".") for flag in flags)


def over(kind: type[Kind], experiment: AnyExperiment) -> Kind:
    """The defaults of a command, over those of its experiment."""
    return kind(**{field.name: getattr(experiment, field.name) for field in fields(experiment)})


def experiment(command: Any, kind: type[AnyKind]) -> AnyKind:
    """The experiment within a parsed command."""
    return kind(**{field.name: getattr(command, field.name) for field in fields(kind)})


def read(
    command: Command[Kind],
    arguments: Sequence[str],
    kind: type[AnyKind] = Experiment,
    base: Callable[[Kind], AnyKind | None] | None = None,
) -> tuple[Kind, AnyKind]:
    """The parsed command and its experiment: the command line, over the file that it names, over the defaults; checked.

    `base` gets the command before a file is read: it may refuse it, and returns the experiment that replaces the defaults
    where no file is named, or None.
    """
    parsed: Any = command.parse(arguments)
    keys = given(arguments)
    under = base(parsed) if base else None
    if parsed.config is not None:
        under, in_file = config.read(parsed.config, kind)
        keys |= in_file
    if under is not None:
        parsed = command.parse(arguments, over(command.kind, under))
    merged = experiment(parsed, kind)
    config.check(merged, keys)
    return parsed, merged


def check_saving(command: Any, what: str) -> None:
    """Raise UsageError where the flags --out --resume --overwrite contradict each other."""
    if command.resume and command.out is None:
        raise UsageError(f"--resume goes on with the {what} in --out DIR: say which")
    if command.resume and command.overwrite:
        raise UsageError(f"--resume goes on with a {what}, --overwrite replaces it: take one of them")
