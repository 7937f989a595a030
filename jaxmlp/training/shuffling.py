"""The order of the examples in an epoch: a keyed bijection of 0..n-1, with neither a sort nor a table.

`jax.random.permutation` sorts, which takes a quarter of an epoch of a small network on a CPU. A Feistel network does
not: on the torus Z_rows x Z_columns every round adds to one coordinate a hash of the other, which can be undone whatever
the hash is. The torus is a little larger than n, and the values that land at or above n are put through again until they
fall below it ("cycle walking": Black and Rogaway 2002, "Ciphers with arbitrary finite domains"). What is left is a
permutation. It is integer arithmetic only, so it is the same on every backend.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, UInt32

ROUNDS = 8  # half of them for each coordinate
LEAST_SIDE = 16  # a smaller torus is too symmetric to reach every permutation of 5 or 6 examples equally often


def permutation(key: Key[Array, ""], n: int) -> Int[Array, " n"]:
    """A pseudo-random permutation of 0..n-1, determined by `key`; n is at least 1."""
    columns = max(LEAST_SIDE, math.isqrt(n - 1) + 1)  # at least the root of n
    rows = max(LEAST_SIDE, -(-n // columns))
    round_keys = jax.random.bits(key, (ROUNDS // 2, 2), jnp.uint32)

    def round_(cell: tuple[Array, Array], keys: UInt32[Array, "2"]) -> tuple[tuple[Array, Array], None]:
        row, column = cell
        row = _add(row, _hash(column, keys[0]), rows)
        column = _add(column, _hash(row, keys[1]), columns)
        return (row, column), None

    def encipher(value: UInt32[Array, " n"]) -> UInt32[Array, " n"]:
        cell = value // jnp.uint32(columns), value % jnp.uint32(columns)
        (row, column), _ = jax.lax.scan(round_, cell, round_keys)
        return row * jnp.uint32(columns) + column

    def walk(state: tuple[Array, Array]) -> tuple[Array, Array]:
        order, outside = state
        order = jnp.where(outside, encipher(order), order)
        return order, order >= n

    start = jnp.arange(n, dtype=jnp.uint32), jnp.ones(n, bool)
    order, _ = jax.lax.while_loop(lambda state: jnp.any(state[1]), walk, start)
    return order.astype(jnp.int32)


def _add(value: UInt32[Array, " n"], hashed: UInt32[Array, " n"], modulus: int) -> UInt32[Array, " n"]:
    total = value + hashed % jnp.uint32(modulus)
    return jnp.where(total >= modulus, total - jnp.uint32(modulus), total)


def _hash(value: UInt32[Array, " n"], key: UInt32[Array, ""]) -> UInt32[Array, " n"]:
    """A 32-bit integer hash: Fibonacci hashing, a key, and the finaliser of MurmurHash3 (Appleby, public domain)."""
    h = value * jnp.uint32(0x9E3779B1) + key
    h = (h ^ (h >> 16)) * jnp.uint32(0x85EBCA6B)
    h = (h ^ (h >> 13)) * jnp.uint32(0xC2B2AE35)
    return h ^ (h >> 16)
