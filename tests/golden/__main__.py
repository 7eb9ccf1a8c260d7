"""`python -m tests.golden write|check|bare`; see the package."""

from __future__ import annotations

import asyncio
import platform
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.golden import cases
from tests.golden.cases import Case

Results = dict[str, dict[str, Any]]


async def walled(chosen: list[Case]) -> Results:
    """What the real sandbox gives."""
    from dvm.sandbox import ZygoteSandbox

    found: Results = {}
    with tempfile.TemporaryDirectory() as folder:
        async with ZygoteSandbox(Path(folder, "state")) as sandbox:
            for case in chosen:
                component = case.component()
                digest = sha256(component).hexdigest()
                path = Path(folder, digest)
                path.write_bytes(component)
                found[case.name] = cases.figures(component, await sandbox.run(case.run(path, digest)))
    return found


def bare(chosen: list[Case]) -> Results:
    """What the engine gives in this process."""
    from tests.golden.bare import Bare

    found: Results = {}
    with Bare() as engine:
        for case in chosen:
            component = case.component()
            found[case.name] = cases.figures(component, engine.run(component, case.run(Path(), "")))
    return found


def differences(expected: Results, found: Results) -> list[str]:
    """One line for each figure that is not as written."""
    return [
        f"{name}: {figure} is {given.get(figure)!r}, must be {value!r}"
        for name, given in found.items()
        for figure, value in expected[name].items()
        if given.get(figure) != value
    ] + [f"{name}: nothing is written down" for name in found if not expected[name]]


def main(arguments: list[str]) -> int:
    """0: all as written."""
    known = cases.load()
    chosen = [case for case, _expected in known.values()]
    if arguments not in (["write"], ["check"], ["bare"]):
        print(__doc__, file=sys.stderr)
        return 2
    if arguments == ["bare"]:
        print(f"{platform.machine()}: the engine in this process, without the walls of the sandbox", flush=True)
    found = bare(chosen) if arguments == ["bare"] else asyncio.run(walled(chosen))
    if arguments == ["write"]:
        cases.store(found)
        return 0
    wrong = differences({name: expected for name, (_case, expected) in known.items()}, found)
    print("\n".join(wrong) if wrong else f"{platform.machine()}: {len(found)} of {len(found)} runs are as written")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
