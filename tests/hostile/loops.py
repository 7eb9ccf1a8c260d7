"""Guests that never end, or go down until something breaks."""

from __future__ import annotations

from wasmtime import wat2wasm

from jobs.outcome import Outcome
from tests.hostile.row import Row, ends
from tests.support.guests import bare, guest

_LITTLE_FUEL = {"fuel": 5_000_000}
_LITTLE_TIME = {"fuel": 1 << 60, "wall_ms": 100}
_FUEL, _TIME, _TRAP = ends(Outcome.OUT_OF_FUEL), ends(Outcome.OUT_OF_TIME), ends(Outcome.TRAPPED)

_IN_REALLOC = """(component
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-arguments" (func (result (list string))))))
  (core module $store
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) BODY))
  (core instance $store (instantiate $store))
  (alias core export $store "memory" (core memory $m))
  (alias core export $store "realloc" (core func $realloc))
  (core func $args (canon lower (func $environment "get-arguments")
    (memory (core memory $m)) (realloc (core func $realloc))))
  (core module $main
    (import "wasi" "args" (func $args (param i32)))
    (func (export "run") (result i32) (call $args (i32.const 0)) (i32.const 0)))
  (core instance $main (instantiate $main (with "wasi" (instance (export "args" (func $args))))))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))"""

_POST_RETURN = """(component
  (core module $main
    (func (export "run") (result i32) (i32.const 0))
    (func (export "after") (param i32) BODY))
  (core instance $main (instantiate $main))
  (func $run (result (result)) (canon lift (core func $main "run") (post-return (core func $main "after"))))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))"""


def in_realloc(body: str) -> bytes:
    """A command whose allocator, which the host calls for the arguments, is `body`."""
    return bytes(wat2wasm(_IN_REALLOC.replace("BODY", body)))


def after_return(body: str) -> bytes:
    """A command that does `body` after it has returned."""
    return bytes(wat2wasm(_POST_RETURN.replace("BODY", body)))


def main(body: str, *, before: str = "") -> bytes:
    """A command that imports nothing and does `body`."""
    return bare(f'(core module $main {before} (func (export "run") (result i32) {body}))')


_SPIN = "(loop $l (br $l)) unreachable"

