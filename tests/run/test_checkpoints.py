"""Checkpoints come back bit for bit, or are named as damaged; there is nothing between."""

import errno
import hashlib
import os
import subprocess
import sys
import time
from typing import NamedTuple

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import failing, files, flipped, refused
from hypothesis import given, settings

from jaxmlp.errors import RunError
from jaxmlp.run.checkpoints import restore, save

DTYPES = [np.bool_, np.int32, np.uint32, np.float32, np.float64]


class Layer(NamedTuple):
    w: object
    b: object


class Stopping(NamedTuple):
    best: object
    stale: object
    diverged: object


class State(NamedTuple):
    params: object
    stopping: object
    epoch: object


def state(epoch=3, hidden=5):
    rng = np.random.default_rng(epoch)
    layers = [Layer(rng.normal(size=(i, o)).astype("f4"), np.zeros(o, "f4")) for i, o in ((4, hidden), (hidden, 3))]
    return State(tuple(layers), Stopping(np.float32(np.inf), np.int32(2), np.bool_(True)), jnp.int32(epoch))


def assert_same_bits(found, wanted):
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        b = np.asarray(b)
        assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


def names(directory):
    return sorted(files(directory))


def epochs(directory):
    return [int(name[6:12]) for name in names(directory)]


bits = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(np.dtype(dtype), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)
trees = st.recursive(
    bits,
    lambda inner: st.one_of(
        st.tuples(inner, inner),
        st.builds(Layer, inner, st.one_of(st.none(), inner)),
        st.dictionaries(st.sampled_from(["a", "b", "a/b", "", "#", "__metadata__", "ö"]), inner, max_size=3),
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(tree=trees, metadata=st.dictionaries(st.sampled_from("abc"), st.text(st.characters(codec="utf-8"), max_size=9)))
def test_any_tree_comes_back_bit_for_bit(tmp_path_factory, tree, metadata):
    directory = tmp_path_factory.mktemp("checkpoints")
    path = save(directory, 7, tree, metadata)
    found = restore(directory, tree)
    assert_same_bits(found.tree, tree)
    assert (found.epoch, found.metadata, found.path, found.skipped) == (7, metadata, path, ())


def test_signalling_bits_survive(tmp_path):
    payloads = np.array([0x7FC00001, 0xFF800001, 0x80000000, 0x00000001], "u4").view("f4")
    double = np.array(0x7FF0000000000123, "u8").view("f8")
    tree = (payloads, double, payloads[::2], np.arange(6.0).reshape(2, 3).T, np.arange(3, dtype=">i4"))
    save(tmp_path, 0, tree, {})
    found = restore(tmp_path, tree).tree
    assert_same_bits(found[:4], tree[:4])
    assert found[4].tolist() == [0, 1, 2]


def test_the_state_of_optimizers_comes_back(tmp_path):
    optimizer = optax.chain(optax.scale_by_adam(), optax.scale_by_learning_rate(0.1), optax.ema(0.9, debias=False))
    tree = optimizer.init(jax.tree.map(jnp.asarray, state().params))
    save(tmp_path, 1, tree, {})
    like = jax.eval_shape(lambda: tree)
    assert_same_bits(restore(tmp_path, like).tree, tree)


def test_the_file_can_be_checked_and_read_by_others(tmp_path):
    path = save(tmp_path, 12, state(), {"run": "x"})
    assert path.name == f"epoch-000012.{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}.safetensors"
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        assert set(file.keys()) == {
            *(f"params/{i}/{name}" for i in (0, 1) for name in "wb"),
            *("stopping/best", "stopping/stale", "stopping/diverged", "epoch"),
        }
        assert file.metadata() == {"run": "x", "epoch": "12"}
    with pytest.raises(ValueError, match="'epoch' is taken"):
        save(tmp_path, 12, state(), {"epoch": "1"})


def test_the_same_content_gives_the_same_file(tmp_path):
    metadata = dict(zip("abcdefgh", "12345678", strict=True))
    assert len({save(tmp_path / str(i), 5, state(), metadata).name for i in range(8)}) == 1


def test_without_checkpoints_there_is_none(tmp_path):
    assert restore(tmp_path / "missing", state()) is None
    (tmp_path / "notes.txt").touch()
    assert restore(tmp_path, state()) is None


def test_the_last_two_are_kept(tmp_path):
    for epoch in (1, 2, 9, 10, 1_000_000):
        save(tmp_path, epoch, state(epoch), {})
    assert names(tmp_path)[0].startswith("epoch-000010.")
    assert names(tmp_path)[1].startswith("epoch-1000000.")
    assert len(names(tmp_path)) == 2
    assert restore(tmp_path, state()).epoch == 1_000_000


def test_saving_an_epoch_again_replaces_it(tmp_path):
    for run, epoch in (("a", 1), ("a", 2), ("b", 2)):
        save(tmp_path, epoch, state(), {"run": run})
    assert epochs(tmp_path) == [1, 2]
    assert restore(tmp_path, state()).metadata == {"run": "b"}


def test_a_damaged_file_is_not_one_of_the_two(tmp_path):
    for epoch in (1, 2):
        path = save(tmp_path, epoch, state(epoch), {})
    path.write_bytes(b"")
    assert restore(tmp_path, state()).epoch == 1
    save(tmp_path, 3, state(3), {})
    assert epochs(tmp_path) == [1, 3]


def test_a_resumed_run_drops_the_damaged_epochs_ahead_of_it(tmp_path):
    for epoch in (5, 9):
        path = save(tmp_path, epoch, state(epoch), {})
    path.write_bytes(b"x")
    save(tmp_path, 6, state(6), {})
    assert epochs(tmp_path) == [5, 6]


def test_every_flipped_byte_is_found_and_the_older_one_used(tmp_path):
    older, newer = state(1), state(2)
    save(tmp_path, 1, older, {"a": "b"})
    path = save(tmp_path, 2, newer, {"a": "b"})
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for place, change in zip(rng.integers(len(whole), size=500), rng.integers(1, 256, size=500), strict=True):
        path.write_bytes(flipped(whole, place, change))
        found = restore(tmp_path, newer)
        assert found.epoch == 1
        (line,) = found.skipped
        assert str(path) in line
        assert "SHA-256" in line
        assert "\n" not in line
    assert_same_bits(found.tree, older)
    path.write_bytes(whole)
    assert restore(tmp_path, newer).epoch == 2


@pytest.mark.parametrize("size", [0, 1, 8, 100, -1])
def test_a_truncated_file_is_found(tmp_path, size):
    save(tmp_path, 1, state(1), {})
    path = save(tmp_path, 2, state(2), {})
    path.write_bytes(path.read_bytes()[:size])
    found = restore(tmp_path, state())
    assert (found.epoch, len(found.skipped)) == (1, 1)
    assert ("is empty" in found.skipped[0]) == (size == 0)


def test_a_name_that_lies_is_found(tmp_path):
    save(tmp_path, 1, state(1), {})
    path = save(tmp_path, 2, state(2), {})
    path.rename(path.with_name(path.name.replace("000002", "000009")))
    (tmp_path / "epoch-000003.safetensors").touch()
    junk = b"neither tensors nor a header"
    (tmp_path / f"epoch-000004.{hashlib.sha256(junk).hexdigest()[:16]}.safetensors").write_bytes(junk)
    found = restore(tmp_path, state())
    assert found.epoch == 1
    for line, damage in zip(found.skipped, ("its name is not", "another epoch", "header"), strict=True):
        assert damage in line


def test_an_unreadable_file_is_passed_over(tmp_path, monkeypatch):
    save(tmp_path, 1, state(1), {})
    path = save(tmp_path, 2, state(2), {})

    def refuse(read):
        if read == path:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read.read_bytes()

    monkeypatch.setattr("jaxmlp.run.checkpoints.read_bytes", refuse)
    found = restore(tmp_path, state())
    assert found.epoch == 1
    assert "cannot be read (Input/output error)" in found.skipped[0]


def test_nothing_but_damage_is_an_error(tmp_path):
    for epoch in (1, 2):
        save(tmp_path, epoch, state(epoch), {})
    for path in tmp_path.iterdir():
        path.write_bytes(b"x" + path.read_bytes()[1:])
    refused(["no checkpoint can be used", *names(tmp_path)], restore, tmp_path, state(), error=RunError)


def test_a_folder_that_cannot_be_listed_is_no_fresh_start(tmp_path):
    (tmp_path / "checkpoints").touch()
    with pytest.raises(RunError, match="cannot read the checkpoints in"):
        restore(tmp_path / "checkpoints", state())


def test_what_a_killed_process_left_is_ignored(tmp_path):
    save(tmp_path, 1, state(1), {})
    leftover = tmp_path / ".epoch-000002.0123456789abcdef.safetensors.4321.tmp"
    leftover.write_bytes(b"half a checkpoint")
    assert restore(tmp_path, state()).skipped == ()


WRITER = """
import sys, pathlib, itertools, numpy
from jaxmlp.run.checkpoints import save
for epoch in itertools.count(1):
    save(pathlib.Path(sys.argv[1]), epoch, numpy.full(100_000, epoch), {})
"""


def test_a_process_killed_while_it_saves_leaves_whole_checkpoints(tmp_path):
    for wait in (0.0, 0.013, 0.031):
        directory = tmp_path / str(wait)
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(directory)])
        while process.poll() is None and not list(directory.glob("epoch-*")):
            time.sleep(0.002)
        time.sleep(wait)
        process.kill()
        process.wait()
        found = restore(directory, np.zeros(100_000, int))
        assert found.skipped == ()
        assert found.epoch >= 1
        assert (found.tree == found.epoch).all()


@pytest.mark.parametrize(
    ("like", "line"),
    [
        (state(hidden=6), r"params/0/w is float32\[4, 5\], where float32\[4, 6\] is wanted"),
        (state()._replace(epoch=np.float32(0)), r"epoch is int32\[\], where float32\[\] is wanted"),
        (state()._replace(params=(*state().params, Layer(np.zeros(1), None))), r"no tensor params/2/w"),
        (state()._replace(stopping=None), r"a tensor stopping/best that is not wanted"),
    ],
    ids=["shape", "dtype", "missing", "extra"],
)
def test_another_structure_is_an_error(tmp_path, like, line):
    save(tmp_path, 1, state(), {})
    with pytest.raises(RunError, match=line):
        restore(tmp_path, like)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_refuses_leaves_the_former_ones(tmp_path, monkeypatch, error):
    for epoch in (1, 2):
        save(tmp_path, epoch, state(epoch), {})
    before = names(tmp_path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(error))
        with pytest.raises(RunError, match=os.strerror(error)):
            save(tmp_path, 3, state(3), {})
    assert names(tmp_path) == before
    assert_same_bits(restore(tmp_path, state()).tree, state(2))
