"""What metering costs, and what interpreting costs: small computations, timed with and without.

Engines here have the sandbox's own settings but for the one under test, and run in this process: they are ours.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import geometric_mean

import wasmtime

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


def compare() -> None:
    """Prints the factor of metering and that of interpreting, for each kernel and all together."""
    memories = LinearMemories()
    memories.open(1 << 30)
    engines = {
        "unmetered": (_engine(Form.NATIVE, memories, metered=False), False),
        "native": (_engine(Form.NATIVE, memories, metered=True), True),
        "pulley": (_engine(Form.PULLEY, memories, metered=True), True),
    }
    metering, interpreting = [], []
    for name, (text, size) in KERNELS.items():
        timed = {how: _time(made, text, size, metered=metered) for how, (made, metered) in engines.items()}
        assert len({each.result for each in timed.values()}) == 1, timed
        assert timed["native"].fuel == timed["pulley"].fuel, timed
        metering.append(timed["native"].seconds / timed["unmetered"].seconds)
        interpreting.append(timed["pulley"].seconds / timed["native"].seconds)
        print(f"kernel {name:10} {timed['native'].seconds * 1000:8.1f} ms metered   "
              f"metering x{metering[-1]:5.2f}   interpreting x{interpreting[-1]:5.1f}   "
              f"fuel {timed['native'].fuel}")  # fmt: skip
    print(f"geometric mean of {len(KERNELS)} kernels             "
          f"metering x{geometric_mean(metering):5.2f}   interpreting x{geometric_mean(interpreting):5.1f}")  # fmt: skip
