"""The warm process from which workers are forked: it knows the engine, and nothing else.

Single-threaded, without network, key, database or secret; it reads one-byte orders from the daemon, forks, hands the
daemon the ends of the new worker's pipes, and buries the dead. It never touches a stranger's bytes itself. It ends with
the daemon, and every worker ends with it.

Started as `python -I -S -c`, with the search path and the number of its socket on the command line, see `parent`.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from wasmtime import Engine, StoreContext
from wasmtime.component import Component, Linker, ResourceAny

from dvm.sandbox import child, compiler, engine, lockdown, warm, wire
from dvm.sandbox.form import Form
from dvm.sandbox.linear import LinearMemories
from dvm.sandbox.world import World

MOST_WORKERS = 256
"""Alive at once, spares and compilers included; orders beyond it wait for a death."""


@dataclass(frozen=True, slots=True)
class _Worker:
    pid: int
    pidfd: int


class Zygote:
    """The loop. `run` returns when the daemon has closed its end."""

    def __init__(self, control: socket.socket, form: Form) -> None:
        self._control = control
        self._form = form
        self._pid = os.getpid()
        self._workers: dict[int, _Worker] = {}
        self._poll = select.poll()
        self._memories = LinearMemories()
        self._world = World(self._past)
        self._engine: Engine = engine.new_engine(self._memories, form)
        self._plain_linker, self._linker = Linker(self._engine), Linker(self._engine)
        self._linker.allow_shadowing = True
        for linker in (self._plain_linker, self._linker):
            linker.add_wasip2()
        self._world.define(self._linker)
        self._tools: child.Equipment | None = None
        self._data_bytes = lockdown.data_in_use()
        self._most_fds = resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    def run(self, parent: int) -> None:
        """Confine, say hello, and serve orders until the daemon goes."""
        prints = engine.fingerprint(self._form)
        layers = lockdown.confine_zygote(parent, executable=self._form is Form.NATIVE)
        gc.collect()
        gc.freeze()  # what exists now is shared with every worker: the collector shall not touch its pages
        hello = {"engine": self._form.engine, "fingerprint": prints, "layers": layers}
        wire.send(self._control, wire.HELLO + json.dumps(hello).encode())
        self._poll.register(self._control, select.POLLIN)
        while self._serve():
            pass

    def _serve(self) -> bool:
        for fd, _events in self._poll.poll():
            if fd in self._workers:
                self._bury(self._workers.pop(fd))
            elif not self._obey():
                return False
        if len(self._workers) >= MOST_WORKERS:
            self._bury(self._workers.pop(next(iter(self._await_a_death()))))
        return True

    def _await_a_death(self) -> list[int]:
        """Descriptors of dead workers; at least one. Live ones end by their own limits or the daemon's hand."""
        graves = select.poll()
        for fd in self._workers:
            graves.register(fd, select.POLLIN)
        return [fd for fd, _events in graves.poll()]

    def _obey(self) -> bool:
        message, fds = wire.receive(self._control, 16, 1)
        if message == wire.FORK_RUNNER:
            self._fork_runner()
        elif message == wire.FORK_COMPILER:
            self._fork_compiler()
        elif message[:1] == wire.WARM and fds:
            self._warm(fds[0])
        for fd in fds:
            os.close(fd)
        return bool(message)

    def _warm(self, artefact: int) -> None:
        component = Component.deserialize_file(self._engine, f"/proc/self/fd/{artefact}")
        self._tools = child.Equipment(
            engine=self._engine,
            linker=self._linker,
            plain_linker=self._plain_linker,
            memories=self._memories,
            world=self._world,
            warm=component,
            warm_fd=os.dup(artefact),
            data_bytes=self._data_bytes,
        )
        gc.freeze()

    def _past(self, store: StoreContext) -> Callable[[StoreContext], ResourceAny]:
        """Our own component in a guest's store, with WASI's own clock: the function that makes ready pollables."""
        assert self._tools is not None
        instance = self._plain_linker.instantiate(store, self._tools.warm)
        func = instance.get_func(store, child.export_index(instance, store, warm.WAIT, "past"))
        assert func is not None
        return func

    def _fork_runner(self) -> None:
        if self._tools is None:
            raise RuntimeError("a runner was ordered before there was anything to warm it with")
        ours, theirs = wire.pair()
        out_r, out_w = os.pipe()
        err_r, err_w = os.pipe()
        pid = os.fork()
        if pid == 0:
            channel = self._enter_worker(theirs, (out_w, err_w, self._tools.warm_fd))
            child.serve(self._tools, self._pid, channel, out_w, err_w)
        self._introduce(wire.RUNNER, pid, [ours.detach(), out_r, err_r], [theirs.detach(), out_w, err_w])

    def _fork_compiler(self) -> None:
        ours, theirs = wire.pair()
        pid = os.fork()
        if pid == 0:
            compiler.serve(self._engine, self._data_bytes, self._pid, self._enter_worker(theirs, ()))
        self._introduce(wire.COMPILER, pid, [ours.detach()], [theirs.detach()])

    def _enter_worker(self, channel: socket.socket, keep: tuple[int, ...]) -> socket.socket:
        """In the new worker: nothing stays open but the standard streams (all /dev/null), its channel, its pipes."""
        kept = sorted((channel.fileno(), *keep))
        for low, high in zip([3, *(fd + 1 for fd in kept)], [*kept, self._most_fds], strict=True):
            os.closerange(low, high)
        self._control.detach()
        return channel

    def _introduce(self, kind: bytes, pid: int, give: list[int], close: list[int]) -> None:
        pidfd = os.pidfd_open(pid)
        for fd in close:
            os.close(fd)
        wire.send(self._control, kind + wire.PID.pack(pid), [pidfd, *give])
        for fd in give:
            os.close(fd)
        self._workers[pidfd] = _Worker(pid, pidfd)
        self._poll.register(pidfd, select.POLLIN)

    def _bury(self, worker: _Worker) -> None:
        self._poll.unregister(worker.pidfd)
        os.close(worker.pidfd)
        _pid, status, usage = os.wait4(worker.pid, 0)
        if status not in (0, signal.SIGKILL):
            wire.send(self._control, wire.ENDED + wire.ENDED_FIELDS.pack(worker.pid, status, usage.ru_maxrss * 1024))


def main(control_fd: int, parent: int, form: str) -> NoReturn:
    """Entry point of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal, or of the service manager: the daemon decides
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    control = socket.socket(fileno=control_fd)
    status = 1
    try:
        engine.check_version()
        Zygote(control, Form(form)).run(parent)
        status = 0
    except BaseException as error:
        try:
            wire.send(control, wire.FATAL + f"{type(error).__name__}: {error}".encode()[:4096])
        except OSError:
            pass  # the daemon is gone
    finally:
        sys.stdout.flush()
        os._exit(status)
