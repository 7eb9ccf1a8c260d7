"""Guests that want more memory than they were granted, in every way there is to hold some."""

from __future__ import annotations

from wasmtime import wat2wasm

from jobs.outcome import Outcome
from tests.hostile.loops import main
from tests.hostile.row import Row, ends
from tests.support.guests import bare, command, guest
from tests.support.sandboxes import MIB

_MEMORY, _TRAP, _FUEL = ends(Outcome.OUT_OF_MEMORY), ends(Outcome.TRAPPED), ends(Outcome.OUT_OF_FUEL)
_DONE, _INVALID = ends(Outcome.FINISHED), ends(Outcome.INVALID_COMPONENT)
_SMALL = {"memory_bytes": 16 * MIB}


def many(module: str, count: int) -> bytes:
    """A command beside `count` instances of the core module whose text is `module`."""
    return bare(
        f"(core module $many {module})"
        + "(core instance (instantiate $many))" * count
        + '(core module $main (func (export "run") (result i32) (i32.const 0)))'
    )


def leak(step: str, *, imports: str) -> bytes:
    """A command that does `step` for ever, and gives nothing back."""
    return command(f"""(core module $main
      (import "store" "memory" (memory 1))
      (import "store" "reset" (func $reset))
      {imports}
      (func (export "run") (result i32) (loop $l {step} (br $l)) unreachable))""")


_HOARD = """
  (type $block (array (mut i64)))
  (type $list (struct (field (ref null $block)) (field (ref null $list))))"""

