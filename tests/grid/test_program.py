"""The program of a batch of trials shares what trials of one seed have in common."""

import jax
import numpy as np
from helpers import HYPERS, SPEC

from jaxmlp.grid import program
from jaxmlp.spec import Hyper
from jaxmlp.training import loop
from jaxmlp.training.fitting import typed


def test_a_seed_group_shares_its_batches(splits):
    """In the traced program the batch is gathered once for a seed group: [B, D], not [P, B, D]."""
    keys = jax.random.split(jax.random.key(0), 1)
    hyper = jax.tree.map(lambda *leaves: np.stack(leaves)[None], *[typed(SPEC, h) for h in HYPERS])
    state = jax.tree.map(
        lambda leaf: np.broadcast_to(leaf, (1, 5, *leaf.shape)), loop.begin(SPEC, Hyper(), jax.random.key(0))
    )
    text = str(
        jax.make_jaxpr(lambda *a: program.advance_seed_groups(SPEC, 1, *a))(
            hyper, keys, splits, state, np.zeros(1, np.int32), np.int32(9)
        )
    )
    gathers = [line.split(":")[1].split("=")[0].strip() for line in text.splitlines() if "= gather[" in line]
    assert "f32[8,4]" in gathers
    assert not [shape for shape in gathers if shape.startswith("f32[5,")]
