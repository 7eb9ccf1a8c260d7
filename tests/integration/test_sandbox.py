"""The sandbox on real workers: every outcome provoked for real, limits at their edge, the same answer twice.

Times stand here only as limits that end a run; no test measures one.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from wasmtime import wat2wasm

from dvm.sandbox import SandboxLimits, lockdown
from jobs.outcome import Outcome, RunReport
from tests.support.guests import compile_bomb, guest
from tests.support.sandboxes import GRANT, MIB, Bench, narrowed, with_sandbox


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared, so that each guest is compiled once."""
    return tmp_path_factory.mktemp("sandbox")


def run(folder: Path, component: bytes, **what: object) -> RunReport:
    reports: list[RunReport] = []

    async def act(bench: Bench) -> None:
        reports.append(await bench.run(component, **what))
        good = await bench.run(guest("hello"))
        assert (good.outcome, good.output) == (Outcome.FINISHED, b"hello\n"), "the next job must not suffer"

    with_sandbox(folder, act)
    return reports[0]


def test_hello(folder: Path) -> None:
    report = run(folder, guest("hello"))
    assert (report.outcome, report.exit_code, report.output, report.log) == (Outcome.FINISHED, 0, b"hello\n", b"")
    assert report.usage.fuel > 0
    assert report.usage.memory_bytes == 65_536
    assert report.engine == "wasmtime/50.0.1"
    assert report.started_ns > 0
    assert report.detail == ""


@pytest.mark.parametrize(("name", "code"), [("exit-0", 0), ("exit-1", 1)])
def test_exit(folder: Path, name: str, code: int) -> None:
    report = run(folder, guest(name))
    assert (report.outcome, report.exit_code, report.output) == (Outcome.FINISHED, code, b"bye\n")


def test_failure_is_a_finish(folder: Path) -> None:
    report = run(folder, guest("fail"))
    assert (report.outcome, report.exit_code, report.log) == (Outcome.FINISHED, 1, b"no\n")


def test_arguments_and_environment(folder: Path) -> None:
    report = run(folder, guest("surroundings"), args=("--width", "ü x"), env=(("KEY", "a=b"),))
    assert report.output.decode().splitlines() == ["arg component", "arg --width", "arg ü x", "env KEY=a=b"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("trap", "unreachable"),
        ("trap-late", "divide by zero"),
        ("recurse", "call stack exhausted"),
        ("swell-table", "unreachable"),
    ],
)
def test_trap(folder: Path, name: str, words: str) -> None:
    report = run(folder, guest(name))
    assert report.outcome is Outcome.TRAPPED
    assert words in report.detail
    assert report.usage.fuel > 0


@pytest.mark.parametrize("name", ["spin", "spin-start"])
def test_out_of_fuel(folder: Path, name: str) -> None:
    report = run(folder, guest(name), grant=narrowed(fuel=1_000_000))
    assert report.outcome is Outcome.OUT_OF_FUEL
    assert report.usage.fuel == 1_000_000


@pytest.mark.parametrize("name", ["spin", "spin-start"])
def test_out_of_time(folder: Path, name: str) -> None:
    report = run(folder, guest(name), grant=narrowed(fuel=1 << 60, wall_ms=100))
    assert report.outcome is Outcome.OUT_OF_TIME
    assert "100 ms" in report.detail


def test_out_of_memory(folder: Path) -> None:
    report = run(folder, guest("swell"), grant=narrowed(memory_bytes=8 * MIB))
    assert report.outcome is Outcome.OUT_OF_MEMORY
    assert 7 * MIB < report.usage.memory_bytes <= 8 * MIB


def test_all_memories_count_together(folder: Path) -> None:
    report = run(folder, guest("memories"))
    assert report.outcome is Outcome.OUT_OF_MEMORY
    assert report.usage.memory_bytes <= GRANT.memory_bytes


def test_a_guest_that_takes_no_for_an_answer_finishes(folder: Path) -> None:
    report = run(folder, guest("swell-politely"), grant=narrowed(memory_bytes=8 * MIB))
    assert report.outcome is Outcome.FINISHED
    assert int(report.output, 16) * 65_536 == report.usage.memory_bytes <= 8 * MIB


@pytest.mark.parametrize("name", ["flood-stdout", "flood-stdout-deaf"])
def test_output_too_large(folder: Path, name: str) -> None:
    report = run(folder, guest(name), grant=narrowed(fuel=1 << 60, output_bytes=5_000))
    assert report.outcome is Outcome.OUTPUT_TOO_LARGE
    assert report.output == b"x" * 5_000


