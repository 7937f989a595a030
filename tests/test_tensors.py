"""Sealed tensor files come back bit for bit, or are named as damaged."""

import numpy as np
import pytest
from helpers import flipped, refused

from jaxmlp import tensors
from jaxmlp.errors import RunError

TENSORS = {"layers/0/w": np.arange(12, dtype="f4").reshape(3, 4), "sha256": np.zeros(()), "on": np.array(True)}


def test_a_tensor_file_comes_back(tmp_path):
    path = tmp_path / "tensors.safetensors"
    metadata = {"classes": '["0", "\\"sha256\\":\\"' + "0" * 64 + '"]', "a": "ü"}
    tensors.save(path, TENSORS, metadata)
    loaded, found = tensors.load(path)
    assert found == metadata
    assert loaded.keys() == TENSORS.keys()
    for name, array in loaded.items():
        wanted = TENSORS[name]
        assert (array.dtype, array.shape, array.tobytes()) == (wanted.dtype, wanted.shape, wanted.tobytes())
    with pytest.raises(ValueError, match="'sha256' is taken"):
        tensors.save(path, TENSORS, {"sha256": ""})


def test_every_flipped_byte_of_a_tensor_file_is_found(tmp_path):
    path = tmp_path / "tensors.safetensors"
    tensors.save(path, TENSORS, {"a": "b"})
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    flips = [(place, 0x20) for place in range(len(whole))]  # 0x20 turns a into A
    flips += zip(rng.integers(len(whole), size=500).tolist(), rng.integers(1, 256, size=500).tolist(), strict=True)
    damaged = [flipped(whole, position, change) for position, change in flips]
    damaged += [whole[:size] for size in range(0, len(whole), 7)] + [whole + b"\0"]
    for blob in damaged:
        path.write_bytes(blob)
        refused(["tensors.safetensors is damaged: "], tensors.load, path, error=RunError)


def test_a_missing_tensor_file_is_named(tmp_path):
    with pytest.raises(RunError, match=r"cannot read .*tensors.safetensors: No such file or directory"):
        tensors.load(tmp_path / "tensors.safetensors")


def test_a_tensor_file_without_a_seal_is_refused(tmp_path):
    from safetensors.numpy import save_file

    save_file({"w": np.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(RunError, match="carries no SHA-256"):
        tensors.load(tmp_path / "other.safetensors")
