"""Guests that misuse what they are granted: streams, exits, waiting, and the words in which the engine reports."""

from __future__ import annotations

from wasmtime import wat2wasm

from jobs.outcome import Outcome
from tests.hostile.loops import after_return, main
from tests.hostile.row import Row, ends
from tests.support.guests import bare, command, guest
from tests.support.guests.binary import CORE_PREAMBLE, leb, section, utf8, vector, with_core_module

_DONE, _TRAP, _TIME = ends(Outcome.FINISHED), ends(Outcome.TRAPPED), ends(Outcome.OUT_OF_TIME)
_LATE = {"fuel": 1 << 60, "wall_ms": 200}

_WRITER = """
  (import "store" "memory" (memory 1))
  (import "wasi" "get-stdout" (func $get-stdout (result i32)))
  (import "wasi" "get-stderr" (func $get-stderr (result i32)))
  (import "wasi" "get-stdin" (func $get-stdin (result i32)))
  (import "wasi" "read" (func $read (param i32 i64 i32)))
  (import "store" "reset" (func $reset))
  (import "wasi" "write" (func $write (param i32 i32 i32 i32)))
  (import "wasi" "exit" (func $exit (param i32)))
  (import "wasi" "after" (func $after (param i64) (result i32)))
  (import "wasi" "block" (func $block (param i32)))
  (import "wasi" "ticks" (func $ticks (result i64)))"""


def writer(body: str, *, before: str = "") -> bytes:
    """A command that does `body` with all of WASI that the tests have."""
    return command(f'(core module $main {_WRITER} {before} (func (export "run") (result i32) {body}))')


def named(function: str) -> bytes:
    """A guest that traps in a function that calls itself `function`, as does its module."""
    label = utf8(function)
    names = b"\x00" + leb(len(label)) + label
    functions = vector([b"\x00" + label])
    names += b"\x01" + leb(len(functions)) + functions
    trap = vector([]) + b"\x00\x0b"
    core = CORE_PREAMBLE + b"".join(
        [
            section(1, vector([b"\x60\0\1\x7f"])),
            section(3, vector([b"\0"])),
            section(7, vector([utf8("run") + b"\0\0"])),
            section(10, vector([leb(len(trap)) + trap])),
            section(0, utf8("name") + names),
        ]
    )
    return with_core_module(guest("run-plain"), core)


def deep(function: str) -> bytes:
    """Recursion to the end of the stack through a function of that name, for a long backtrace."""
    return bare(
        f'(core module $main (func (@name "{function}") (call 0)) (func (export "run") (result i32) (call 0)'
        " (i32.const 0)))"
    )


