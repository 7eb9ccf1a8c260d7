"""The daemon's door to the sandbox. No WebAssembly engine is ever loaded into this process.

`ZygoteSandbox` keeps a zygote alive, hands each run to a confined worker of its own, judges the deadline and the output
caps, and turns whatever happened into a `RunReport`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path
from types import TracebackType
from typing import Self

from dvm.ports import Run
from dvm.sandbox import account, host, memfd, wire
from dvm.sandbox.artefacts import Artefact, ArtefactStore
from dvm.sandbox.form import Unsafe, choose
from dvm.sandbox.kernel import MACHINE
from dvm.sandbox.library import Library
from dvm.sandbox.limits import SandboxLimits
from dvm.sandbox.nursery import Hello, Nursery, Worker, ZygoteGone
from dvm.sandbox.tier import Standing, standing
from dvm.sandbox.watch import End, Watch
from dvm.sandbox.wire import Compiled
from jobs.grant import Grant
from jobs.outcome import Outcome, RunReport
from jobs.request import JobId

_log = logging.getLogger(__name__)

_DEAD_WORKERS_TRIED = 3
_STATUS_WITHIN_S = 0.5


class SandboxError(Exception):
    """The sandbox cannot be had on this machine as it is; the text is for the operator."""


class ZygoteSandbox:
    """The `Sandbox` of `dvm.ports`. An async context manager: entering starts it and proves it, leaving ends it.

    Any number of runs may go on at once; the caller decides how many. A run that finds the zygote dead waits for the
    next one as long as `limits.start_s`; one that was in flight is reported as our failure.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        engine: str = "auto",
        python: str = sys.executable,
        limits: SandboxLimits | None = None,
        executor: Executor | None = None,
        entropy: Callable[[int], bytes] = os.urandom,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`engine` is one of `form.CHOICES`; raises SandboxError when no form of the engine may be used."""
        try:
            self._form, self.warning = choose(engine, MACHINE)
        except Unsafe as error:
            raise SandboxError(str(error)) from None
        self._state_dir = state_dir
        self._python = python
        self._limits = limits or SandboxLimits()
        self._executor = executor
        self._entropy = entropy
        self._monotonic = monotonic
        self._nursery: Nursery | None = None
        self._library: Library | None = None
        self._hello = Hello("", "", {})

    # Life

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(self._limits.start_s):
                await self._start()
        except TimeoutError:
            self._close()
            raise SandboxError(f"the sandbox did not start within {self._limits.start_s:.0f} s") from None
        except (ZygoteGone, OSError) as error:
            self._close()
            raise SandboxError(f"the sandbox cannot start: {error}") from error
        except BaseException:
            self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._library is not None:
            self._library.close()
            self._library = None
        if self._nursery is not None:
            self._nursery.close()
            self._nursery = None

    async def _start(self) -> None:
        nursery = self._nursery = Nursery(
            python=self._python, form=self._form, spares=self._limits.spares, on_trouble=_log.warning
        )
        nursery.start()
        self._hello = await nursery.hello()
        store = ArtefactStore(
            self._state_dir / "artefacts",
            self._hello.fingerprint,
            most_bytes=self._limits.cache_bytes,
            entropy=self._entropy,
        )
        self._library = Library(nursery, store, self._limits, self._executor)
        artefact = await self._library.warm()
        try:
            nursery.equip(os.dup(artefact.fd))
            await self._test(artefact)
        finally:
            artefact.close()

    async def _test(self, artefact: Artefact) -> None:
        """Our own component, through everything a stranger's goes through."""
        grant = Grant(fuel=1 << 20, memory_bytes=1 << 20, wall_ms=5_000, input_bytes=0, output_bytes=0, log_bytes=0)
        run = Run(
            job=JobId("self-test"),
            attempt=1,
            component=Path(),
            digest="",
            args=(),
            env=(),
            stdin=b"",
            grant=grant,
            clock=0,
            seed=bytes(32),
        )
        report = await self._run(run, artefact)
        if report.outcome is not Outcome.FINISHED or report.exit_code != 0:
            raise SandboxError(f"the sandbox failed its own test: {report.outcome.value}: {report.detail}")

    async def layers(self) -> Mapping[str, bool]:
        """What stands between a guest and this machine. `lockdown.REQUIRED` are in force, or nothing runs."""
        return {"rlimits": True, "seccomp": True, **self._hello.layers}

    async def standing(self) -> Standing:
        """How well this machine holds guests, judged by what is in force now."""
        return standing(host.look(await self.layers()))

    @property
    def engine(self) -> str:
        """The engine as receipts name it."""
        return self._form.engine

    # Runs

    async def run(self, run: Run) -> RunReport:
        """See `dvm.ports.Sandbox`."""
        library = self._library
        if library is None:
            return self._without_run(Outcome.SANDBOX_FAILURE, "the sandbox is closed")
        problem = account.unfit(run)
        if problem is not None:
            return self._without_run(Outcome.SANDBOX_FAILURE, problem)
        try:
            async with asyncio.timeout(self._limits.start_s + self._limits.compile_wall_s):
                found = await library.get(run.digest, run.component)
            if isinstance(found, Compiled):
                return self._without_run(found.outcome, found.text)
            try:
                return await self._run(run, found)
            finally:
                found.close()
        except ZygoteGone as error:
            return self._without_run(Outcome.SANDBOX_FAILURE, str(error))
        except TimeoutError:
            return self._without_run(Outcome.SANDBOX_FAILURE, "no worker became free in time")

    def _without_run(self, outcome: Outcome, detail: str) -> RunReport:
        return account.without_run(outcome, detail, self._hello.engine)

    async def _run(self, run: Run, artefact: Artefact) -> RunReport:
        nursery = self._nursery
        if nursery is None:
            return self._without_run(Outcome.SANDBOX_FAILURE, "the sandbox is closed")
        message = account.task_of(run, artefact).pack()
        stdin = memfd.sealed("stdin", [run.stdin])
        try:
            worker = await self._hand_over(nursery, message, [artefact.fd, stdin])
        finally:
            os.close(stdin)
        try:
            return await self._watch(nursery, run, worker)
        finally:
            worker.close()

    async def _hand_over(self, nursery: Nursery, message: bytes, fds: list[int]) -> Worker:
        """A worker that has the task. One that died in stock is passed over."""
        why = "unknown"
        for _ in range(_DEAD_WORKERS_TRIED):
            async with asyncio.timeout(self._limits.start_s):
                worker = await nursery.runner()
            try:
                wire.send(worker.channel, message, fds)
            except OSError:
                why = worker.last_words() or why
                worker.close()
            except BaseException:
                worker.close()
                raise
            else:
                return worker
        raise ZygoteGone(f"workers die before they get their task: {why}")

    async def _watch(self, nursery: Nursery, run: Run, worker: Worker) -> RunReport:
        began = self._monotonic()
        watch = Watch(
            worker,
            output_bytes=run.grant.output_bytes,
            log_bytes=run.grant.log_bytes,
            wall_s=run.grant.wall_ms / 1000,
        )
        try:
            watched = await watch.result()
        finally:
            watch.close()
        wall_ms = int((self._monotonic() - began) * 1000)
        status = None
        if watched.end is End.DIED:
            status = await nursery.status_of(worker.pid, within_s=_STATUS_WITHIN_S)
        elif watched.done is not None and watched.done.outcome is not Outcome.SANDBOX_FAILURE:
            nursery.prosper()
        elif watched.done is not None and self._library is not None:
            self._library.forget(run.digest)  # the worker could not even load it, perhaps: code for another processor
        return account.report_of(watched, run.grant, status, self._hello.engine, wall_ms)
