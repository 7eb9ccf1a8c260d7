"""A sandbox for tests, and runs for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path

from dvm.ports import Run
from dvm.sandbox import SandboxLimits, ZygoteSandbox
from jobs.grant import Grant
from jobs.outcome import RunReport
from jobs.request import JobId

MIB = 1 << 20
GRANT = Grant(
    fuel=2_000_000_000,
    memory_bytes=64 * MIB,
    wall_ms=20_000,
    input_bytes=64 * 1024,
    output_bytes=40_960,
    log_bytes=4_096,
)


def narrowed(**limits: int) -> Grant:
    """The grant of the tests with some limits changed."""
    return Grant(**(GRANT.to_wire() | limits))


class Bench:
    """A folder of components and a sandbox; `run` takes bytes."""

    def __init__(self, folder: Path, sandbox: ZygoteSandbox) -> None:
        self.folder, self.sandbox = folder, sandbox

    def order(
        self,
        component: bytes,
        *,
        stdin: bytes = b"",
        args: tuple[str, ...] = (),
        env: tuple[tuple[str, str], ...] = (),
        grant: Grant = GRANT,
        clock: int = 1_700_000_000,
        seed: bytes = bytes(32),
    ) -> Run:
        """A run of these bytes, which are put into a file first."""
        digest = sha256(component).hexdigest()
        path = self.folder / digest
        if not path.exists():
            path.write_bytes(component)
        return Run(
            job=JobId("00" * 32),
            attempt=1,
            component=path,
            digest=digest,
            args=args,
            env=env,
            stdin=stdin,
            grant=grant,
            clock=clock,
            seed=seed,
        )

    async def run(self, component: bytes, **what: object) -> RunReport:
        """Run it; keywords as of `order`."""
        return await self.sandbox.run(self.order(component, **what))  # type: ignore[arg-type]


def with_sandbox(folder: Path, act: Callable[[Bench], Awaitable[None]], *, limits: SandboxLimits | None = None) -> None:
    """Start a sandbox with its state in `folder`, let `act` use it, end it."""

    async def main() -> None:
        components = folder / "components"
        components.mkdir(exist_ok=True)
        async with ZygoteSandbox(folder / "state", limits=limits) as sandbox:
            await act(Bench(components, sandbox))

    asyncio.run(main())
