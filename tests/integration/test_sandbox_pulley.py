"""The interpreter in the place of machine code: the same answers at the same price, and no executable mapping, ever."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dvm.sandbox import SandboxError, ZygoteSandbox, advisories, form
from dvm.sandbox.advisories import Advisory, Part, Reach
from jobs.outcome import Outcome, RunReport
from tests.support.guests import guest, names
from tests.support.sandboxes import Bench, narrowed

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
GRANT = narrowed(fuel=3_000_000, wall_ms=60_000)
EXAMPLE_GRANT = narrowed(fuel=2_000_000_000, wall_ms=120_000, memory_bytes=256 << 20)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, RunReport]]:
    """Every guest and every example with its sample, by both forms: `reports[form][name]`."""
    found: dict[str, dict[str, RunReport]] = {}

    async def main() -> None:
        for choice in ("native", "pulley"):
            folder = tmp_path_factory.mktemp(choice)
            async with ZygoteSandbox(folder / "state", engine=choice) as sandbox:
                found[choice] = await _all(Bench(folder, sandbox))

    asyncio.run(main())
    return found


async def _all(bench: Bench) -> dict[str, RunReport]:
    ran = {}
    for name in names():
        grant = narrowed(wall_ms=500) if name == "flood-stderr" else GRANT  # it ends by its deadline alone
        ran[name] = await bench.run(guest(name), grant=grant, stdin=b"some input")
    for name, sample, args in (
        ("echo", b"text", ()),
        ("markdown", (EXAMPLES / "markdown" / "sample.md").read_bytes(), ()),
        ("thumbnail", (EXAMPLES / "thumbnail" / "sample.png").read_bytes(), ("--width", "48")),
    ):
        data = (EXAMPLES / name / f"{name}.wasm").read_bytes()
        ran[f"example {name}"] = await bench.run(data, stdin=sample, args=args, grant=EXAMPLE_GRANT)
        assert ran[f"example {name}"].outcome is Outcome.FINISHED
    return ran


def _told(report: RunReport) -> tuple[object, ...]:
    usage = report.usage
    return report.outcome, report.exit_code, report.output, report.log, usage.fuel, usage.memory_bytes


def test_same_answers_and_same_fuel(reports: dict[str, dict[str, RunReport]]) -> None:
    native, pulley = reports["native"], reports["pulley"]
    assert len(native) > 20
    assert native.keys() == pulley.keys()
    different = {name for name in native if _told(native[name]) != _told(pulley[name])}
    # How many calls fit on the stack depends on the size of a frame, which is the compiler's business.
    assert different == {"recurse"}
    assert native["recurse"].outcome is pulley["recurse"].outcome is Outcome.TRAPPED
    assert native["recurse"].detail == pulley["recurse"].detail
    assert {report.outcome for report in native.values()} >= {Outcome.FINISHED, Outcome.TRAPPED, Outcome.OUT_OF_FUEL}


def test_the_receipt_says_which_form_it_was(reports: dict[str, dict[str, RunReport]]) -> None:
    assert {report.engine for report in reports["native"].values()} == {"wasmtime/50.0.1"}
    assert {report.engine for report in reports["pulley"].values()} == {"wasmtime/50.0.1+pulley"}


def test_one_folder_keeps_both_forms_apart(tmp_path: Path) -> None:
    """Machine code must never be taken for the interpreter's, nor the other way round."""

    async def run(choice: str) -> set[str]:
        async with ZygoteSandbox(tmp_path / "state", engine=choice) as sandbox:
            assert (await Bench(tmp_path, sandbox).run(guest("hello"))).output == b"hello\n"
        return {path.name for path in (tmp_path / "state").rglob("*.artefact")}

    native = asyncio.run(run("native"))
    both = asyncio.run(run("pulley"))
    assert len(native) == 2
    assert native < both
    assert len(both) == 4
    assert asyncio.run(run("native")) == both


