"""Attacks on the folders that commands write, and a table of what came of them.

Every kind of attack is a module with a function `attack(random, folder, world)`, which makes one attack and returns how it
ended (outcomes.py). The same seed and number make the same attack, up to the timing of processes. See __main__.py.
"""
