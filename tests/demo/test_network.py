"""The network of the page, in a real browser, beside `Model`: logits, outputs and gradients, over the registries."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import LEARNT, cases

import jaxmlp
from jaxmlp.data import normalising
from jaxmlp.data.preparing import Preparation
from jaxmlp.demo.page import description
from jaxmlp.nn.activations import ACTIVATIONS
from jaxmlp.nn.losses import CLASSES, LOSSES
from jaxmlp.spec import Hyper, Network, Spec, Training
from jaxmlp.training.model import Model

pytestmark = pytest.mark.whole_programs

SHAPE, D, K = (4, 4), 16, 4
RUN = """
async ([description, rows, k, step]) => {
  const network = new jaxmlp.Network(description);
  const tapes = rows.map(v => network.forward(v));
  const checked = await network.check(rows[0], k, new Float64Array(rows[0].length).fill(step));
  return {
    logits: tapes.map(({ logits }) => logits), values: tapes.map(({ values }) => values),
    gradient: Array.from(checked.hand), worst: checked.worst / checked.scale, kinks: checked.kinks,
  };
}
"""


@pytest.fixture(scope="module")
def page(opened):
    return opened(model())


def images(count=5):
    return np.random.default_rng(3).integers(0, 256, (count, *SHAPE)).astype(np.uint8)


def model(normalise="per_image", loss="softmax_cross_entropy", kind=CLASSES, outputs=K, dtype="float32", **network):
    """Weights are drawn wide, so that pre-activations fall on all parts of an activation."""
    spec = Spec(Network((7, 5), loss=loss, init="he_normal", **network), Training(dtype=dtype), D, outputs)
    mean, std = normalising.statistics(images(20), normalise, images=True)
    names = tuple(range(max(outputs, 2) if kind == CLASSES else outputs))
    with jax.enable_x64(dtype == "float64"):
        params = jaxmlp.init(spec, Hyper(), jax.random.key(1))
        params = tuple(layer._replace(b=layer.b + jnp.asarray(0.1, layer.b.dtype)) for layer in params)
    return Model(spec, params, Preparation(normalise, mean, std, names, SHAPE, kind))


def answers(page, trained, k=1, step=0.02):
    return page.evaluate(RUN, [description(trained), images().reshape(-1, D).astype(float).tolist(), k, step])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_has_the_logits_of_the_model_and_a_gradient_that_differences_confirm(page, activation):
    trained = model(activation=activation)
    said = answers(page, trained)
    np.testing.assert_allclose(said["logits"], trained.logits(images()), atol=1e-4)
    assert said["worst"] < 1e-7
    assert said["kinks"] == 0


@pytest.mark.parametrize("normalise", normalising.NORMALISATIONS)
def test_every_normalisation_has_the_logits_of_the_model_and_a_gradient_that_differences_confirm(page, normalise):
    trained = model(normalise, activation="softplus")
    said = answers(page, trained)
    np.testing.assert_allclose(said["logits"], trained.logits(images()), rtol=1e-6, atol=1e-4)
    assert said["worst"] < 1e-7


@pytest.mark.parametrize(("loss", "kind", "outputs"), cases(LEARNT))
def test_every_loss_has_the_outputs_of_the_model(page, loss, kind, outputs):
    read = {"output_activation": "tanh"} if LOSSES[loss].reads_output_activation else {}
    trained = model("unit", loss, kind, outputs, activation="tanh", **read)
    said = answers(page, trained)
    expected = trained.predict_proba(images()) if outputs == 1 else trained.outputs(images())
    np.testing.assert_allclose(said["values"], expected, rtol=1e-4, atol=1e-5)
    assert said["worst"] < 1e-7


def test_gradient_is_that_of_automatic_differentiation(page, float64):
    trained = model(dtype="float64", activation="gelu")
    said = answers(page, trained)

    def answer(v):
        x = (v - v.mean()) / v.std()
        return jax.nn.log_softmax(jaxmlp.forward(trained.spec, trained.params, x[None]))[0, 1]

    v = jnp.asarray(images()[0].ravel(), jnp.float64)
    np.testing.assert_allclose(said["gradient"], jax.jit(jax.grad(answer))(v), rtol=1e-6, atol=1e-10)


def test_constant_image_has_no_gradient_through_its_own_deviation(page):
    said = page.evaluate(
        "d => { const n = new jaxmlp.Network(d); return Array.from(n.gradient(n.forward(Array(16).fill(7)), 0)) }",
        description(model()),
    )
    assert said == [0] * D


def test_input_at_which_a_unit_crosses_its_kink_is_left_out(page):
    """A step of 100 grey levels makes some unit of relu cross 0."""
    assert answers(page, model(), step=100)["kinks"] > 0


def test_gradient_of_a_certain_answer_keeps_its_digits(page):
    """Where p is 1 to the last digit of float64, ln p and its gradient are still exact."""
    trained = model(activation="tanh")
    last = trained.params[-1]
    trained = Model(trained.spec, (*trained.params[:-1], last._replace(w=300 * last.w)), trained.preparation)
    k = int(np.argmax(trained.logits(images()[:1])))
    said = answers(page, trained, k, step=1e-4)
    assert said["values"][0][k] == 1
    assert 0 < max(map(abs, said["gradient"])) < 1e-9
    assert said["worst"] < 1e-6
