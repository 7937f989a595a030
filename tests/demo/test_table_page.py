"""The page of a network of columns, in a real browser: the same answers as `Model` on the same row."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import jaxmlp
from jaxmlp.data.config import Data
from jaxmlp.data.sources import load_data
from jaxmlp.demo.source import Source
from jaxmlp.spec import Hyper, Network, Spec, Training
from jaxmlp.training.model import Model

pytestmark = pytest.mark.whole_programs

TEXTS = ["Bern", "Genève", "Zürich"]


@pytest.fixture(scope="module")
def frame():
    """Numbers of several sizes, a category, and values that are missing; ten columns."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({f"small{n}": rng.normal(size=80) for n in range(7)})
    frame["rooms"] = rng.integers(1, 9, 80)
    frame["rent"] = rng.gamma(3, 500, 80)
    frame["city"] = rng.choice(TEXTS, 80, p=[0.2, 0.2, 0.6])
    frame.loc[::9, "rent"] = np.nan
    frame.loc[::7, "city"] = None
    frame["let"] = np.where(frame["rooms"] * rng.random(80) > 2, "yes", "no")
    return frame


@pytest.fixture(scope="module")
def trained(frame):
    splits, preparation = jaxmlp.splits_from(frame.drop(columns="let"), frame["let"], validation=0.2, test=0.2)
    spec = Spec(Network((9,), activation="tanh"), Training(), splits.train.x.shape[1], 2)
    params = jaxmlp.init(spec, Hyper(), jax.random.key(0))
    rooms = [column.name for column in preparation.columns.columns].index("rooms")
    towards_yes = jnp.sign(params[1].w[:, 1] - params[1].w[:, 0])
    params = (params[0]._replace(w=(0.3 * params[0].w).at[rooms].set(towards_yes)), params[1])  # what matters most
    return Model(spec, params, preparation)


@pytest.fixture(scope="module")
def page(opened, trained, frame, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "flats.csv"
    frame.to_csv(path, index=False)
    page = opened(trained, Source(str(path), load_data(Data(str(path), target="let"))))
    assert not page.locator("#others .column").first.is_visible()
    page.locator("summary").click()
    return page


def logits(page):
    return page.evaluate("jaxmlp.update(), jaxmlp.state().logits")


def typical(trained, frame, **changes):
    """The row with which the page begins: medians of the training examples, and the most frequent category."""
    row = {column.name: column.median for column in trained.preparation.columns.columns} | {"city": "Zürich"}
    return pd.DataFrame([row | changes]).astype({"city": "object"})


def test_it_begins_with_typical_values(page, trained, frame):
    np.testing.assert_allclose(logits(page), trained.logits(typical(trained, frame))[0], atol=1e-4)


def test_controls_move_the_answer_to_that_of_the_model(page, trained, frame):
    page.get_by_label("rooms, slider").fill("7")
    page.get_by_label("rent", exact=True).fill("1234.5")
    page.get_by_label("rent", exact=True).press("Enter")
    page.get_by_label("city", exact=True).select_option("Bern")
    expected = trained.logits(typical(trained, frame, rooms=7, rent=1234.5, city="Bern"))
    np.testing.assert_allclose(logits(page), expected[0], atol=1e-4)
    assert page.get_by_label("rooms", exact=True).input_value() == "7"
    page.locator("#reset").click()
    test_it_begins_with_typical_values(page, trained, frame)


def test_missing_values_are_those_of_the_model(page, trained, frame):
    page.locator("#column-8-missing").check()
    page.get_by_label("city", exact=True).select_option("(missing)")
    expected = trained.logits(typical(trained, frame, rent=np.nan, city=None))
    np.testing.assert_allclose(logits(page), expected[0], atol=1e-4)
    page.locator("#reset").click()


def test_column_that_moves_the_answer_most_comes_first_and_the_least_ones_wait_below(page, trained, frame):
    names = page.locator(".column-head label").all_text_contents()
    assert names[0] == "rooms"
    assert sorted(names) == sorted(frame.columns.drop("let"))
    assert page.locator("#columns .column").count() == 8
    reached = page.evaluate("jaxmlp.source.columns.map(({ name, importance }) => [name, importance])")
    outputs = trained.predict_proba(pd.concat([typical(trained, frame, rooms=n) for n in np.linspace(1, 8, 33)]))
    assert dict(reached)["rooms"] == pytest.approx(np.ptp(outputs[:, 0]), abs=1e-3)


def test_slopes_are_difference_quotients_of_the_model(page, trained, frame):
    logits(page)
    slope = float(
        page.locator(".column", has_text="rooms").first.locator(".slope").text_content().split()[1].replace("−", "-")
    )
    rooms = trained.preparation.columns.columns[7].median
    p = trained.predict_proba(pd.concat([typical(trained, frame, rooms=rooms + h) for h in (-0.05, 0.05)]))
    k = int(np.argmax(p[0]))
    assert slope == pytest.approx(np.diff(np.log(p[:, k]))[0] / 0.1, rel=0.02)


def test_gradient_check_names_the_column(page):
    page.locator("#check").click()
    page.locator("#checked:has-text('They agree: of 14 derivatives')").wait_for()
    assert page.errors == []
