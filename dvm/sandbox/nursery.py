"""The daemon's side of the zygote: starts it, keeps confined workers in stock, starts it anew when it dies.

Everything here runs in callbacks of the event loop; there is no task and no thread. Whoever takes a worker owns it, and
closes it, which kills it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import socket
import subprocess
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvm.sandbox import wire
from dvm.sandbox.form import Form

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0
_STATUSES_KEPT = 256
_REFILL_AFTER_S = 0.005
_BOOT = (
    "import sys; fd, parent, form, *paths = sys.argv[1:]; fd, parent = int(fd), int(parent); sys.path[:0] = paths\n"
    "try:\n"
    "    from dvm.sandbox.zygote import main\n"
    "except BaseException as error:\n"
    "    import socket\n"
    "    socket.socket(fileno=fd).send(('F' + type(error).__name__ + ': ' + str(error)).encode()[:4096])\n"
    "    raise SystemExit(1)\n"
    "main(fd, parent, form)\n"
)


def _search_path() -> list[str]:
    """Where the zygote finds our code and the engine's, which is looked for here but not loaded."""
    found = importlib.util.find_spec("wasmtime")
    if found is None or found.origin is None:
        raise ZygoteGone("wasmtime is not installed")
    return [str(Path(__file__).parents[2]), str(Path(found.origin).parents[1])]


class ZygoteGone(Exception):
    """There is no zygote now, or the one that was asked has died; the text says what is known."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What a zygote says of itself once it is confined."""

    engine: str
    fingerprint: str
    layers: dict[str, bool]


class Worker:
    """A confined process that waits for its task. `close` ends it, whatever it does."""

    __slots__ = ("channel", "pid", "pidfd", "stderr", "stdout")

    def __init__(self, pid: int, pidfd: int, channel: int, stdout: int = -1, stderr: int = -1) -> None:
        self.pid, self.pidfd, self.stdout, self.stderr = pid, pidfd, stdout, stderr
        self.channel = socket.socket(fileno=channel)
        self.channel.setblocking(False)
        for fd in (stdout, stderr):
            if fd >= 0:
                os.set_blocking(fd, False)

    def kill(self) -> None:
        """At once, and without asking: harmless when it is dead already."""
        try:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def last_words(self) -> str:
        """Why it gave up, if it had the time to say so."""
        try:
            return wire.RunDone.unpack(self.channel.recv(wire.REPORT_BYTES + 1)).detail
        except (OSError, wire.Garbled):
            return ""

    def close(self) -> None:
        """Kill it and let go of everything. Call once."""
        self.kill()
        self.channel.close()
        for fd in (self.pidfd, self.stdout, self.stderr):
            if fd >= 0:
                os.close(fd)


