"""A small network that reads digits, trained once; and one page of Debian's Chromium, which all tests share."""

import shutil

import pytest

from jaxmlp.data.config import Data
from jaxmlp.data.preparing import prepare
from jaxmlp.data.sources import load_data
from jaxmlp.demo import page as demo_page
from jaxmlp.spec import Hyper, Network, Spec, Training
from jaxmlp.training.fitting import fit
from jaxmlp.training.model import Model


@pytest.fixture(scope="package")
def dataset():
    return load_data(Data("mnist5k"))


@pytest.fixture(scope="package")
def digits(dataset):
    """A network 784-32-10 that reads nine of ten digits."""
    splits, preparation = prepare(dataset, Data("mnist5k"))
    spec = Spec(Network((32,)), Training(batch_size=100, max_epochs=8), 784, 10)
    return Model(spec, fit(spec, Hyper(0.1), splits).params, preparation)


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