def test_output_of_exactly_the_cap(folder: Path) -> None:
    assert run(folder, guest("hello"), grant=narrowed(output_bytes=6)).outcome is Outcome.FINISHED
    report = run(folder, guest("hello"), grant=narrowed(output_bytes=5))
    assert (report.outcome, report.output) == (Outcome.OUTPUT_TOO_LARGE, b"hello")


def test_log_is_cut_not_an_error(folder: Path) -> None:
    report = run(folder, guest("fail"), grant=narrowed(log_bytes=2))
    assert (report.outcome, report.exit_code, report.log) == (Outcome.FINISHED, 1, b"no")


def test_a_flood_of_the_log_ends_by_another_limit(folder: Path) -> None:
    report = run(folder, guest("flood-stderr"), grant=narrowed(fuel=1 << 60, wall_ms=300))
    assert (report.outcome, len(report.log)) == (Outcome.OUT_OF_TIME, GRANT.log_bytes)


@pytest.mark.parametrize(
    ("name", "interface"), [("wants-http", "wasi:http/types@0.2.0"), ("wants-unknown", "acme:mystery/door@1.0.0")]
)
def test_refused_import(folder: Path, name: str, interface: str) -> None:
    report = run(folder, guest(name))
    assert report.outcome is Outcome.REFUSED_IMPORT
    assert interface in report.detail
    assert report.started_ns == 0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("core-module", "core WebAssembly module"),
        ("empty", "wasi:cli/run"),
        ("no-run", "wasi:cli/run"),
        ("run-0-3", "wasi:cli/run"),
        ("run-takes-argument", "run must take nothing"),
    ],
)
def test_invalid_component(folder: Path, name: str, words: str) -> None:
    report = run(folder, guest(name))
    assert report.outcome is Outcome.INVALID_COMPONENT
    assert words in report.detail


@pytest.mark.parametrize("data", [b"", b"(component)", guest("hello")[:-40], b"\0asm\x0d\0\x01\0\xff"])
def test_garbage_is_no_component(folder: Path, data: bytes) -> None:
    assert run(folder, data).outcome is Outcome.INVALID_COMPONENT


def test_compile_bomb(folder: Path) -> None:
    report = run(folder, compile_bomb())
    assert report.outcome is Outcome.COMPILE_LIMIT
    assert "local variables" in report.detail


def entangled(variables: int) -> bytes:
    """A valid command whose code, never called, is slow to compile: all its variables live at once, in a loop."""
    steps = "".join(
        f"(local.set {i} (i64.add (local.get {i}) (local.get {(i + 1) % variables})))" for i in range(variables)
    )
    return bytes(
        wat2wasm(f"""(component
            (core module $m
              (func (export "run") (result i32) (i32.const 0))
              (func (local {"i64 " * variables}) (loop {steps} (br 0))))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $cli (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $cli)))""")
    )


@pytest.mark.parametrize(
    ("limits", "words"),
    [(SandboxLimits(compile_cpu_s=1), "processor time"), (SandboxLimits(compile_data_bytes=16 * MIB), "memory")],
)
def test_compilation_beyond_its_limits(tmp_path: Path, limits: SandboxLimits, words: str) -> None:
    """One that the gate lets pass."""

    async def act(bench: Bench) -> None:
        report = await bench.run(entangled(10_000))
        assert report.outcome is Outcome.COMPILE_LIMIT, report.detail
        assert words in report.detail
        assert (await bench.run(guest("hello"))).outcome is Outcome.FINISHED

    with_sandbox(tmp_path, act, limits=limits)


def test_garbage_collected_heaps_count_as_memory(folder: Path) -> None:
    swell = wat2wasm("""(component
        (core module $m
          (type $block (array (mut i64)))
          (type $list (struct (field (ref null $block)) (field (ref null $list))))
          (func (export "run") (result i32)
            (local $list (ref null $list))
            (loop $more
              (local.set $list (struct.new $list (array.new $block (i64.const 1) (i32.const 100000)) (local.get $list)))
              (br $more))
            (i32.const 0)))
        (core instance $i (instantiate $m))
        (func $run (result (result)) (canon lift (core func $i "run")))
        (instance $cli (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $cli)))""")
    report = run(folder, bytes(swell), grant=narrowed(memory_bytes=16 * MIB))
    assert report.outcome is Outcome.OUT_OF_MEMORY
    assert 8 * MIB < report.usage.memory_bytes <= 16 * MIB