ROWS = (
    Row(name="swell", what="grows its memory and touches it", build=lambda: guest("swell"), ends=_MEMORY),
    Row(
        name="swell-politely",
        what="grows its memory until it is refused, then ends well",
        build=lambda: guest("swell-politely"),
        ends=_DONE,
        limits=_SMALL,
    ),
    Row(name="memories", what="forty memories of 64 MiB", build=lambda: guest("memories"), ends=_MEMORY),
    Row(
        name="memories-65",
        what="more memories than any component may have",
        build=lambda: many("(memory 1)", 65),
        ends=_MEMORY,
    ),
    Row(
        name="memories-in-one-module",
        what="sixty memories in one module, all growing",
        build=lambda: main(
            "(loop $l "
            + "".join(
                f"(if (i32.eq (memory.grow $m{i} (i32.const 1)) (i32.const -1)) (then unreachable))" for i in range(60)
            )
            + "(br $l)) unreachable",
            before="".join(f"(memory $m{i} 0)" for i in range(60)),
        ),
        ends=_MEMORY,
    ),
    Row(
        name="memory-4-gib",
        what="a memory of 4 GiB from the start",
        build=lambda: main("(i32.const 0)", before="(memory 65536)"),
        ends=_MEMORY,
    ),
    Row(
        name="memory64-huge",
        what="a 64-bit memory of 256 TiB from the start",
        build=lambda: main("(i32.const 0)", before="(memory i64 0x100000000)"),
        ends=_MEMORY,
    ),
    Row(
        name="memory64-grow",
        what="asks a 64-bit memory to grow by 2^47 pages, then by one at a time",
        build=lambda: main(
            "(drop (memory.grow (i64.const 0x7fffffffffff)))"
            "(loop $l (br_if $l (i64.ne (memory.grow (i64.const 1)) (i64.const -1)))) unreachable",
            before="(memory i64 1)",
        ),
        ends=_MEMORY,
    ),
    Row(
        name="memory-shared",
        what="a memory shared between threads",
        build=lambda: main("(i32.const 0)", before="(memory 1 2 shared)"),
        ends=_INVALID,
    ),
    Row(
        name="grow-storm",
        what="asks for memory that it cannot get, for ever",
        build=lambda: main("(loop $l (drop (memory.grow (i32.const 65535))) (br $l)) unreachable", before="(memory 1)"),
        ends=ends(Outcome.OUT_OF_FUEL, Outcome.OUT_OF_TIME),
        limits={"fuel": 2_000_000, "wall_ms": 2_000},
    ),
    Row(name="swell-table", what="grows a table until it is refused", build=lambda: guest("swell-table"), ends=_TRAP),
    Row(
        name="table-at-start",
        what="a table of ten million elements from the start",
        build=lambda: main("(i32.const 0)", before="(table 10000000 funcref)"),
        ends=_MEMORY,
    ),
    Row(
        name="tables",
        what="two thousand tables that together would take 1 GiB",
        build=lambda: many("(table 65536 65536 funcref)" * 2, 1000),
        ends=_MEMORY,
    ),
    Row(
        name="tables-of-references",
        what="tables of externref that grow by turns",
        build=lambda: main(
            "(loop $l "
            + "".join(f"(drop (table.grow $t{i} (ref.null extern) (i32.const 1000)))" for i in range(20))
            + "(br $l)) unreachable",
            before="".join(f"(table $t{i} 0 externref)" for i in range(20)),
        ),
        ends=_FUEL,
        limits={"fuel": 5_000_000},
    ),
    Row(
        name="instances",
        what="1,900 instances of an empty module, more than the engine may make",
        build=lambda: many("", 1_900),
        ends=_MEMORY,
    ),
    Row(
        name="gc-list",
        what="a list of garbage-collected arrays that only grows",
        build=lambda: main(
            """(local $list (ref null $list))
            (loop $l
              (local.set $list
                (struct.new $list (array.new $block (i64.const 1) (i32.const 100000)) (local.get $list)))
              (br $l)) unreachable""",
            before=_HOARD,
        ),
        ends=_MEMORY,
        limits=_SMALL,
    ),
    Row(
        name="gc-array",
        what="one garbage-collected array of 16 GiB",
        build=lambda: main(
            "(drop (array.new $block (i64.const 1) (i32.const 0x7fffffff))) (i32.const 0)", before=_HOARD
        ),
        ends=_TRAP,
    ),
    Row(
        name="gc-churn",
        what="makes garbage for ever",
        build=lambda: main(
            "(loop $l (drop (array.new $block (i64.const 1) (i32.const 1000))) (br $l)) unreachable", before=_HOARD
        ),
        ends=_FUEL,
        limits={"fuel": 20_000_000, "wall_ms": 3_000},
    ),
    Row(
        name="gc-cycles",
        what="makes cycles of garbage, which counting references does not free",
        build=lambda: main(
            """(local $n (ref $node))
            (loop $l
              (local.set $n (struct.new $node (ref.null $node) (i64.const 1)))
              (struct.set $node 0 (local.get $n) (local.get $n))
              (br $l)) unreachable""",
            before="(rec (type $node (struct (field (mut (ref null $node))) (field i64))))",
        ),
        ends=_MEMORY,
        limits={"memory_bytes": 4 * MIB, "fuel": 20_000_000},
    ),
    Row(
        name="data-segments",
        what="initialises its memory from far outside it",
        build=lambda: main("(i32.const 0)", before='(memory 1) (data (i32.const 0x7fffffff) "x")'),
        ends=_TRAP,
    ),
    Row(
        name="exception-hoard",
        what="keeps every exception that it throws",
        build=lambda: main(
            """(loop $l
              (drop (table.grow $t (block $h (result exnref) (try_table (catch_all_ref $h) (throw $e)) unreachable)
                (i32.const 1)))
              (br $l)) unreachable""",
            before="(tag $e) (table $t 0 exnref)",
        ),
        ends=_FUEL,
        limits={"memory_bytes": 4 * MIB, "fuel": 20_000_000},
    ),
    Row(
        name="leak-streams",
        what="asks for standard output again and again and never gives it back",
        build=lambda: leak("(drop (call $get))", imports='(import "wasi" "get-stdout" (func $get (result i32)))'),
        ends=_TRAP,
    ),
    Row(
        name="leak-pollables",
        what="asks to be woken again and again and never waits",
        build=lambda: leak(
            "(drop (call $after (i64.const 1)))",
            imports='(import "wasi" "after" (func $after (param i64) (result i32)))',
        ),
        ends=_TRAP,
    ),
    Row(
        name="random-flood",
        what="draws as much randomness as it gets, for ever",
        build=lambda: leak(
            "(call $reset) (call $random (i64.const 16000) (i32.const 0))",
            imports='(import "wasi" "random" (func $random (param i64 i32)))',
        ),
        ends=ends(Outcome.OUT_OF_TIME),
        limits={"fuel": 1 << 60, "wall_ms": 300},
    ),
    Row(
        name="random-huge",
        what="draws 2^63 random bytes at once",
        build=lambda: leak(
            "(call $random (i64.const 0x7fffffffffffffff) (i32.const 0))",
            imports='(import "wasi" "random" (func $random (param i64 i32)))',
        ),
        ends=_TRAP,
        words="random bytes",
    ),
    Row(
        name="read-huge",
        what="asks to read 2^63 bytes of standard input",
        build=lambda: command("""(core module $main
          (import "store" "memory" (memory 1))
          (import "wasi" "get-stdin" (func $get (result i32)))
          (import "wasi" "read" (func $read (param i32 i64 i32)))
          (func (export "run") (result i32)
            (call $read (call $get) (i64.const 0x7fffffffffffffff) (i32.const 0)) (i32.const 0)))"""),
        ends=_DONE,
    ),
    Row(
        name="args-nowhere",
        what="tells the host to write the arguments behind the end of the memory",
        build=lambda: command("""(core module $main
          (import "wasi" "args" (func $args (param i32)))
          (func (export "run") (result i32) (call $args (i32.const 0x7ffffff0)) (i32.const 0)))"""),
        ends=_TRAP,
    ),
    Row(
        name="nested-instances",
        what="a component that instantiates nested components with a memory each",
        build=lambda: bytes(
            wat2wasm(
                """(component
          (component $inner (core module $m (memory 100)) """
                + "(core instance (instantiate $m))" * 10
                + """)
          """
                + "(instance (instantiate $inner))" * 20
                + """
          (core module $main (func (export "run") (result i32) (i32.const 0)))
          (core instance $main (instantiate $main))
          (func $run (result (result)) (canon lift (core func $main "run")))
          (instance $command (export "run" (func $run)))
          (export "wasi:cli/run@0.2.0" (instance $command)))"""
            )
        ),
        ends=_MEMORY,
    ),
)
