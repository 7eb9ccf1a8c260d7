"""The worked example of docs/SPEC.md in the real sandbox: whoever implements the page can trust its numbers."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from wasmtime import wat2wasm

from dvm.ports import Run
from dvm.sandbox import ZygoteSandbox
from dvm.verify import Claim, Equal, OneFile, Verdict, claim_of, examine
from jobs.grant import DEFAULT
from jobs.outcome import RunReport
from jobs.request import JobId
from tests.support.spec import ROOT, example_request, example_result, section

ECHO = ROOT / "examples" / "echo" / "echo.wasm"


def test_the_example_comes_out_as_the_page_says(tmp_path: Path) -> None:
    claim = claim_of(example_result(), example_request())
    assert isinstance(claim, Claim), claim

    async def again() -> Verdict:
        async with ZygoteSandbox(tmp_path) as sandbox:
            return await examine(claim, OneFile(ECHO, ECHO.read_bytes()), sandbox)

    verdict = asyncio.run(again())
    assert isinstance(verdict, Equal), verdict
    assert verdict.again.memory_bytes == verdict.receipt.memory_bytes


SLEEPER = """
(core module $main
  (import "wasi" "after" (func $after (param i64) (result i32)))
  (func (export "run") (result i32) SLEEPS (i32.const 0)))
"""


def sleeper(times: int) -> bytes:
    """A command that asks so often to be woken later; each time costs it 2 instructions of its own."""
    frame = (ROOT / "tests" / "support" / "guests" / "command.wat").read_text()
    sleeps = "(drop (call $after (i64.const 5)))" * times
    return bytes(wat2wasm(frame.replace("\n  CORE\n", "\n" + SLEEPER.replace("SLEEPS", sleeps))))


def test_to_ask_for_a_time_costs_what_the_page_says(tmp_path: Path) -> None:
    assert "each pollable of 2.2 costs 3." in section("2.4 Fuel, memory, stack")

    async def fuel(sandbox: ZygoteSandbox, times: int) -> int:
        path = tmp_path / f"{times}.wasm"
        path.write_bytes(sleeper(times))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        report: RunReport = await sandbox.run(
            Run(
                job=JobId("00" * 32),
                attempt=1,
                component=path,
                digest=digest,
                args=(),
                env=(),
                stdin=b"",
                grant=DEFAULT,
                clock=0,
                seed=bytes(32),
            )
        )
        return report.usage.fuel

    async def main() -> None:
        async with ZygoteSandbox(tmp_path / "sandbox") as sandbox:
            none, one, seven = [await fuel(sandbox, times) for times in (0, 1, 7)]
        assert (one - none, seven - none) == (2 + 3, 7 * (2 + 3))

    asyncio.run(main())
