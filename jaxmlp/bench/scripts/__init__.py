"""Whole programs, as a user of each library would write them: `python -m jaxmlp.bench.scripts.NAME TASK`, a task in JSON.

Each prints what it reaches as lines of JSON. None but our own imports JAX.
"""
