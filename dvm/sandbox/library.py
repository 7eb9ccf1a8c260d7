"""Compiled components, from memory, from disk, or compiled now; each only once at a time.

The bytes are copied into a sealed file in memory before their digest is checked, and that file is what the compiler
gets: nobody can exchange them in between. Refusals are remembered, as long as the daemon lives.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import signal
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from dvm.sandbox import memfd, warm, wire
from dvm.sandbox.artefacts import About, Artefact, ArtefactStore
from dvm.sandbox.limits import SandboxLimits
from dvm.sandbox.nursery import Nursery, Worker, ZygoteGone
from dvm.sandbox.wire import Compiled, CompileTask
from jobs.outcome import Outcome

_REFUSALS_KEPT = 1024
_COPY_BYTES = 1 << 20
_STATUS_WITHIN_S = 1.0

_T = TypeVar("_T")


def read_component(path: Path, digest: str, most_bytes: int) -> int | Compiled:
    """The file as a sealed descriptor, if it is exactly what `digest` says. Blocks."""
    try:
        with open(path, "rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size > most_bytes:
                return Compiled(outcome=Outcome.COMPILE_LIMIT, text=f"a component of more than {most_bytes} bytes")
            fd = memfd.sealed("component", iter(lambda: file.read(_COPY_BYTES), b""))
    except OSError as error:
        return Compiled(outcome=Outcome.SANDBOX_FAILURE, text=f"the component cannot be read: {error.strerror}")
    size = os.fstat(fd).st_size
    found = sha256()
    if size:
        with mmap.mmap(fd, size, mmap.MAP_PRIVATE, mmap.PROT_READ) as content:
            found.update(content)
    if found.hexdigest() == digest:
        return fd
    os.close(fd)
    return Compiled(outcome=Outcome.SANDBOX_FAILURE, text="the file is not what its digest says: fetch it again")


class Library:
    """The only one who asks for compilations."""

    def __init__(
        self, nursery: Nursery, store: ArtefactStore, limits: SandboxLimits, executor: Executor | None
    ) -> None:
        self._nursery, self._store, self._limits, self._executor = nursery, store, limits, executor
        self._hot: OrderedDict[str, Artefact] = OrderedDict()
        self._hot_bytes = 0
        self._refused: OrderedDict[str, Compiled] = OrderedDict()
        self._busy: dict[str, asyncio.Lock] = {}

    def close(self) -> None:
        """Let go of everything in memory."""
        while self._hot:
            self._hot.popitem()[1].close()
        self._hot_bytes = 0

    async def get(self, digest: str, path: Path) -> Artefact | Compiled:
        """The compiled component, the caller's to close, or why there is none. Raises `ZygoteGone`."""
        found = self._remembered(digest)
        if found is not None:
            return found
        lock = self._busy.setdefault(digest, asyncio.Lock())
        try:
            async with lock:
                return self._remembered(digest) or self._remember(digest, await self._make(digest, path))
        finally:
            if not lock.locked():
                self._busy.pop(digest, None)

    def forget(self, digest: str) -> None:
        """The compiled component turned out to be of no use on this machine: compile it anew when it is wanted."""
        hot = self._hot.pop(digest, None)
        if hot is not None:
            self._hot_bytes -= hot.size
            hot.close()
        self._store.path(digest).unlink(missing_ok=True)

    async def warm(self) -> Artefact:
        """The compiled form of our own component, for the zygote. Raises `ZygoteGone` or OSError."""
        digest = sha256(warm.TEXT).hexdigest()
        artefact = await self._in_thread(self._store.load, digest, dispose=_close_artefact)
        if artefact is None:
            source = memfd.sealed("warm", [warm.TEXT])
            try:
                result = await self._compile(source, trusted_text=True)
            finally:
                os.close(source)
            if isinstance(result, Compiled):
                raise ZygoteGone(f"the sandbox cannot compile its own test: {result.text}")
            artefact = result
            await self._keep(digest, artefact)
        return artefact

    def _remembered(self, digest: str) -> Artefact | Compiled | None:
        hot = self._hot.get(digest)
        if hot is not None:
            self._hot.move_to_end(digest)
            return hot.copy()
        return self._refused.get(digest)

    def _remember(self, digest: str, found: Artefact | Compiled) -> Artefact | Compiled:
        if isinstance(found, Compiled):
            if found.outcome is not Outcome.SANDBOX_FAILURE:
                self._refused[digest] = found
                while len(self._refused) > _REFUSALS_KEPT:
                    self._refused.popitem(last=False)
            return found
        self._hot[digest] = found
        self._hot_bytes += found.size
        while self._hot_bytes > self._limits.hot_bytes and len(self._hot) > 1:
            _digest, old = self._hot.popitem(last=False)
            self._hot_bytes -= old.size
            old.close()
        return found.copy()

    async def _make(self, digest: str, path: Path) -> Artefact | Compiled:
        kept = await self._in_thread(self._store.load, digest, dispose=_close_artefact)
        if kept is not None:
            return kept
        most = self._limits.component_bytes
        source = await self._in_thread(read_component, path, digest, most, dispose=_close_source)
        if isinstance(source, Compiled):
            return source
        try:
            result = await self._compile(source, trusted_text=False)
        finally:
            os.close(source)
        if isinstance(result, Artefact):
            await self._keep(digest, result)
        return result

    async def _keep(self, digest: str, artefact: Artefact) -> None:
        """Store it on disk; a cancelled caller loses the artefact."""
        try:
            await self._in_thread(_save, self._store, digest, artefact.copy())
        except OSError:
            pass  # a full disk costs a compilation next time, not this job
        except BaseException:
            artefact.close()
            raise

    async def _compile(self, source: int, *, trusted_text: bool) -> Artefact | Compiled:
        limits = self._limits
        task = CompileTask(
            trusted_text=trusted_text,
            artefact_bytes=limits.artefact_bytes,
            data_bytes=limits.compile_data_bytes,
            cpu_s=limits.compile_cpu_s,
        )
        worker = await self._nursery.compiler()
        target = memfd.create("artefact")
        try:
            wire.send(worker.channel, task.pack(), [source, target])
            verdict = await self._verdict(worker)
            if verdict.outcome is not Outcome.FINISHED:
                os.close(target)
                return verdict
            await self._death(worker)
            memfd.seal(target)
            about = About(
                run=verdict.text,
                tables=verdict.tables,
                fixed_table_elements=verdict.fixed_table_elements,
                largest_fixed_table=verdict.largest_fixed_table,
                growable_tables=verdict.growable_tables,
            )
            return Artefact(target, os.fstat(target).st_size, about)
        except BaseException:
            os.close(target)
            raise
        finally:
            worker.close()

    async def _verdict(self, worker: Worker) -> Compiled:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._limits.compile_wall_s):
                message = await loop.sock_recv(worker.channel, wire.REPORT_BYTES)
        except TimeoutError:
            return Compiled(outcome=Outcome.SANDBOX_FAILURE, text="compiling took too long on this busy machine")
        except OSError:
            message = b""
        if message:
            try:
                return Compiled.unpack(message)
            except wire.Garbled:
                return Compiled(outcome=Outcome.SANDBOX_FAILURE, text="the compiler's answer makes no sense")
        status = await self._nursery.status_of(worker.pid, within_s=_STATUS_WITHIN_S)
        return self._why_no_verdict(status)

    def _why_no_verdict(self, status: int | None) -> Compiled:
        if status is None:
            return Compiled(outcome=Outcome.SANDBOX_FAILURE, text="the compiler was killed from outside")
        ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        if ended_by == signal.SIGXCPU:
            text = f"compiling takes more than {self._limits.compile_cpu_s} s of processor time"
            return Compiled(outcome=Outcome.COMPILE_LIMIT, text=text)
        if ended_by == signal.SIGABRT:
            text = f"compiling takes more than {self._limits.compile_data_bytes} bytes of memory"
            return Compiled(outcome=Outcome.COMPILE_LIMIT, text=text)
        return Compiled(outcome=Outcome.SANDBOX_FAILURE, text=f"the compiler ended by signal {ended_by}")

    async def _death(self, worker: Worker) -> None:
        """Until the worker is dead, and with it every mapping of the file it wrote to."""
        loop = asyncio.get_running_loop()
        dead: asyncio.Future[None] = loop.create_future()
        worker.kill()
        loop.add_reader(worker.pidfd, _wake, dead)
        try:
            await dead
        finally:
            loop.remove_reader(worker.pidfd)

    async def _in_thread(
        self, function: Callable[..., _T], *args: object, dispose: Callable[[_T], None] | None = None
    ) -> _T:
        """Call it in a thread; `dispose` gets a result that comes when nobody waits for it any more."""
        future = asyncio.get_running_loop().run_in_executor(self._executor, partial(function, *args))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(lambda late: _dispose(late, dispose))
            raise


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _dispose(late: asyncio.Future[_T], dispose: Callable[[_T], None] | None) -> None:
    if not late.cancelled() and late.exception() is None and dispose is not None:
        dispose(late.result())


def _save(store: ArtefactStore, digest: str, own: Artefact) -> None:
    """In a thread, which may outlive the one who asked: hence a descriptor of its own."""
    try:
        store.save(digest, own)
    finally:
        own.close()


def _close_artefact(artefact: Artefact | None) -> None:
    if artefact is not None:
        artefact.close()


def _close_source(source: int | Compiled) -> None:
    if isinstance(source, int):
        os.close(source)