def test_layers(tmp_path: Path) -> None:
    async def layers(choice: str) -> dict[str, bool]:
        async with ZygoteSandbox(tmp_path / choice, engine=choice) as sandbox:
            return dict(await sandbox.layers())

    pulley = asyncio.run(layers("pulley"))
    assert pulley["no_executable"]
    kernel = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    assert pulley["mdwe"] is (kernel >= (6, 3))
    assert "no_executable" not in asyncio.run(layers("native"))


SCRIPT = """
import ctypes, json, mmap, os, sys
sys.path[:0] = json.loads(sys.argv[1])
from dvm.sandbox import engine, lockdown
from dvm.sandbox.form import Form
from dvm.sandbox.linear import LinearMemories
from wasmtime import Module, WasmtimeError

form, executable = Form(sys.argv[2]), sys.argv[3] == "free"
made = engine.new_engine(LinearMemories(), form)
text = '(module (func (export "f") (result i32) (i32.const 7)))'
compiled = Module(made, text).serialize()
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
libc.syscall.argtypes = [ctypes.c_long, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
program = os.open(sys.executable, os.O_RDONLY)
plain = libc.mmap(None, 4096, 3, 0x22, -1, 0)

lockdown.confine_zygote(os.getppid(), executable=executable)

failed = ctypes.c_void_p(-1).value
found = {
    "anonymous": libc.mmap(None, 4096, 5, 0x22, -1, 0) != failed,
    "writable too": libc.mmap(None, 4096, 7, 0x22, -1, 0) != failed,
    "of a file": libc.mmap(None, 4096, 5, 2, program, 0) != failed,
    "made executable": libc.mprotect(plain, 4096, 5) == 0,
    "of a pkey": libc.syscall(329 if os.uname().machine == "x86_64" else 288, plain, 4096, 5, -1) == 0,
}
for name, act in (("load", lambda: Module.deserialize(made, compiled)), ("compile", lambda: Module(made, text))):
    try:
        act()
        found[name] = True
    except WasmtimeError:
        found[name] = False
print(json.dumps(found))
"""

MAPPINGS = {"anonymous", "writable too", "of a file", "made executable"}
"""What works everywhere without the fence; memory protection keys are not in every kernel."""


def _possible(form_: str, how: str) -> set[str]:
    roots = [str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))]
    command = [sys.executable, "-c", SCRIPT, json.dumps(roots), form_, how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return {name for name, worked in json.loads(done.stdout).items() if worked}


def test_no_executable_mapping_can_be_made_before_or_after_loading() -> None:
    assert _possible("pulley", "fenced") == {"load", "compile"}


def test_the_fence_is_what_refuses() -> None:
    """Without it all of this works, and machine code does not get past it."""
    assert _possible("native", "free") >= MAPPINGS | {"load", "compile"}
    assert _possible("native", "fenced") == set()


def test_an_advisory_moves_the_node_to_the_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = Advisory("TEST-1", "a planted fault", Reach.ESCAPE, Part.MACHINE_CODE, ("99.0.0",))
    monkeypatch.setattr(advisories, "TABLE", (bad,))

    async def main() -> None:
        async with ZygoteSandbox(tmp_path / "state") as sandbox:
            assert "TEST-1" in sandbox.warning
            report = await Bench(tmp_path, sandbox).run(guest("hello"))
            assert (report.output, report.engine) == (b"hello\n", "wasmtime/50.0.1+pulley")

    asyncio.run(main())
    assert ZygoteSandbox(tmp_path, engine="native").engine == "wasmtime/50.0.1"


def test_an_advisory_that_no_form_escapes_stops_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = Advisory("TEST-2", "a planted fault", Reach.ESCAPE, Part.RUNTIME, ("99.0.0",))
    monkeypatch.setattr(advisories, "TABLE", (bad,))
    for choice in form.CHOICES:
        with pytest.raises(SandboxError, match="TEST-2"):
            ZygoteSandbox(tmp_path, engine=choice)
