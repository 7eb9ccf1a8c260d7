"""The worked example of docs/SPEC.md in the real sandbox: whoever implements the page can trust its numbers."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dvm.sandbox import ZygoteSandbox
from dvm.verify import Claim, Equal, OneFile, Verdict, claim_of, examine
from tests.support.spec import ROOT, example_request, example_result

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
