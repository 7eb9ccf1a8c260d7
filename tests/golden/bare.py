"""A run in this very process: the engine, the linker and the world of a worker, and none of its walls.

For machines that are emulated: user-mode emulation has no seccomp and no namespaces. Never for a stranger's code.
"""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

from wasmtime import WasiConfig
from wasmtime.component import Component

from dvm.ports import Run
from dvm.sandbox import account, child, imports, memfd, shape, warm
from dvm.sandbox.artefacts import About, Artefact
from dvm.sandbox.form import Form
from dvm.sandbox.zygote import Zygote
from jobs.outcome import RunReport, Usage


class Bare:
    """Runs one after the other. A context manager."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._ends = socket.socketpair()
        self._zygote = Zygote(self._ends[0], Form.NATIVE)
        component = Component(self._zygote._engine, warm.TEXT)
        made = memfd.sealed("warm", [bytes(component.serialize())])
        self._zygote._warm(made)
        os.close(made)

    def __enter__(self) -> Bare:
        return self

    def __exit__(self, *_: object) -> None:
        for end in self._ends:
            end.close()
        self._folder.cleanup()

    def run(self, component: bytes, run: Run) -> RunReport:
        """The report that a worker's run would give, its times excepted."""
        tools = self._zygote._tools
        assert tools is not None
        found = shape.look(component, shape.ShapeLimits())
        name = imports.run_export(found.exports)
        assert name is not None
        assert imports.refused(found.imports) is None
        about = About(
            run=name,
            tables=found.tables,
            fixed_table_elements=found.fixed_table_elements,
            largest_fixed_table=found.largest_fixed_table,
            growable_tables=found.growable_tables,
        )
        compiled = bytes(Component(tools.engine, component).serialize())
        artefact = Artefact(memfd.sealed("artefact", [compiled]), len(compiled), about)
        task = account.task_of(run, artefact)
        streams = [Path(self._folder.name, stream) for stream in ("stdout", "stderr")]
        wasi = WasiConfig()
        wasi.stdout_file, wasi.stderr_file = (str(path) for path in streams)
        store = child._store(tools, task, run.stdin, wasi)
        done = child._perform(tools, task, store, child._load(tools, task, artefact.fd))
        store.close()
        artefact.close()
        output, log = (path.read_bytes() for path in streams)
        usage = Usage(fuel=done.fuel, memory_bytes=done.memory_bytes, wall_ms=0)
        return RunReport(done.outcome, done.exit_code, output, log, usage, done.detail)