ROWS = (
    Row(
        name="loop-fuel",
        what="an endless loop, with little fuel",
        build=lambda: guest("spin"),
        ends=_FUEL,
        limits=_LITTLE_FUEL,
    ),
    Row(
        name="loop-time",
        what="an endless loop, with fuel for ever",
        build=lambda: guest("spin"),
        ends=_TIME,
        limits=_LITTLE_TIME,
    ),
    Row(
        name="loop-start-fuel",
        what="an endless loop in the start function",
        build=lambda: guest("spin-start"),
        ends=_FUEL,
        limits=_LITTLE_FUEL,
    ),
    Row(
        name="loop-start-time",
        what="the same, with fuel for ever",
        build=lambda: guest("spin-start"),
        ends=_TIME,
        limits=_LITTLE_TIME,
    ),
    Row(
        name="loop-realloc-fuel",
        what="an endless loop in the allocator that the host calls",
        build=lambda: in_realloc(_SPIN),
        ends=_FUEL,
        limits=_LITTLE_FUEL,
        args=("x",),
    ),
    Row(
        name="loop-realloc-time",
        what="the same, with fuel for ever",
        build=lambda: in_realloc(_SPIN),
        ends=_TIME,
        limits=_LITTLE_TIME,
        args=("x",),
    ),
    Row(
        name="realloc-nowhere",
        what="the allocator gives the host an address far outside the memory",
        build=lambda: in_realloc("(i32.const -16)"),
        ends=_TRAP,
        args=("x",),
    ),
    Row(
        name="loop-post-return-fuel",
        what="an endless loop after the return",
        build=lambda: after_return(_SPIN),
        ends=_FUEL,
        limits=_LITTLE_FUEL,
    ),
    Row(
        name="loop-post-return-time",
        what="the same, with fuel for ever",
        build=lambda: after_return(_SPIN),
        ends=_TIME,
        limits=_LITTLE_TIME,
    ),
    Row(
        name="trap-post-return",
        what="a trap after the return",
        build=lambda: after_return("unreachable"),
        ends=_TRAP,
    ),
    Row(
        name="loop-br-table",
        what="an endless loop over br_table",
        build=lambda: main("(loop $l (block $b (br_table $l $l $b (i32.const 1)))) (i32.const 0)"),
        ends=_FUEL,
        limits=_LITTLE_FUEL,
    ),
    Row(
        name="loop-tail-call",
        what="a function that is its own tail call",
        build=lambda: main("(call $f) (i32.const 0)", before="(func $f (return_call $f))"),
        ends=_FUEL,
        limits=_LITTLE_FUEL,
    ),
    Row(
        name="loop-exceptions",
        what="throws and catches for ever",
        build=lambda: main(
            "(loop $again (block $caught (try_table (catch $e $caught) (throw $e))) (br $again)) unreachable",
            before="(tag $e)",
        ),
        ends=_FUEL,
        limits=_LITTLE_FUEL,
    ),
    Row(
        name="uncaught-exception",
        what="throws what nobody catches",
        build=lambda: main("(throw $e (i32.const 7))", before="(tag $e (param i32))"),
        ends=_TRAP,
    ),
    Row(
        name="call-tree",
        what="forty functions that each call the next one twice: 2^40 calls",
        build=lambda: main(
            "(call $f0) (i32.const 0)",
            before="".join(f"(func $f{i} (call $f{i + 1}) (call $f{i + 1}))" for i in range(40)) + "(func $f40)",
        ),
        ends=_FUEL,
        limits=_LITTLE_FUEL,
    ),
    Row(
        name="fill-memory",
        what="fills 48 MiB of memory again and again: one instruction, much work",
        build=lambda: main(
            "(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 50331648)) (br $l)) unreachable",
            before="(memory 768)",
        ),
        ends=_TIME,
        limits={"fuel": 1 << 60, "wall_ms": 300},
    ),
    Row(
        name="fill-table",
        what="fills a table again and again",
        build=lambda: main(
            "(loop $l (table.fill 0 (i32.const 0) (ref.null func) (i32.const 65536)) (br $l)) unreachable",
            before="(table 65536 65536 funcref)",
        ),
        ends=_TIME,
        limits={"fuel": 1 << 60, "wall_ms": 300},
    ),
    Row(
        name="recursion",
        what="calls itself until the stack is exhausted",
        build=lambda: guest("recurse"),
        ends=_TRAP,
        words="call stack exhausted",
    ),
    Row(
        name="recursion-large-frames",
        what="the same with a thousand variables in each frame",
        build=lambda: main(
            "(call $f (i64.const 1)) (i32.const 0)",
            before=f"(func $f (param i64) (local {'i64 ' * 1000})"
            + "".join(f"(local.set {i} (i64.add (local.get 0) (i64.const {i})))" for i in range(1, 1001))
            + "(call $f (i64.const 2))"
            + "".join(f"(drop (local.get {i}))(global.set $g (local.get {i}))" for i in range(1, 1001))
            + ")(global $g (mut i64) (i64.const 0))",
        ),
        ends=_TRAP,
        words="call stack exhausted",
    ),
    Row(
        name="recursion-indirect",
        what="calls itself through a table",
        build=lambda: main(
            "(call $f) (i32.const 0)",
            before="(type $t (func)) (table 1 funcref) (elem (i32.const 0) $f)"
            "(func $f (call_indirect (type $t) (i32.const 0)))",
        ),
        ends=_TRAP,
        words="call stack exhausted",
    ),
    Row(
        name="recursion-start",
        what="recursion in the start function",
        build=lambda: main("(i32.const 0)", before="(func $f (call $f)) (start $f)"),
        ends=_TRAP,
        words="call stack exhausted",
    ),
    Row(
        name="recursion-realloc",
        what="recursion in the allocator that the host calls",
        build=lambda: bytes(
            wat2wasm(
                _IN_REALLOC.replace('(func (export "realloc")', '(func $f (call $f)) (func (export "realloc")').replace(
                    "BODY", "(call $f) unreachable"
                )
            )
        ),
        ends=_TRAP,
        words="call stack exhausted",
        args=("x",),
    ),
    Row(
        name="trap-start",
        what="a trap in the start function",
        build=lambda: main("(i32.const 0)", before="(func $f unreachable) (start $f)"),
        ends=_TRAP,
        words="unreachable",
    ),
    Row(name="trap", what="a trap at once", build=lambda: guest("trap"), ends=_TRAP, words="unreachable"),
    Row(
        name="trap-out-of-bounds",
        what="reads behind the end of its memory",
        build=lambda: main("(i32.load offset=4294967295 (i32.const -1))", before="(memory 1)"),
        ends=_TRAP,
        words="out of bounds",
    ),
    Row(
        name="trap-wrong-signature",
        what="calls through a table with a wrong signature",
        build=lambda: main(
            "(call_indirect (type $t) (i32.const 0))",
            before="(type $t (func (result i32))) (func $f) (table 1 funcref) (elem (i32.const 0) $f)",
        ),
        ends=_TRAP,
    ),
)
