"""Our entries train as NumPy by hand does."""

import pytest

from jaxmlp.bench import own
from jaxmlp.bench.peers import by_numpy
from jaxmlp.grid import sizing


@pytest.mark.parametrize("gradient", ["autodiff", "delta_rule"])
@pytest.mark.parametrize("compute_dtype", ["full", "bfloat16"])
def test_one_network_learns_what_numpy_learns_and_begins_anew_in_each_run(small, gradient, compute_dtype):
    contestant = own.single(f"gradient={gradient}", f"compute_dtype={compute_dtype}")(small)
    loss = small.loss(contestant.run())
    assert loss == small.loss(contestant.run())
    assert loss == pytest.approx(small.loss(by_numpy.by_hand(small).run()), rel=0.05)
    assert loss < 0.97 * small.loss(small.weights())
    assert contestant.epochs == 2


def test_a_grid_trains_all_trials_and_begins_anew_in_each_run(small, monkeypatch):
    monkeypatch.setattr(sizing, "probe", lambda *_, **__: sizing.Probe(4, 1e-3, {}, 0.0))  # which compiles several
    contestant = own.grid("gradient=delta_rule")(small)
    loss = small.loss(contestant.run())
    assert loss == small.loss(contestant.run())
    assert contestant.epochs == 2 * 3
