"""One worker at its task: collects what it writes, waits for its report, its death or its deadline.

Standard output has a hard cap: one byte more ends the run. The log is cut at its cap and drained slowly from there on,
so that a guest that floods it is held back by the pipe instead of keeping the daemon busy.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from enum import Enum

from dvm.sandbox import wire
from dvm.sandbox.nursery import Worker
from dvm.sandbox.wire import RunDone

_CHUNK_BYTES = 65_536
_DRAIN_EVERY_S = 0.01


class End(Enum):
    """What ended the watch."""

    REPORTED = "reported"
    DIED = "died"
    LATE = "late"
    TOO_MUCH = "too much output"


@dataclass(frozen=True, slots=True)
class Watched:
    """What was seen. `done` is there exactly when the worker reported."""

    end: End
    done: RunDone | None
    output: bytes
    log: bytes


class Watch:
    """Make it when the task has been sent; await `result` once; `close` in any case."""

    def __init__(self, worker: Worker, *, output_bytes: int, log_bytes: int, wall_s: float) -> None:
        self._worker = worker
        self._output_bytes, self._log_bytes = output_bytes, log_bytes
        self._output, self._log = bytearray(), bytearray()
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[tuple[End, RunDone | None]] = self._loop.create_future()
        self._deadline = self._loop.call_later(wall_s, self._finish, End.LATE)
        self._drain: asyncio.TimerHandle | None = None
        self._loop.add_reader(worker.channel.fileno(), self._on_channel)
        self._loop.add_reader(worker.stdout, self._on_output)
        self._loop.add_reader(worker.stderr, self._on_log)

    async def result(self) -> Watched:
        """Wait for the end, whichever it is."""
        end, done = await self._end
        return Watched(end, done, bytes(self._output), bytes(self._log))

    def close(self) -> None:
        """Stop looking. The worker is still its owner's to close."""
        self._deadline.cancel()
        if self._drain is not None:
            self._drain.cancel()
        for fd in (self._worker.channel.fileno(), self._worker.stdout, self._worker.stderr):
            self._loop.remove_reader(fd)

    def _finish(self, end: End, done: RunDone | None = None) -> None:
        if not self._end.done():
            self._end.set_result((end, done))

    def _on_channel(self) -> None:
        try:
            message = self._worker.channel.recv(wire.REPORT_BYTES + 1)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        # Whatever the guest wrote was in the pipes before the worker spoke or died.
        self._read_rest()
        try:
            if message:
                self._finish(End.REPORTED, RunDone.unpack(message))
            else:
                self._finish(End.DIED)
        except wire.Garbled:
            self._finish(End.DIED)

    def _read_rest(self) -> None:
        """Empty the pipes, as far as their content counts."""
        while len(self._output) <= self._output_bytes and self._read(self._worker.stdout, self._output):
            pass
        while len(self._log) < self._log_bytes and self._read(self._worker.stderr, self._log):
            pass
        del self._log[self._log_bytes :]
        if len(self._output) > self._output_bytes:
            self._overflow()

    def _read(self, fd: int, into: bytearray) -> int:
        try:
            chunk = os.read(fd, _CHUNK_BYTES)
        except BlockingIOError:
            return 0
        into += chunk
        return len(chunk)

    def _on_output(self) -> None:
        if not self._read(self._worker.stdout, self._output):
            self._loop.remove_reader(self._worker.stdout)
        elif len(self._output) > self._output_bytes:
            self._overflow()

    def _overflow(self) -> None:
        del self._output[self._output_bytes :]
        self._loop.remove_reader(self._worker.stdout)
        self._finish(End.TOO_MUCH)

    def _on_log(self) -> None:
        if not self._read(self._worker.stderr, self._log):
            self._loop.remove_reader(self._worker.stderr)
        elif len(self._log) >= self._log_bytes:
            del self._log[self._log_bytes :]
            self._loop.remove_reader(self._worker.stderr)
            self._drain = self._loop.call_later(_DRAIN_EVERY_S, self._drain_log)

    def _drain_log(self) -> None:
        dropped = bytearray()
        self._read(self._worker.stderr, dropped)
        self._drain = self._loop.call_later(_DRAIN_EVERY_S, self._drain_log)