def test_too_large_a_component(tmp_path: Path) -> None:
    async def act(bench: Bench) -> None:
        assert (await bench.run(guest("hello"))).outcome is Outcome.COMPILE_LIMIT
        assert (await bench.run(guest("run-plain"))).outcome is Outcome.FINISHED

    with_sandbox(tmp_path, act, limits=SandboxLimits(component_bytes=1_000))


def test_other_bytes_than_the_digest_says_are_never_run(folder: Path) -> None:
    async def act(bench: Bench) -> None:
        order = bench.order(guest("fail"))
        wrong = replace(order, digest="ab" * 32)
        report = await bench.sandbox.run(wrong)
        assert report.outcome is Outcome.SANDBOX_FAILURE
        assert "fetch it again" in report.detail
        missing = await bench.sandbox.run(replace(wrong, component=folder / "nowhere"))
        assert missing.outcome is Outcome.SANDBOX_FAILURE

    with_sandbox(folder, act)


def test_sockets_may_be_imported_but_not_had(folder: Path) -> None:
    assert run(folder, guest("wants-sockets")).outcome is Outcome.FINISHED


def test_sleep_ends_at_once(folder: Path) -> None:
    """It asks for an hour; what the limit of time would say, fuel 8 and a finish say otherwise."""
    assert run(folder, guest("sleep")).outcome is Outcome.FINISHED


@pytest.mark.parametrize("wasi", [f"0.2.{patch}" for patch in (0, 3, 6, 12, 40)])
def test_clock_and_dice(folder: Path, wasi: str) -> None:
    """The guest prints its clocks and its randomness: all of it follows from the run."""
    chance = guest("chance", wasi=wasi)

    async def act(bench: Bench) -> None:
        first = await bench.run(chance, clock=1_700_000_000, seed=b"s" * 32)
        assert (await bench.run(chance, clock=1_700_000_000, seed=b"s" * 32)).output == first.output
        other = await bench.run(chance, clock=1_700_000_001, seed=b"t" * 32)
        assert first.output[:8] == (1_700_000_000).to_bytes(8, "little")
        assert first.output[8:12] == bytes(4)
        assert first.output[12:20] == (1_700_000_000_000_000_000).to_bytes(8, "little")
        assert other.output[:8] == (1_700_000_001).to_bytes(8, "little")
        assert len(first.output) == 36
        assert first.output[20:] != other.output[20:]

    with_sandbox(folder, act)


@pytest.mark.parametrize("name", ["hello", "swell", "recurse", "chance", "swell-politely"])
def test_the_same_run_uses_the_same_fuel_and_memory(folder: Path, name: str) -> None:
    async def act(bench: Bench) -> None:
        reports = [await bench.run(guest(name)) for _ in range(3)]
        assert len({(r.outcome, r.output, r.log, r.usage.fuel, r.usage.memory_bytes, r.detail) for r in reports}) == 1

    with_sandbox(folder, act)


def test_the_daemon_never_loads_the_engine(folder: Path) -> None:
    code = (
        "import asyncio, sys, pathlib\n"
        "from dvm.sandbox import ZygoteSandbox\n"
        "async def main():\n"
        f"    async with ZygoteSandbox(pathlib.Path({str(folder / 'state')!r})): pass\n"
        "asyncio.run(main())\n"
        "sys.exit('wasmtime' in sys.modules)\n"
    )

    async def main() -> int:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=Path(__file__).parents[2])
        return await process.wait()

    assert asyncio.run(main()) == 0


def test_layers(folder: Path) -> None:
    async def act(bench: Bench) -> None:
        layers = await bench.sandbox.layers()
        assert all(layers[name] for name in lockdown.REQUIRED)
        assert {"namespaces", "landlock"} <= set(layers)

    with_sandbox(folder, act)


EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("name", ["echo", "markdown"])
def test_examples_from_two_toolchains(folder: Path, name: str) -> None:
    component = (EXAMPLES / name / f"{name}.wasm").read_bytes()

    async def act(bench: Bench) -> None:
        report = await bench.run(component, stdin=b"# Title\n")
        assert report.outcome is Outcome.FINISHED, report.detail
        assert b"Title" in report.output
        assert (await bench.run(component, stdin=b"# Title\n")).usage.fuel == report.usage.fuel

    with_sandbox(folder, act)
