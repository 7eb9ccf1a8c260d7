"""A worker that runs one guest and dies. Forked by the zygote, confined, then handed one task.

Order matters: everything that needs the file system, threads or executable mappings happens before `lockdown.lock`;
everything that a guest can influence happens after it. The report is the last thing sent; the process never returns.
"""

from __future__ import annotations

import ctypes
import os
import socket
import time
from dataclasses import dataclass
from typing import NoReturn

from wasmtime import Engine, ExitTrap, Store, StoreContext, WasiConfig, WasmtimeError
from wasmtime import _ffi as ffi
from wasmtime.component import Component, ExportIndex, Func, Instance, Linker, ResultType, Variant

from dvm.sandbox import limits, lockdown, memfd, verdict, warm, wire
from dvm.sandbox.linear import LinearMemories
from dvm.sandbox.seccomp import Profile
from dvm.sandbox.wire import RunDone, Task
from dvm.sandbox.world import World
from jobs.outcome import Outcome

PROGRAM_NAME = "component"
"""What a guest finds as its first argument, before those of the request."""

_WARM_FUEL = 1_000_000
_WARM_MEMORY_BYTES = 8 << 20
_UNLIMITED = 1 << 62

_REHEARSAL = Task(
    run=warm.RUN,
    args=[""],
    env=[("", "")],
    fuel=_WARM_FUEL,
    memory_bytes=_WARM_MEMORY_BYTES,
    artefact_bytes=0,
    cpu_s=1,
    clock=0,
    seed=bytes(32).hex(),
    tables=0,
    table_elements=0,
    table_bytes=0,
).pack()


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What the zygote has built once and every runner inherits."""

    engine: Engine
    linker: Linker
    plain_linker: Linker
    """WASI as the engine has it, for our own component only."""
    memories: LinearMemories
    world: World
    warm: Component
    """Our own component, and open as a file, for the rehearsal."""
    warm_fd: int
    data_bytes: int
    """Private memory that a worker has from the start."""


class NotACommand(Exception):
    """The export that was found does not have the type of a command."""


def serve(tools: Equipment, parent: int, channel: socket.socket, stdout: int, stderr: int) -> NoReturn:
    """Get ready, run the one task that comes through `channel`, report there, and exit."""
    status = 1
    try:
        lockdown.confine_worker(parent, file_bytes=0, open_files=limits.OPEN_FILES)
        _start_waiting_thread(tools)
        _rehearse(tools)
        wasi = WasiConfig()
        wasi.stdout_file = f"/proc/self/fd/{stdout}"
        wasi.stderr_file = f"/proc/self/fd/{stderr}"
        message, fds = wire.receive(channel, wire.MESSAGE_BYTES, 2)
        if message:
            report = _run(tools, Task.unpack(message), fds, wasi)
            wire.send(channel, report.pack())
            status = 0
    except BaseException as error:
        _say(channel, verdict.sentence(f"{type(error).__name__}: {error}"))
    finally:
        os._exit(status)


def _say(channel: socket.socket, why: str) -> None:
    """Our own fault, reported as far as that is still possible."""
    try:
        wire.send(channel, _done(Outcome.SANDBOX_FAILURE, detail=why).pack())
    except OSError:
        pass  # the daemon is gone, and so is everybody who could be told


def _done(outcome: Outcome, *, detail: str = "", exit_code: int = 0) -> RunDone:
    return RunDone(
        outcome=outcome, exit_code=exit_code, fuel=0, memory_bytes=0, started_ns=0, ended_ns=0, detail=detail
    )


def _start_waiting_thread(tools: Equipment) -> None:
    """Let our own component wait: the engine's WASI library starts its one thread now, while it still can.

    With WASI's own clock, which does move; guests get the linker of `world`.
    """
    store = Store(tools.engine)
    store.set_fuel(_WARM_FUEL)
    store.set_wasi(WasiConfig())
    tools.memories.open(_WARM_MEMORY_BYTES)
    _command(tools.plain_linker.instantiate(store, tools.warm), store, warm.WAIT)(store)
    store.close()


def _rehearse(tools: Equipment) -> None:
    """Do once, with our own component, all that a task takes, except the locks.

    Memory that a forked process touches for the first time costs it a fault each; these faults are most of the time
    from a task to its first instruction, and after this they are behind us.
    """
    task = Task.unpack(_REHEARSAL)
    store = _store(tools, task, b"", WasiConfig())
    component = _load(tools, task, tools.warm_fd)
    os.close(tools.warm_fd)
    done = _perform(tools, task, store, component)
    store.close()
    if RunDone.unpack(done.pack()).outcome is not Outcome.FINISHED:
        raise RuntimeError(f"the rehearsal failed: {done.detail}")


def export_index(instance: Instance, store: Store | StoreContext, interface: str, function: str) -> ExportIndex:
    """Where `function` of the exported `interface` is; raises `NotACommand` when it is not there."""
    outer = instance.get_export_index(store, interface)
    inner = instance.get_export_index(store, function, outer) if outer else None
    if inner is None:
        raise NotACommand(f"{interface} has no function named {function}")
    return inner


def _command(instance: Instance, store: Store, name: str) -> Func:
    func = instance.get_func(store, export_index(instance, store, name, "run"))
    if func is None:
        raise NotACommand(f"{name}: run is no function")
    kind = func.type(store)
    if kind.params or not isinstance(kind.result, ResultType):
        raise NotACommand(f"{name}: run must take nothing and return a result")
    return func


def _run(tools: Equipment, task: Task, fds: list[int], wasi: WasiConfig) -> RunDone:
    artefact, stdin = fds
    lockdown.fence(
        data_bytes=tools.data_bytes + task.memory_bytes + task.artefact_bytes + limits.HOST_HEADROOM_BYTES,
        cpu_seconds=task.cpu_s,
    )
    store = _store(tools, task, memfd.content(stdin), wasi)
    component = _load(tools, task, artefact)
    for fd in fds:
        os.close(fd)
    lockdown.lock(Profile.RUN)
    return _perform(tools, task, store, component)


def _load(tools: Equipment, task: Task, artefact: int) -> Component:
    tools.world.begin(task.clock, bytes.fromhex(task.seed))
    tools.memories.open(max(0, task.memory_bytes - task.table_bytes))
    return Component.deserialize_file(tools.engine, f"/proc/self/fd/{artefact}")


def _perform(tools: Equipment, task: Task, store: Store, component: Component) -> RunDone:
    started = time.monotonic_ns()
    outcome, exit_code, detail = _call(tools, store, component, task.run)
    ended = time.monotonic_ns()
    return RunDone(
        outcome=outcome,
        exit_code=exit_code,
        fuel=task.fuel - store.get_fuel(),
        memory_bytes=tools.memories.peak,
        started_ns=started,
        ended_ns=ended,
        detail=detail,
    )


def _store(tools: Equipment, task: Task, stdin: bytes, wasi: WasiConfig) -> Store:
    wasi.argv = [PROGRAM_NAME, *task.args]
    wasi.env = task.env
    _set_stdin(wasi, stdin)
    store = Store(tools.engine)
    store.set_fuel(task.fuel)
    store.set_wasi(wasi)
    store.set_limits(
        memory_size=_UNLIMITED,  # `linear` counts, over all memories, and has to see every refusal
        table_elements=task.table_elements,
        instances=limits.INSTANCES,
        tables=task.tables,
        memories=limits.MEMORIES,
    )
    return store


def _set_stdin(wasi: WasiConfig, data: bytes) -> None:
    vector = ffi.wasm_byte_vec_t()
    ffi.wasm_byte_vec_new_uninitialized(ctypes.byref(vector), len(data))
    if data:
        ctypes.memmove(vector.data, data, len(data))
    ffi.wasi_config_set_stdin_bytes(wasi.ptr(), ctypes.byref(vector))


def _call(tools: Equipment, store: Store, component: Component, name: str) -> tuple[Outcome, int, str]:
    refused = "a request for more memory was refused"
    try:
        run = _command(tools.linker.instantiate(store, component), store, name)
        result = run(store)
    except ExitTrap as left:
        return Outcome.FINISHED, min(left.code, 1), refused if left.code and tools.memories.refused else ""
    except NotACommand as error:
        return Outcome.INVALID_COMPONENT, 0, verdict.sentence(str(error))
    except WasmtimeError as error:
        outcome, detail = verdict.judge(str(error), fuel_left=store.get_fuel(), refused_memory=tools.memories.refused)
        return outcome, 0, detail
    failed = isinstance(result, Variant) and result.tag == "err"
    return Outcome.FINISHED, int(failed), refused if failed and tools.memories.refused else ""
