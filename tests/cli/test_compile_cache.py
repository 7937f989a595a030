"""Compiled programs are kept for the next command, unless the user has decided otherwise; a cache never stops anything."""

import jax
import jax.numpy as jnp
import pytest
from helpers import contents, flipped
from jax.experimental.compilation_cache import compilation_cache

from jaxmlp import machine as host
from jaxmlp.cli import compile_cache

SETTINGS = {
    "jax_enable_compilation_cache": True,
    "jax_compilation_cache_dir": None,
    "jax_persistent_cache_min_compile_time_secs": 1.0,
    "jax_compilation_cache_max_size": -1,
}


@pytest.fixture
def settings(cache, monkeypatch):
    """JAX as a command finds it; what is compiled at all is kept."""
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    monkeypatch.setattr(compile_cache, "LEAST_SECONDS", 0.0)
    for name, value in SETTINGS.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def compiled_and_run():
    return jax.jit(lambda x: jnp.sin(x) @ x.T + 3)(jnp.ones((4, 4))).tolist()


def entries(cache):
    return {path: content for path, content in contents(cache).items() if str(path).endswith("-cache")}


def test_a_program_is_loaded_where_it_was_compiled_before(settings, cache):
    compile_cache.use()
    result = compiled_and_run()
    kept = entries(cache)
    assert kept
    assert all(compile_cache.machine() in str(path) for path in kept)
    hits = []
    jax.monitoring.register_event_listener(lambda name, **_: hits.append(name) if name.endswith("cache_hits") else None)
    jax.clear_caches()
    assert compiled_and_run() == result
    assert entries(cache) == kept
    assert len(hits) == len(kept)


def test_a_damaged_program_is_compiled_again_without_a_word(settings, cache):
    compile_cache.use()
    result = compiled_and_run()
    for path, (content, _) in entries(cache).items():
        (cache / path).write_bytes(flipped(content, len(content) // 2))
    jax.clear_caches()
    assert compiled_and_run() == result


@pytest.mark.parametrize(
    ("name", "value"), [("jax_enable_compilation_cache", False), ("jax_compilation_cache_dir", "own")]
)
def test_what_the_user_has_set_stays(settings, cache, name, value):
    jax.config.update(name, value)
    compile_cache.use()
    assert getattr(jax.config, name) == value
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_none(settings, cache):
    cache.write_text("no folder")
    compile_cache.use()
    assert jax.config.jax_compilation_cache_dir is None


def test_machines_with_other_instructions_share_no_programs(monkeypatch, tmp_path):
    names = set()
    for flags in ("avx2 fma", "fma avx2", "avx2 fma amx_bf16"):
        (tmp_path / "cpuinfo").write_text(f"model name : Xeon\nflags : {flags}\n")
        monkeypatch.setattr(host, "CPUINFO", tmp_path / "cpuinfo")
        names.add(compile_cache.machine())
    assert len(names) == 2
