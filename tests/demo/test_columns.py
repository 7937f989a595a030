"""The columns of the page of a table: their ranges, typical values and kinds, from the data or from the normalisation."""

import numpy as np
import pandas as pd
import pytest

import jaxmlp
from jaxmlp.data.tables import Table
from jaxmlp.demo import columns

FRAME = pd.DataFrame(
    {
        "sold": [0, 1] * 40,
        "rooms": [2, 3, 4, 5] * 20,
        "rent": np.r_[np.linspace(500.5, 999.5, 79), 1e6],
        "city": ["Bern"] * 30 + ["Zürich"] * 50,
        "let": ["yes", "no"] * 40,
    }
)


@pytest.fixture(scope="module")
def preparation():
    return jaxmlp.splits_from(FRAME.drop(columns="let"), FRAME["let"], validation=0.2, test=0.2)[1]


def test_ranges_are_those_of_the_data_without_what_lies_far_out(preparation):
    import pyarrow as pa

    sold, rooms, rent, city = columns.content(preparation, Table(pa.Table.from_pandas(FRAME), None, None, "", ""))
    assert (sold["low"], sold["high"], sold["whole"]) == (0, 1, True)
    assert (rooms["low"], rooms["high"], rooms["whole"]) == (2, 5, True)
    assert (rent["low"], rent["high"]) == tuple(np.percentile(FRAME["rent"], (1, 99)))
    assert rent["high"] < 300_000
    assert not rent["whole"]
    assert rent["typical"] == preparation.columns.columns[2].median
    assert city["categories"][city["typical"]] == "Zürich"


def test_without_data_ranges_are_those_of_the_normalisation(preparation):
    _, rooms, _, city = columns.content(preparation, None)
    mean, std = float(preparation.mean[1]), float(preparation.std[1])
    assert (rooms["low"], rooms["high"]) == pytest.approx((mean - 2.5 * std, mean + 2.5 * std))
    assert city["typical"] == 0
