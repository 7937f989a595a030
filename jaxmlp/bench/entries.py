"""What can be measured: the machine's limits, our own training, and the same training by other libraries."""

from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Literal, NamedTuple, get_args

from jaxmlp.bench.task import Contestant, Task
from jaxmlp.errors import unknown

Part = Literal["limits", "run", "grid"]
PARTS: tuple[Part, ...] = get_args(Part)


class Peer(NamedTuple):
    """Another library: the module that is imported, and what pip calls it."""

    module: str
    distribution: str


PEERS = {
    "numpy": Peer("numpy", "numpy"),
    "sklearn": Peer("sklearn", "scikit-learn"),
    "torch": Peer("torch", "torch"),
    "keras": Peer("keras", "keras"),
    "flax": Peer("flax", "flax"),
    "equinox": Peer("equinox", "equinox"),
    "skorch": Peer("skorch", "skorch"),
    "optuna": Peer("optuna", "optuna"),
}
CPU_ONLY = ("numpy", "sklearn")
NEEDS = {"skorch": ("torch",), "optuna": ("torch",)}  # other peers that one is built on


class Entry(NamedTuple):
    """A line of the table: what is run, and in how many processes."""

    name: str
    part: Part
    source: str  # module below jaxmlp.bench, function, and its argument where it takes one
    peer: str = ""  # "": our own
    a_process_a_core: bool = False  # as many as cores, each with one thread at a network of its own
    xla_flags: str = ""  # of its process, beside the user's

    def make(self, task: Task) -> Contestant:
        """Read the data and build the network, in the process of the entry."""
        module, function, *arguments = self.source.split(":")
        build = getattr(import_module(f"jaxmlp.bench.{module}"), function)
        return (build(*arguments) if arguments else build)(task)


LIMIT, FLOOR, RUN, GRID = "large product", "product floor", "jaxmlp, autodiff", "jaxmlp grid, autodiff"
ENTRIES = (
    Entry(LIMIT, "limits", "limits:large_product"),
    Entry(FLOOR, "limits", "limits:product_floor"),
    Entry(RUN, "run", "own:single:gradient=autodiff"),
    Entry("jaxmlp, delta rule", "run", "own:single:gradient=delta_rule"),
    Entry("jaxmlp, bfloat16", "run", "own:single:gradient=delta_rule:compute_dtype=bfloat16"),
    Entry("NumPy by hand", "run", "peers.by_numpy:by_hand", "numpy"),
    Entry("scikit-learn", "run", "peers.by_sklearn:classifier", "sklearn"),
    Entry("PyTorch, hand-tuned", "run", "peers.by_torch:by_hand", "torch"),
    Entry("PyTorch, eager", "run", "peers.by_torch:eager", "torch"),
    Entry("Keras on JAX", "run", "peers.by_keras:fit", "keras"),
    Entry("Flax NNX", "run", "peers.by_flax:loop", "flax"),
    Entry("Equinox", "run", "peers.by_equinox:loop", "equinox"),
    Entry("skorch", "run", "peers.by_skorch:classifier", "skorch"),
    Entry(GRID, "grid", "own:grid:gradient=autodiff"),
    Entry("jaxmlp grid, delta rule", "grid", "own:grid:gradient=delta_rule"),
    Entry("jaxmlp grid, bfloat16", "grid", "own:grid:gradient=delta_rule:compute_dtype=bfloat16"),
    Entry("NumPy, one a core", "grid", "peers.by_numpy:by_hand", "numpy", True),
    Entry("scikit-learn, one a core", "grid", "peers.by_sklearn:classifier", "sklearn", True),
    Entry("PyTorch, one a core", "grid", "peers.by_torch:eager", "torch", True),
    Entry("PyTorch, torch.func", "grid", "peers.by_torch:ensemble", "torch"),
)
DEFAULT_LIMIT, ROUNDED_LIMIT = "large product, default precision", "large product, bfloat16"
ON_ACCELERATORS = (  # beside those above, by `--preset accelerator`
    Entry(DEFAULT_LIMIT, "limits", "limits:large_product_at:default"),
    Entry(ROUNDED_LIMIT, "limits", "limits:large_product_at:bfloat16"),
    Entry("jaxmlp, default precision", "run", "own:single:gradient=delta_rule:matmul_precision=default"),
    Entry(
        "jaxmlp, no command buffers",
        "run",
        "own:single:gradient=autodiff",
        xla_flags="--xla_gpu_enable_command_buffer=",
    ),
    Entry("PyTorch, CUDA graphs", "run", "peers.by_torch:graphs", "torch"),
)


def entry_called(name: str) -> Entry:
    """The entry of this name."""
    return next(entry for entry in (*ENTRIES, *ON_ACCELERATORS) if entry.name == name)


def chosen(parts: Iterable[str], peers: Iterable[str], device: str = "cpu") -> tuple[Entry, ...]:
    """The entries of these parts, our own and those of these peers, in their order; on a gpu those that compute there.

    Raises UsageError for an unknown peer.
    """
    kept = {"", *named_peers(peers)}
    entries = [entry for entry in ENTRIES if entry.part in parts and entry.peer in kept]
    on_gpu = [entry for entry in entries if entry.peer not in CPU_ONLY and not entry.a_process_a_core]
    return tuple(on_gpu if device == "gpu" else entries)


def named_peers(words: Iterable[str]) -> tuple[str, ...]:
    """The peers of a list, `torch keras` or `torch,keras`; none for `none`. UsageError for one that is unknown."""
    names = [name for word in words for name in word.split(",") if name]
    if names == ["none"]:
        return ()
    for name in names:
        if name not in PEERS:
            raise unknown("--peers", name, [*PEERS, "none"])
    return tuple(dict.fromkeys(names))


def missing(peers: Iterable[str]) -> list[str]:
    """Those of the peers that are not installed, or lack one they are built on."""
    return [peer for peer in peers if not all(map(_installed, (*NEEDS.get(peer, ()), peer)))]


def how_to_install(peers: Sequence[str]) -> str:
    """The line that brings them."""
    needed = dict.fromkeys(name for peer in peers for name in (*NEEDS.get(peer, ()), peer) if not _installed(name))
    return f"pip install {' '.join(PEERS[name].distribution for name in needed)}"


def _installed(peer: str) -> bool:
    return find_spec(PEERS[peer].module) is not None
