"""What a sweep takes in memory: too little is said by a dry run, and refused by the run before it changes anything."""

import pytest
from helpers import contents, refused, save_clouds

from jaxmlp.errors import JaxmlpError
from jaxmlp.grid import sizing
from jaxmlp.spec import Network, Spec, Training
from jaxmlp.sweep import command as sweep

GRID = ["--grid", "learning_rate = [0.03, 0.1, 0.3, 0.4]"]
MIB = 2**20


@pytest.fixture
def small(tmp_path):
    npz = save_clouds(tmp_path / "clouds.npz")
    return ["--data.name", str(npz), "--training.max-epochs", "4", "--training.batch-size", "16"]


def free(monkeypatch, size):
    monkeypatch.setattr(sizing, "free_on_host", lambda: size)


@pytest.mark.parametrize(
    ("flags", "memory", "words"),
    [
        (["--network.hidden", "20000", "20000"], 2000 * MIB, "--resident, --chunk, network"),  # 400 M weights
        (["--network.hidden", "1000", "--resident", "4"], MIB // 16, "--resident, --chunk, network"),
        (["--network.hidden", "2000"], MIB // 4, "--resident, --chunk, network"),
    ],
    ids=["one enormous network", "resident too large", "a chunk too large"],
)
@pytest.mark.parametrize("more", [[], ["--dry-run"]], ids=["run", "dry run"])
def test_a_sweep_that_cannot_fit_is_refused_before_anything_is_changed(
    tmp_path, small, monkeypatch, flags, memory, words, more
):
    out = tmp_path / "out"
    out.mkdir()
    before = contents(tmp_path)
    free(monkeypatch, memory)
    monkeypatch.setattr(sizing, "probe", lambda *_, **__: pytest.fail("it probes"))
    line = refused(
        ["too little memory", f"{memory / MIB:,.0f} MiB are free", words],
        *(sweep.main, [*small, *GRID, *flags, "--out", str(out), *more]),
        error=JaxmlpError,
    )
    assert line.startswith("too little memory: this sweep takes ")
    assert contents(tmp_path) == before


@pytest.mark.usefixtures("without_pictures")
def test_a_dry_run_warns_where_all_that_it_counts_does_not_fit(small, monkeypatch, capsys):
    """More than the states and the data that a run is refused for: programs, and what a call takes."""
    from jaxmlp.sweep import estimate

    monkeypatch.setattr(sizing, "PROBED_STEPS", 2)
    monkeypatch.setattr(estimate.psutil.Process, "memory_info", lambda _: type("info", (), {"rss": 100 * MIB})())
    assert sweep.main([*small, *GRID, "--network.hidden", "4", "--dry-run"]) == 0
    assert "too little memory" not in capsys.readouterr().out
    free(monkeypatch, MIB // 64)
    assert sweep.main([*small, *GRID, "--network.hidden", "4", "--dry-run"]) == 0
    assert (
        "warning: too little memory: this sweep takes 100 MiB or more, 100 MiB are free here" in capsys.readouterr().out
    )


@pytest.mark.parametrize(("limit", "taken"), [("1000", 1000), ("max", None), ("9223372036854771712", None)])
def test_the_limit_of_a_container_counts_where_it_is_lower(tmp_path, monkeypatch, limit, taken):
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    monkeypatch.setattr(sizing, "LIMITS", (tmp_path / "memory.max", tmp_path / "none"))
    available = sizing.psutil.virtual_memory()
    monkeypatch.setattr(sizing.psutil, "virtual_memory", lambda: available)
    assert sizing.free_on_host() == (taken or available.available)


def test_products_in_bfloat16_let_twice_as_many_trials_go_together():
    chunks = [
        sizing.guessed_chunk(Spec(Network((128,)), Training(compute_dtype=name), 784, 10), "cpu")
        for name in ("full", "bfloat16")
    ]
    assert chunks == [2, 4]
