"""A small network that reads digits, trained once; and one page of Debian's Chromium, which all tests share."""

import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.data.config import Data
from jaxmlp.data.preparing import prepare
from jaxmlp.data.sources import load_data
from jaxmlp.demo import page as demo_page
from jaxmlp.nn.network import Layer
from jaxmlp.spec import Network, Spec, Training
from jaxmlp.training.model import Model


@pytest.fixture(scope="package")
def dataset():
    return load_data(Data("mnist5k"))


@pytest.fixture(scope="package")
def digits(dataset):
    """A network 784-32-10 that reads nine of ten digits; trained in NumPy, which has nothing to compile."""
    splits, preparation = prepare(dataset, Data("mnist5k"))
    rng, x, targets = np.random.default_rng(0), np.asarray(splits.train.x), np.eye(10)[np.asarray(splits.train.targets)]
    weights = [rng.normal(0, 0.05, (784, 32)), np.zeros(32), rng.normal(0, 0.2, (32, 10)), np.zeros(10)]
    steps = [np.zeros_like(w) for w in weights]
    for batch in rng.permutation(np.tile(np.arange(len(x)), 8)).reshape(-1, 100):
        w, b, v, c = weights
        a = np.maximum(x[batch] @ w + b, 0)
        p = np.exp(a @ v + c)
        delta = (p / p.sum(1, keepdims=True) - targets[batch]) / len(batch)
        back = (delta @ v.T) * (a > 0)
        grads = (x[batch].T @ back, back.sum(0), a.T @ delta, delta.sum(0))
        steps = [0.9 * step - 0.1 * grad for step, grad in zip(steps, grads, strict=True)]
        weights = [w + step for w, step in zip(weights, steps, strict=True)]
    w, b, v, c = (jnp.asarray(w, jnp.float32) for w in weights)
    return Model(Spec(Network((32,)), Training(), 784, 10), (Layer(w, b), Layer(v, c)), preparation)


@pytest.fixture(scope="package")
def chromium():
    """The browser, without a network of its own; skipped by name where there is none."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium here: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright here: pip install playwright")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def tab(chromium):
    """A tab, its errors and its requests."""
    tab = chromium.new_page(viewport={"width": 1280, "height": 900})
    tab.set_default_timeout(5000)
    tab.errors, tab.requests = [], []
    tab.on("pageerror", lambda error: tab.errors.append(str(error)))
    tab.on("console", lambda message: tab.errors.append(message.text) if message.type == "error" else None)
    tab.on("request", lambda request: tab.requests.append(request.url))
    return tab


@pytest.fixture(scope="module")
def opened(tab, tmp_path_factory):
    """A function that shows a model in the tab, as `jaxmlp demo` makes its page."""

    def show(trained, source=demo_page.NOTHING, examples=0, framing=demo_page.AUTO):
        demo_page.check(trained, framing)
        path = tmp_path_factory.mktemp("page") / "demo.html"
        path.write_text(demo_page.html(trained, source, examples, framing))
        tab.requests.clear()
        tab.goto(path.as_uri())
        return tab

    return show
