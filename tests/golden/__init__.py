"""Runs whose every figure is written down: the same on each machine, or something is wrong.

`golden.json` holds the cases and what they must give. `python -m tests.golden write` runs them in the real sandbox and
writes their results anew; `check` compares; `bare` runs them in this process, without the walls, and compares.
"""
