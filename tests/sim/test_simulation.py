"""300 simulated worlds in which every promise must hold; and the simulation itself must be what it claims to be."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.sim import plant
from tests.sim.__main__ import failure
from tests.sim.life import POINTS
from tests.sim.world import Report, run

SEEDS = 300
CHUNK = 20

ROOT = Path(__file__).resolve().parents[2]


@cache
def report(seed: int) -> Report:
    return run(seed)


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_promise_holds(first: int) -> None:
    failed = [failure(report(seed)) for seed in range(first, first + CHUNK) if report(seed).wrongs]
    assert not failed, "\n" + "\n".join(failed)


def test_nodes_crashed_at_every_failpoint() -> None:
    crashed: Counter[str] = Counter()
    for seed in range(SEEDS):
        crashed.update(report(seed).crashed_at)
    assert set(POINTS) <= set(crashed), f"never crashed at {sorted(set(POINTS) - set(crashed))}"


def test_crashes_cost_no_more_than_the_runs_they_cut_off() -> None:
    """A node that forgot what it had done would do it again, and nobody outside would notice."""
    sums: Counter[str] = Counter()
    for seed in range(SEEDS):
        sums.update(report(seed).counts)
    assert sums["done"] > 1_000
    assert 0 < sums["re-runs"] < sums["crashes"]


@pytest.mark.parametrize("seed", [3, 70, 162])
def test_a_seed_is_one_run(seed: int) -> None:
    """To the last frame, in this process and in another one that orders its sets differently."""
    command = [sys.executable, "-m", "tests.sim", "--seed", str(seed)]
    environment = {**os.environ, "PYTHONHASHSEED": "1234"}
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=50)
    assert run(seed).digest == report(seed).digest
    assert f"digest {report(seed).digest}" in told.stdout


def test_different_seeds_are_different_runs() -> None:
    assert len({report(seed).digest for seed in range(20)}) == 20


@pytest.mark.parametrize("bug", plant.BUGS, ids=lambda bug: bug.name)
def test_the_planted_bug_still_fits_the_source(bug: plant.Bug) -> None:
    """`python -m tests.sim.plant` runs them; here only: whoever rewrites such a line moves the bug along with it."""
    assert set(plant.planted(bug, ROOT)) == {ROOT / edit.file for edit in bug.edits}
