"""A worker that judges and compiles one component and dies. Forked by the zygote, confined, then handed one task.

It reads a stranger's bytes with our gate and then with the engine's compiler, neither of which is trusted to be free of
faults; hence the same wall as around a guest. It holds two descriptors: the component, and the file for the result.
"""

from __future__ import annotations

import mmap
import os
import socket
from typing import NoReturn

from wasmtime import Engine, WasmtimeError
from wasmtime.component import Component

from dvm.sandbox import imports, limits, lockdown, memfd, shape, verdict, wire
from dvm.sandbox.seccomp import Profile
from dvm.sandbox.shape import Malformed, Shape, ShapeLimits, TooComplex
from dvm.sandbox.wire import Compiled, CompileTask
from jobs.outcome import Outcome

_LARGEST_FILE = 1 << 31


def serve(engine: Engine, data_bytes: int, parent: int, channel: socket.socket) -> NoReturn:
    """Take the one task that comes through `channel`, answer there, and exit. `data_bytes`: held from the start."""
    status = 1
    try:
        lockdown.confine_worker(parent, file_bytes=_LARGEST_FILE, open_files=limits.OPEN_FILES)
        message, fds = wire.receive(channel, wire.MESSAGE_BYTES, 2)
        if message:
            wire.send(channel, _serve(engine, data_bytes, CompileTask.unpack(message), fds).pack())
            status = 0
    except BaseException as error:
        answer = Compiled(outcome=Outcome.SANDBOX_FAILURE, text=verdict.sentence(f"{type(error).__name__}: {error}"))
        try:
            wire.send(channel, answer.pack())
        except OSError:
            pass  # the daemon is gone, and so is everybody who could be told
    finally:
        os._exit(status)


def _serve(engine: Engine, data_bytes: int, task: CompileTask, fds: list[int]) -> Compiled:
    source, result = fds
    size = os.fstat(source).st_size
    data = memoryview(mmap.mmap(source, size, mmap.MAP_PRIVATE, mmap.PROT_READ)) if size else memoryview(b"")
    lockdown.fence(data_bytes=data_bytes + task.data_bytes, cpu_seconds=task.cpu_s)
    lockdown.lock(Profile.COMPILE)
    return _compile(engine, task, data, result)


def _compile(engine: Engine, task: CompileTask, data: memoryview, result: int) -> Compiled:
    try:
        found = Shape() if task.trusted_text else shape.look(data, ShapeLimits())
        refusal = imports.refused(found.imports)
        if refusal is not None:
            return Compiled(outcome=Outcome.REFUSED_IMPORT, text=verdict.sentence(f"the component imports {refusal}"))
        component = Component(engine, bytes(data))
    except Malformed as error:
        return Compiled(outcome=Outcome.INVALID_COMPONENT, text=verdict.sentence(str(error)))
    except TooComplex as error:
        return Compiled(outcome=Outcome.COMPILE_LIMIT, text=verdict.sentence(str(error)))
    except WasmtimeError as error:
        return Compiled(outcome=Outcome.INVALID_COMPONENT, text=verdict.sentence(str(error)))
    run = imports.run_export(component.type.exports(engine) if task.trusted_text else found.exports)
    if run is None:
        text = "the component is no command: it does not export wasi:cli/run@0.2"
        return Compiled(outcome=Outcome.INVALID_COMPONENT, text=text)
    artefact = component.serialize()
    if len(artefact) > task.artefact_bytes:
        text = f"compiled, it would be larger than {task.artefact_bytes} bytes"
        return Compiled(outcome=Outcome.COMPILE_LIMIT, text=text)
    memfd.write_all(result, memoryview(artefact))
    return Compiled(
        outcome=Outcome.FINISHED,
        text=run,
        tables=found.tables,
        fixed_table_elements=found.fixed_table_elements,
        largest_fixed_table=found.largest_fixed_table,
        growable_tables=found.growable_tables,
    )