class Nursery:
    """Stock of workers: `start`, then `hello`, then `equip`; `runner` and `compiler` as needed; at last `close`."""

    def __init__(self, *, python: str, form: Form, spares: int, on_trouble: Callable[[str], None]) -> None:
        self._python = python
        self._form = form
        self._spares = spares
        self._on_trouble = on_trouble
        self._loop = asyncio.get_running_loop()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._hello: asyncio.Future[Hello] = self._loop.create_future()
        self._warm_fd = -1
        self._equipped = False
        """Whether the present zygote has what runners are warmed up with; none can be ordered before."""
        self._stock: deque[Worker] = deque()
        self._ordered = 0
        self._waiting: dict[bytes, deque[asyncio.Future[Worker]]] = {wire.RUNNER: deque(), wire.COMPILER: deque()}
        self._statuses: OrderedDict[int, int] = OrderedDict()
        self._status_waiters: dict[int, asyncio.Future[int]] = {}
        self._pause_s = _FIRST_PAUSE_S
        self._restart: asyncio.TimerHandle | None = None
        self._refill: asyncio.TimerHandle | None = None
        self._closed = False

    # Life

    def start(self) -> None:
        """Start the zygote. Takes some 50 ms until it says hello."""
        ours, theirs = wire.pair()
        ours.setblocking(False)
        self._process = subprocess.Popen(
            [
                *(self._python, "-I", "-S", "-c", _BOOT),
                *(str(theirs.fileno()), str(os.getpid()), self._form.value, *_search_path()),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            env={"TOKIO_WORKER_THREADS": "1", "MALLOC_ARENA_MAX": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        theirs.close()
        self._control = ours
        self._loop.add_reader(ours.fileno(), self._hear)

    async def hello(self) -> Hello:
        """What the present zygote, or the next one, says of itself; raises `ZygoteGone`."""
        return await asyncio.shield(self._hello)

    def equip(self, warm_fd: int) -> None:
        """Give it, and every successor, the artefact that warms workers up; takes over the descriptor."""
        self._warm_fd = warm_fd
        self._send(wire.WARM, [warm_fd])
        self._equipped = True
        self._fill()

    def close(self) -> None:
        """End the zygote and with it every worker."""
        self._closed = True
        if self._restart is not None:
            self._restart.cancel()
        if self._refill is not None:
            self._refill.cancel()
        self._drop("the sandbox is closed")
        if self._warm_fd >= 0:
            os.close(self._warm_fd)
            self._warm_fd = -1

    def _drop(self, why: str) -> None:
        """The present zygote is no more."""
        if self._control is not None:
            self._loop.remove_reader(self._control.fileno())
            self._control.close()
            self._control = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        while self._stock:
            self._stock.popleft().close()
        self._ordered, self._equipped = 0, False
        for waiters in self._waiting.values():
            while waiters:
                _fail(waiters.popleft(), ZygoteGone(why))
        _fail(self._hello, ZygoteGone(why))
        self._hello = self._loop.create_future()
        if self._closed:
            _fail(self._hello, ZygoteGone(why))

    def _die(self, why: str) -> None:
        if self._closed:
            return
        self._drop(why)
        self._on_trouble(f"the sandbox's parent process ended ({why}); next attempt in {self._pause_s:.1f} s")
        self._restart = self._loop.call_later(self._pause_s, self._start_again)
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def _start_again(self) -> None:
        self._restart = None
        self.start()

    # Orders

    async def runner(self) -> Worker:
        """A confined worker for one run. Waits while there is none; raises `ZygoteGone`."""
        while self._stock:
            worker = self._stock.popleft()
            self._fill_soon()
            return worker
        return await self._wait_for(wire.RUNNER)

    async def compiler(self) -> Worker:
        """A worker for one compilation, forked now; raises `ZygoteGone`."""
        return await self._wait_for(wire.COMPILER)

    async def _wait_for(self, kind: bytes) -> Worker:
        if self._closed or self._control is None:
            await self.hello()  # of the successor
        waiter: asyncio.Future[Worker] = self._loop.create_future()
        self._waiting[kind].append(waiter)
        if kind == wire.COMPILER:
            self._send(wire.FORK_COMPILER)
        else:
            self._fill()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter in self._waiting[kind]:
                self._waiting[kind].remove(waiter)
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                waiter.result().close()
            raise

    def _fill_soon(self) -> None:
        """Make up for a worker that was taken, but let its task begin before its successor takes processor time."""
        if self._refill is None:
            self._refill = self._loop.call_later(_REFILL_AFTER_S, self._fill)

    def _fill(self) -> None:
        """Order as many runners as are wanted and not yet on their way."""
        if self._refill is not None:
            self._refill.cancel()
            self._refill = None
        if not self._equipped:
            return
        wanted = self._spares + len(self._waiting[wire.RUNNER]) - len(self._stock) - self._ordered
        for _ in range(wanted):
            self._ordered += 1
            self._send(wire.FORK_RUNNER)

    def _send(self, order: bytes, fds: list[int] | None = None) -> None:
        if self._control is None:
            return
        try:
            wire.send(self._control, order, fds or [])
        except OSError as error:
            self._loop.call_soon(self._die, f"cannot be reached: {error.strerror}")

    # News

    def _hear(self) -> None:
        control = self._control
        try:
            while control is not None and control is self._control:
                message, fds = wire.receive(control, 16_384, 4)
                if not message:
                    self._die("it ended")
                    return
                self._take(message[:1], message[1:], fds)
        except BlockingIOError:
            return
        except (OSError, wire.Garbled) as error:
            self._die(str(error))

    def _take(self, kind: bytes, body: bytes, fds: list[int]) -> None:
        if kind in self._waiting:
            self._admit(kind, Worker(wire.PID.unpack(body)[0], *fds))
        elif kind == wire.ENDED:
            pid, status, _resident = wire.ENDED_FIELDS.unpack(body)
            self._note_end(pid, status)
        elif kind == wire.HELLO:
            hello: dict[str, Any] = json.loads(body)
            if not self._hello.done():
                self._hello.set_result(Hello(hello["engine"], hello["fingerprint"], hello["layers"]))
            if self._warm_fd >= 0:
                self.equip(self._warm_fd)
        elif kind == wire.FATAL:
            self._die(body.decode(errors="replace"))

    def _admit(self, kind: bytes, worker: Worker) -> None:
        waiters = self._waiting[kind]
        if kind == wire.RUNNER:
            self._ordered -= 1
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():
                waiter.set_result(worker)
                break
        else:
            if kind == wire.RUNNER and len(self._stock) < self._spares:
                self._stock.append(worker)
            else:
                worker.close()  # ordered by somebody who no longer waits
        if kind == wire.RUNNER:
            self._fill()

    def prosper(self) -> None:
        """A run has succeeded: the next restart need not wait long."""
        self._pause_s = _FIRST_PAUSE_S

    # Deaths

    async def status_of(self, pid: int, *, within_s: float) -> int | None:
        """The wait status of a worker that died; None when it was SIGKILL, or nobody told."""
        if pid in self._statuses:
            return self._statuses.pop(pid)
        if self._control is None:
            return None
        waiter: asyncio.Future[int] = self._loop.create_future()
        self._status_waiters[pid] = waiter
        try:
            async with asyncio.timeout(within_s):
                return await waiter
        except TimeoutError:
            return None
        finally:
            del self._status_waiters[pid]

    def _note_end(self, pid: int, status: int) -> None:
        waiter = self._status_waiters.get(pid)
        if waiter is not None and not waiter.done():
            waiter.set_result(status)
            return
        self._statuses[pid] = status
        while len(self._statuses) > _STATUSES_KEPT:
            self._statuses.popitem(last=False)


def _fail(waiter: asyncio.Future[Any], error: Exception) -> None:
    if not waiter.done():
        waiter.set_exception(error)
        waiter.exception()  # seen, in case nobody waits for it