ROWS = (
    Row(
        name="flood-stdout",
        what="writes to standard output for ever",
        build=lambda: guest("flood-stdout"),
        ends=ends(Outcome.OUTPUT_TOO_LARGE),
        limits={"fuel": 1 << 60},
    ),
    Row(
        name="flood-stdout-deaf",
        what="the same, and does not listen when it is told to stop",
        build=lambda: guest("flood-stdout-deaf"),
        ends=ends(Outcome.OUTPUT_TOO_LARGE),
        limits={"fuel": 1 << 60},
    ),
    Row(
        name="flood-stderr",
        what="writes to standard error for ever",
        build=lambda: guest("flood-stderr"),
        ends=_TIME,
        limits=_LATE,
    ),
    Row(
        name="flood-both",
        what="writes to both by turns",
        build=lambda: writer(
            "(local $o i32) (local $e i32) (local.set $o (call $get-stdout)) (local.set $e (call $get-stderr))"
            "(loop $l (call $write (local.get $e) (i32.const 0) (i32.const 4096) (i32.const 5000))"
            "(call $write (local.get $o) (i32.const 0) (i32.const 64) (i32.const 5000)) (br $l)) unreachable"
        ),
        ends=ends(Outcome.OUTPUT_TOO_LARGE),
        limits={"fuel": 1 << 60},
    ),
    Row(
        name="slow-drip",
        what="writes one byte at a time and works long between two",
        build=lambda: writer(
            "(local $o i32) (local $n i32) (local.set $o (call $get-stdout))"
            "(loop $l (call $write (local.get $o) (i32.const 0) (i32.const 1) (i32.const 16))"
            "(local.set $n (i32.const 20000000))"
            "(loop $w (br_if $w (local.tee $n (i32.sub (local.get $n) (i32.const 1))))) (br $l)) unreachable"
        ),
        ends=_TIME,
        limits={"fuel": 1 << 60, "wall_ms": 300},
    ),
    Row(
        name="empty-writes",
        what="writes nothing, for ever",
        build=lambda: writer(
            "(local $o i32) (local.set $o (call $get-stdout))"
            "(loop $l (call $write (local.get $o) (i32.const 0) (i32.const 0) (i32.const 16)) (br $l)) unreachable"
        ),
        ends=_TIME,
        limits=_LATE,
    ),
    Row(
        name="write-too-much",
        what="writes 60,000 bytes with a call that takes 4,096",
        build=lambda: writer(
            "(call $write (call $get-stdout) (i32.const 0) (i32.const 60000) (i32.const 65000)) (i32.const 0)"
        ),
        ends=_TRAP,
    ),
    Row(
        name="write-from-nowhere",
        what="writes from behind the end of its memory",
        build=lambda: writer(
            "(call $write (call $get-stdout) (i32.const -4096) (i32.const 4096) (i32.const 16)) (i32.const 0)"
        ),
        ends=_TRAP,
    ),
    Row(
        name="write-to-nothing",
        what="writes to a stream that it never had",
        build=lambda: writer("(call $write (i32.const 77) (i32.const 0) (i32.const 1) (i32.const 16)) (i32.const 0)"),
        ends=_TRAP,
    ),
    Row(
        name="write-to-stdin",
        what="writes to standard input",
        build=lambda: writer(
            "(call $write (call $get-stdin) (i32.const 0) (i32.const 1) (i32.const 16)) (i32.const 0)"
        ),
        ends=_TRAP,
    ),
    Row(
        name="read-behind-the-end",
        what="reads standard input for ever",
        build=lambda: writer(
            "(local $i i32) (local.set $i (call $get-stdin))"
            "(loop $l (call $reset) (call $read (local.get $i) (i64.const 100) (i32.const 0)) (br $l)) unreachable"
        ),
        ends=_TIME,
        limits=_LATE,
    ),
    Row(
        name="control-characters",
        what="writes escape sequences to both streams and fails",
        build=lambda: writer(
            "(call $write (call $get-stderr) (i32.const 256) (i32.const 12) (i32.const 16))"
            "(call $write (call $get-stdout) (i32.const 256) (i32.const 12) (i32.const 16)) (i32.const 1)",
            before='(data (i32.const 256) "\\1b[2J\\1b]0;x\\07\\00\\ff")',
        ),
        ends=_DONE,
    ),
    Row(
        name="exit-storm",
        what="exits in a loop, in case the first exit is not the last",
        build=lambda: writer("(loop $l (call $exit (i32.const 1)) (br $l)) unreachable"),
        ends=_DONE,
    ),
    Row(
        name="exit-start",
        what="exits in the start function",
        build=lambda: writer("(i32.const 0)", before="(func $leave (call $exit (i32.const 0))) (start $leave)"),
        ends=_DONE,
    ),
    Row(
        name="exit-nonsense",
        what="exits with a status that is neither success nor failure",
        build=lambda: writer("(call $exit (i32.const 7)) (i32.const 0)"),
        ends=_TRAP,
    ),
    Row(
        name="return-nonsense",
        what="returns a result that is neither success nor failure",
        build=lambda: main("(i32.const 99)"),
        ends=_TRAP,
    ),
    Row(
        name="exit-deep",
        what="exits from the bottom of a deep recursion",
        build=lambda: writer(
            "(call $f (i32.const 5000)) (i32.const 0)",
            before="(func $f (param i32) (if (i32.eqz (local.get 0)) (then (call $exit (i32.const 1))))"
            "(call $f (i32.sub (local.get 0) (i32.const 1))))",
        ),
        ends=_DONE,
    ),
    Row(
        name="exit-caught",
        what="tries to catch its own exit as an exception, and goes on",
        build=lambda: writer(
            "(loop $l (block $h (try_table (catch_all $h) (call $exit (i32.const 1)))) (br $l)) unreachable"
        ),
        ends=_DONE,
    ),
    Row(
        name="catch-trap",
        what="tries to catch its own trap",
        build=lambda: main("(loop $l (block $h (try_table (catch_all $h) unreachable)) (br $l)) unreachable"),
        ends=_TRAP,
        words="unreachable",
    ),
    Row(name="sleep-an-hour", what="sleeps for an hour", build=lambda: guest("sleep"), ends=_DONE),
    Row(
        name="sleep-for-ever",
        what="sleeps for 2^64 - 1 nanoseconds",
        build=lambda: writer("(call $block (call $after (i64.const -1))) (i32.const 0)"),
        ends=_DONE,
    ),
    Row(
        name="wait-for-nothing",
        what="waits for something that it never had",
        build=lambda: writer("(call $block (i32.const 1234)) (i32.const 0)"),
        ends=_TRAP,
    ),
    Row(
        name="clock-storm",
        what="asks for the time for ever",
        build=lambda: writer("(loop $l (drop (call $ticks)) (br $l)) unreachable"),
        ends=_TIME,
        limits=_LATE,
    ),
    Row(
        name="clock-wait",
        what="waits for its clock to move, which it never does",
        build=lambda: writer(
            "(local $t i64) (local.set $t (call $ticks))"
            "(loop $l (br_if $l (i64.eq (local.get $t) (call $ticks)))) (i32.const 0)"
        ),
        ends=_TIME,
        limits=_LATE,
    ),
    Row(
        name="post-return-call",
        what="stops dividing by zero only after it has returned",
        build=lambda: after_return("(drop (i32.div_u (i32.const 1) (i32.const 0)))"),
        ends=_TRAP,
    ),
    Row(
        name="name-90-kb",
        what="traps in a function with a name of 90 KB",
        build=lambda: named("n" * 90_000),
        ends=_TRAP,
        words="unreachable",
    ),
    Row(
        name="name-escapes",
        what="traps in a function whose name would clear a terminal",
        build=lambda: named("\x1b[2J\x1b]0;owned\x07\r\n\u202e\u2028 all is well"),
        ends=_TRAP,
        words="unreachable",
    ),
    Row(
        name="name-lies",
        what="traps in a function whose name pretends to be another outcome",
        build=lambda: named("f\n\nCaused by:\n    0: resource limit exceeded\n    1: all fuel consumed by WebAssembly"),
        ends=_TRAP,
        words="unreachable",
    ),
    Row(
        name="name-deep",
        what="a long name in every frame of an exhausted stack",
        build=lambda: deep("m" * 50_000),
        ends=_TRAP,
        words="call stack exhausted",
    ),
    Row(
        name="run-as-two",
        what="exports the run of two versions of WASI; one of them loops",
        build=lambda: bytes(
            wat2wasm("""(component
              (core module $main
                (func (export "run") (result i32) (i32.const 0))
                (func (export "spin") (result i32) (loop $l (br $l)) unreachable))
              (core instance $main (instantiate $main))
              (func $run (result (result)) (canon lift (core func $main "run")))
              (func $spin (result (result)) (canon lift (core func $main "spin")))
              (instance $first (export "run" (func $run)))
              (instance $second (export "run" (func $spin)))
              (export "wasi:cli/run@0.2.0" (instance $first))
              (export "wasi:cli/run@0.2.9" (instance $second)))""")
        ),
        ends=_DONE,
        limits={"fuel": 5_000_000},
    ),
)
