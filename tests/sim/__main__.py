"""Run simulations by hand: one seed with its trace, or many seeds on all processors.

python -m tests.sim --seed 7 --trace        what happened, to the last frame
python -m tests.sim --seeds 0:10000 --jobs 2
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from tests.sim.world import Report, memory, run


def main() -> int:
    """Returns 1 when a seed breaks a promise."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__.split("\n")[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--seed", type=int, help="one seed")
    which.add_argument("--seeds", type=_range, metavar="A:B", help="the seeds from A up to, not including, B")
    parser.add_argument("--trace", action="store_true", help="print what happens (with --seed)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes for --seeds")
    parser.add_argument("--first", action="store_true", help="stop at the first seed that breaks a promise")
    options = parser.parse_args()
    logging.disable()  # the node's log; its facts are in the trace
    if options.seed is not None:
        return _tell([run(options.seed, echo=options.trace)], verbose=True)
    # A folder of our own, because workers that are stopped leave theirs behind.
    with (
        tempfile.TemporaryDirectory(prefix="dvm-sims-", dir=memory()) as folder,
        multiprocessing.get_context("fork").Pool(options.jobs) as pool,
    ):
        return _tell(pool.imap(partial(run, within=Path(folder)), options.seeds, chunksize=4), stop=options.first)


def _range(text: str) -> range:
    first, _, end = text.partition(":")
    return range(int(first), int(end))


def _tell(reports: Iterable[Report], *, verbose: bool = False, stop: bool = False) -> int:
    """Print each broken promise with the command that shows it again, then the sums."""
    started = time.monotonic()
    counts: Counter[str] = Counter()
    points: Counter[str] = Counter()
    seeds = bad = 0
    hours = 0.0
    for report in reports:
        seeds, hours = seeds + 1, hours + report.hours
        counts.update(report.counts)
        points.update(report.crashed_at)
        if verbose:
            print(f"seed {report.seed}: digest {report.digest}")
        if report.wrongs:
            bad += 1
            print(failure(report), flush=True)
            if stop:
                break
    took = time.monotonic() - started
    print(f"{seeds} seeds, {hours:.0f} simulated hours, {took:.1f} s, {bad} seeds with broken promises")
    print("  " + ", ".join(f"{what} {count}" for what, count in sorted(counts.items())))
    print("  crashed at " + ", ".join(f"{point} {count}" for point, count in sorted(points.items())))
    return 1 if bad else 0


def failure(report: Report) -> str:
    """For people: what was broken, and how to see it again."""
    lines = [f"seed {report.seed}; again: python -m tests.sim --seed {report.seed} --trace"]
    return "\n".join(lines + [f"  {wrong}" for wrong in report.wrongs[:10]])


if __name__ == "__main__":
    sys.exit(main())
