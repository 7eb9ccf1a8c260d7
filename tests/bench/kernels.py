"""What metering costs, and what interpreting costs: small computations, timed with and without.

Engines here have the sandbox's own settings but for the one under test, and run in this process: they are ours.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean

import wasmtime
from wasmtime.component import Component, Linker

from dvm.demo import EXAMPLES, find_example
from dvm.sandbox import engine
from dvm.sandbox.form import Form
from dvm.sandbox.linear import LinearMemories

TIMES = 5
FUEL = 1 << 62

KERNELS = {
    "integers": (  # xorshift: a chain of dependent operations
        """(module (func (export "run") (param $n i32) (result i32) (local $x i64)
          (local.set $x (i64.const 88172645463325252))
          (loop $next
            (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 13))))
            (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7))))
            (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 17))))
            (local.set $n (i32.sub (local.get $n) (i32.const 1)))
            (br_if $next (local.get $n)))
          (i32.wrap_i64 (local.get $x))))""",
        10_000_000,
    ),
    "sieve": (  # bytes of memory, short loops
        """(module (memory 20) (func (export "run") (param $n i32) (result i32)
          (local $i i32) (local $j i32) (local $primes i32)
          (memory.fill (i32.const 0) (i32.const 0) (local.get $n))
          (local.set $i (i32.const 2))
          (loop $outer
            (if (i32.eqz (i32.load8_u (local.get $i))) (then
              (local.set $primes (i32.add (local.get $primes) (i32.const 1)))
              (local.set $j (i32.shl (local.get $i) (i32.const 1)))
              (block $done (loop $inner
                (br_if $done (i32.ge_u (local.get $j) (local.get $n)))
                (i32.store8 (local.get $j) (i32.const 1))
                (local.set $j (i32.add (local.get $j) (local.get $i)))
                (br $inner)))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $outer (i32.lt_u (local.get $i) (local.get $n))))
          (local.get $primes)))""",
        1_200_000,
    ),
    "matrix": (  # floating point in nested loops
        """(module (memory 20) (func (export "run") (param $n i32) (result i32)
          (local $i i32) (local $j i32) (local $k i32) (local $sum f64)
          (loop $rows
            (local.set $j (i32.const 0))
            (loop $columns
              (local.set $k (i32.const 0)) (local.set $sum (f64.const 1))
              (loop $cells
                (local.set $sum (f64.add (local.get $sum) (f64.mul
                  (f64.load (i32.shl (i32.add (i32.mul (local.get $i) (local.get $n)) (local.get $k)) (i32.const 3)))
                  (f64.load (i32.shl (i32.add (i32.mul (local.get $k) (local.get $n)) (local.get $j)) (i32.const 3))))))
                (local.set $k (i32.add (local.get $k) (i32.const 1)))
                (br_if $cells (i32.lt_u (local.get $k) (local.get $n))))
              (f64.store offset=524288
                (i32.shl (i32.add (i32.mul (local.get $i) (local.get $n)) (local.get $j)) (i32.const 3))
                (local.get $sum))
              (local.set $j (i32.add (local.get $j) (i32.const 1)))
              (br_if $columns (i32.lt_u (local.get $j) (local.get $n))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $rows (i32.lt_u (local.get $i) (local.get $n))))
          (i32.const 0)))""",
        200,
    ),
    "calls": (  # recursion: little work in many functions
        """(module (func $fib (export "run") (param $n i32) (result i32)
          (if (result i32) (i32.lt_u (local.get $n) (i32.const 2)) (then (local.get $n)) (else
            (i32.add (call $fib (i32.sub (local.get $n) (i32.const 1)))
                     (call $fib (i32.sub (local.get $n) (i32.const 2))))))))""",
        30,
    ),
}


@dataclass(frozen=True, slots=True)
class Timed:
    """The best of `TIMES` runs, and what it computed and cost."""

    seconds: float
    result: int
    fuel: int


def _engine(form: Form, memories: LinearMemories, *, metered: bool) -> wasmtime.Engine:
    if metered:
        return engine.new_engine(memories, form)
    config = wasmtime.Config()
    for name, value in engine._SETTINGS:
        setattr(config, name, value)
    config.consume_fuel = False
    memories.attach(config)
    return wasmtime.Engine(config)


def _time(made: wasmtime.Engine, text: str, size: int, *, metered: bool) -> Timed:
    module = wasmtime.Module(made, text)
    best = Timed(float("inf"), 0, 0)
    for _ in range(TIMES):
        store = wasmtime.Store(made)
        if metered:
            store.set_fuel(FUEL)
        run = wasmtime.Instance(store, module, []).exports(store)["run"]
        assert isinstance(run, wasmtime.Func)
        start = time.perf_counter()
        result = run(store, size)
        took = time.perf_counter() - start
        best = min(best, Timed(took, result, FUEL - store.get_fuel() if metered else 0), key=lambda t: t.seconds)
    return best


def _time_command(made: wasmtime.Engine, name: str, *, metered: bool) -> Timed:
    """An example on its sample, from `run` to its end; what the host does for it is in the time."""
    found = find_example(name)
    component = Component(made, found.component.read_bytes())
    linker = Linker(made)
    linker.add_wasip2()
    best = Timed(float("inf"), 0, 0)
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(TIMES):
            wasi = wasmtime.WasiConfig()
            wasi.argv = ["component", *found.args]
            wasi.stdin_file, wasi.stdout_file = str(found.sample), str(Path(folder, "out"))
            store = wasmtime.Store(made)
            if metered:
                store.set_fuel(FUEL)
            store.set_wasi(wasi)
            instance = linker.instantiate(store, component)
            export = next(each for each in component.type.exports(made) if each.startswith("wasi:cli/run@0.2."))
            index = instance.get_export_index(store, "run", instance.get_export_index(store, export))
            run = instance.get_func(store, index) if index else None
            assert run is not None
            start = time.perf_counter()
            with contextlib.suppress(wasmtime.ExitTrap):
                run(store)
            took = time.perf_counter() - start
            store.close()
            output = Path(folder, "out").read_bytes()
            best = min(best, Timed(took, zlib.crc32(output), 0), key=lambda timed: timed.seconds)
    return best


def compare() -> None:
    """Prints the factor of metering and that of interpreting, for each kernel and all together."""
    memories = LinearMemories()
    memories.open(1 << 30)
    engines = {
        "unmetered": (_engine(Form.NATIVE, memories, metered=False), False),
        "native": (_engine(Form.NATIVE, memories, metered=True), True),
        "pulley": (_engine(Form.PULLEY, memories, metered=True), True),
    }
    _table("kernel", KERNELS, lambda made, name, metered: _time(made, *KERNELS[name], metered=metered), engines)
    _table("example", EXAMPLES, lambda made, name, metered: _time_command(made, name, metered=metered), engines)


def _table(
    kind: str,
    names: Iterable[str],
    measure: Callable[[wasmtime.Engine, str, bool], Timed],
    engines: dict[str, tuple[wasmtime.Engine, bool]],
) -> None:
    metering, interpreting = [], []
    for name in names:
        timed = {how: measure(made, name, metered) for how, (made, metered) in engines.items()}
        assert len({each.result for each in timed.values()}) == 1, timed
        assert timed["native"].fuel == timed["pulley"].fuel, timed
        metering.append(timed["native"].seconds / timed["unmetered"].seconds)
        interpreting.append(timed["pulley"].seconds / timed["native"].seconds)
        print(f"{kind:7} {name:10} {timed['native'].seconds * 1000:8.1f} ms metered   "
              f"metering x{metering[-1]:5.2f}   interpreting x{interpreting[-1]:5.1f}")  # fmt: skip
    print(f"{kind:7} geometric mean                 "
          f"metering x{geometric_mean(metering):5.2f}   interpreting x{geometric_mean(interpreting):5.1f}")  # fmt: skip
