"""Which entries are measured, and what is said of peers that are not installed."""

from importlib import import_module

import pytest
from helpers import refused

from jaxmlp.bench import entries
from jaxmlp.bench.entries import (
    ENTRIES,
    ON_ACCELERATORS,
    PEERS,
    chosen,
    entry_called,
    how_to_install,
    missing,
    named_peers,
)


def test_names_are_unique_and_every_peer_has_an_entry():
    names = [entry.name for entry in (*ENTRIES, *ON_ACCELERATORS)]
    assert len(set(names)) == len(names)
    assert {entry.peer for entry in ENTRIES} <= {"", *PEERS}


@pytest.mark.parametrize(
    "entry", [entry for entry in (*ENTRIES, *ON_ACCELERATORS) if entry.peer in ("", "numpy", "sklearn")]
)
def test_the_function_of_an_entry_is_there(entry):
    module, function, *_ = entry.source.split(":")
    assert callable(getattr(import_module(f"jaxmlp.bench.{module}"), function))


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["numpy", "torch"], ("numpy", "torch")),
        (["numpy,torch"], ("numpy", "torch")),
        (["torch,", "torch"], ("torch",)),
        (["none"], ()),
        ([], ()),
    ],
)
def test_peers_are_named_apart_or_with_commas(words, names):
    assert named_peers(words) == names


@pytest.mark.parametrize(
    ("word", "said"),
    [("tensorflow", ["--peers 'tensorflow' is unknown; known: numpy, sklearn"]), ("kers", ["did you mean keras?"])],
)
def test_an_unknown_peer_meets_the_known_ones(word, said):
    refused(said, named_peers, [word])


def test_only_the_parts_and_peers_that_are_asked_for_are_measured():
    names = [entry.name for entry in chosen(["limits", "run"], ["torch"])]
    assert names[:2] == ["large product", "product floor"]
    assert names[2:] == [
        "jaxmlp, autodiff",
        "jaxmlp, delta rule",
        "jaxmlp, bfloat16",
        "PyTorch, hand-tuned",
        "PyTorch, eager",
    ]


def test_on_a_gpu_what_computes_on_cpus_only_is_left_out():
    names = [entry.name for entry in chosen(["run", "grid"], ["numpy", "sklearn", "torch"], "gpu")]
    assert names == [
        *("jaxmlp, autodiff", "jaxmlp, delta rule", "jaxmlp, bfloat16", "PyTorch, hand-tuned", "PyTorch, eager"),
        *("jaxmlp grid, autodiff", "jaxmlp grid, delta rule", "jaxmlp grid, bfloat16", "PyTorch, torch.func"),
    ]


def test_what_brings_a_missing_peer_brings_what_it_is_built_on(monkeypatch):
    monkeypatch.setattr(entries, "find_spec", lambda module: module in ("numpy", "sklearn", "skorch") or None)
    assert missing(["numpy", "skorch", "flax"]) == ["skorch", "flax"]
    assert how_to_install(["skorch", "flax"]) == "pip install torch flax"


def test_an_entry_is_found_by_its_name():
    assert entry_called("NumPy, one a core").a_process_a_core
