"""What can be proven of accelerators without one: the programs lower for them, and an epoch moves nothing to the host."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import clouds
from jax import export

from jaxmlp import Examples, Hyper, Network, Spec, Splits, Training
from jaxmlp.grid import program
from jaxmlp.training import loop
from jaxmlp.training.fitting import PRNG, traced

PLATFORMS = ("cuda", "tpu")
SPECS = {
    "autodiff": Spec(Network((5, 4)), Training(batch_size=16), 4, 3),
    "delta rule": Spec(Network((5, 4)), Training(batch_size=16, gradient="delta_rule"), 4, 3),
    "dropout, adam, clipped": Spec(Network((5,), dropout=True), Training(optimizer="adam", clip=True), 4, 3),
    "default precision": Spec(Network((5,)), Training(matmul_precision="default"), 4, 3),
    "products in bfloat16": Spec(Network((5, 4)), Training(gradient="both", compute_dtype="bfloat16"), 4, 3),
    "an L1 penalty by soft thresholds": Spec(Network((5,)), Training(l1_step="proximal"), 4, 3),
}
every_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)


def arguments(spec, count=70):
    """Hyperparameters, key, splits and the first state, on the device."""
    splits = Splits(*(Examples(*map(jnp.asarray, clouds(count, seed=seed)[:2])) for seed in range(3)))
    hyper, key = traced(spec, Hyper()), jax.random.key(0, impl=PRNG)
    return hyper, key, splits, loop.begin(spec, hyper, key)


def shapes(tree):
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree)


def calls_out(exported):
    """The calls of a lowered program into code that is not its own: callbacks, and libraries of one platform."""
    return set(re.findall(r"custom_call @?(\S+?)\(", exported.mlir_module()))


@every_spec
@pytest.mark.usefixtures("standard_promotion")
def test_the_training_of_a_network_lowers_without_a_call_out_of_it(spec):
    exported = export.export(jax.jit(partial(loop.advance, spec)), platforms=PLATFORMS)(*arguments(spec))
    assert exported.platforms == PLATFORMS
    assert calls_out(exported) == set()


@every_spec
@pytest.mark.usefixtures("standard_promotion")
def test_the_training_of_a_grid_lowers_without_a_call_out_of_it(spec):
    _, _, splits, _ = arguments(spec)
    batch = shapes(program.batch_shapes(jax.devices()[0], spec, (2, 4)))

    def call(batch, splits, until):
        return program.advance_seed_groups(spec, 2, batch.hyper, batch.keys, splits, batch.state, batch.clocks, until)

    exported = export.export(jax.jit(call), platforms=PLATFORMS)(
        program.TrialBatch(*batch), shapes(splits), jax.ShapeDtypeStruct((), np.int32)
    )
    assert exported.platforms == PLATFORMS
    assert calls_out(exported) == set()


def test_a_call_into_a_library_would_be_seen():
    assert calls_out(export.export(jax.jit(jnp.linalg.cholesky), platforms=("cuda",))(jnp.eye(3)))


def test_an_epoch_moves_nothing_between_host_and_device():
    spec = SPECS["autodiff"]
    given = jax.device_put(arguments(spec))
    advance = jax.jit(partial(loop.advance, spec)).lower(*given).compile()
    with jax.transfer_guard("disallow"):
        state, _ = jax.block_until_ready(advance(*given))
        jax.block_until_ready(advance(*given[:3], state))
        with pytest.raises(Exception, match="Disallowed host-to-device transfer"):
            advance(jax.tree.map(np.asarray, given[0]), *given[1:])
