"""Components that cost next to nothing to send and much to read, check or compile."""

from __future__ import annotations

from wasmtime import wat2wasm

from jobs.outcome import Outcome
from tests.hostile.loops import main
from tests.hostile.row import Row, ends
from tests.support.guests import bare, compile_bomb, guest
from tests.support.guests.binary import (
    COMPONENT_PREAMBLE,
    CORE_PREAMBLE,
    leb,
    section,
    utf8,
    vector,
    with_core_module,
)

_LIMIT, _INVALID, _DONE = ends(Outcome.COMPILE_LIMIT), ends(Outcome.INVALID_COMPONENT), ends(Outcome.FINISHED)

_MAIN = """
  (core module $main (func (export "run") (result i32) (i32.const 0)))
  (core instance $main (instantiate $main))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command))"""


def core(body: bytes, *, functions: int = 0, types: int = 0, exports: int = 0, export: str = "x") -> bytes:
    """A command of which one function, never called, has the body `body`; and much of something else."""
    plain, empty = vector([]) + b"\x41\x00\x0b", vector([]) + b"\x0b"
    sections = [
        section(1, vector([b"\x60\0\0", b"\x60\0\1\x7f"] + [b"\x60\0\0"] * types)),
        section(3, vector([b"\1", b"\0"] + [b"\0"] * functions)),
        section(7, vector([utf8("run") + b"\0\0"] + [utf8(f"{export}{i}") + b"\0\0" for i in range(exports)])),
        section(10, vector([sized(plain), sized(body)] + [sized(empty)] * functions)),
    ]
    return with_core_module(guest("run-plain"), CORE_PREAMBLE + b"".join(sections))


def sized(content: bytes) -> bytes:
    """`content` behind its length."""
    return leb(len(content)) + content


def body(instructions: bytes) -> bytes:
    """A function body without variables."""
    return vector([]) + instructions + b"\x0b"


def switch(targets: int) -> bytes:
    """A br_table of so many targets, which all are the function itself."""
    return body(b"\x41\0\x0e" + leb(targets) + b"\0" * targets + b"\0")


def entangled(variables: int, functions: int) -> bytes:
    """Functions, never called, whose variables are all live at once in a loop: slow to give registers to."""
    steps = "".join(
        f"(local.set {i} (i64.add (local.get {i}) (local.get {(i + 1) % variables})))" for i in range(variables)
    )
    one = f"(func (local {'i64 ' * variables}) (loop {steps} (br 0)))"
    return main("(i32.const 0)", before=one * functions)


def nested(depth: int) -> bytes:
    """Components within components."""
    inner = b""
    for _ in range(depth):
        inner = section(4, COMPONENT_PREAMBLE + inner)
    return COMPONENT_PREAMBLE + inner


def fan_out(levels: int, width: int) -> bytes:
    """Each level instantiates the one inside `width` times: `width` to the power of `levels` instances."""
    text = '(component $c0 (core module $m (func (export "f"))) (core instance (instantiate $m)))'
    for level in range(1, levels + 1):
        text = f"(component $c{level} {text} " + f"(instance (instantiate $c{level - 1}))" * width + ")"
    return bytes(wat2wasm(f"(component {text} (instance (instantiate $c{levels})) {_MAIN})"))


def tuples(depth: int) -> bytes:
    """A type of pairs of pairs of pairs ...: 2^depth numbers, in few bytes."""
    types = section(7, vector([b"\x6f" + vector([b"\x7d", b"\x7d"])]))
    for i in range(depth):
        types += section(7, vector([b"\x6f" + vector([leb(i), leb(i)])]))
    function = section(7, vector([b"\x40" + vector([utf8("x") + leb(depth)]) + b"\x01\x00"]))
    return COMPONENT_PREAMBLE + types + function + guest("run-plain")[8:]


def beside(sections: bytes) -> bytes:
    """A good command with these component sections after it."""
    return guest("run-plain") + sections


def custom(count: int) -> bytes:
    """That many empty custom sections."""
    return section(0, utf8("x")) * count


ROWS = (
    Row(
        name="locals-bomb",
        what="160 KB of functions with 50,000 variables each: a minute of compilation",
        build=compile_bomb,
        ends=_LIMIT,
        words="local variables",
    ),
    Row(
        name="locals-total-bomb",
        what="the same, just below the limit for each function",
        build=lambda: compile_bomb(functions=200, locals_each=10_000),
        ends=_LIMIT,
        words="local variables",
    ),
    Row(
        name="locals-overflow",
        what="a function with 2^32 - 1 variables, four times",
        build=lambda: core(vector([leb(0xFFFFFFFF) + b"\x7e"] * 4) + b"\x0b"),
        ends=_LIMIT,
    ),
    Row(
        name="functions-100k",
        what="a hundred thousand empty functions",
        build=lambda: core(body(b""), functions=100_000),
        ends=_LIMIT,
        words="functions",
    ),
    Row(
        name="functions-50k",
        what="fifty thousand empty functions, within the limit",
        build=lambda: core(body(b""), functions=50_000),
        ends=_DONE | _LIMIT,
        slow=True,
    ),
    Row(
        name="functions-lie",
        what="says it had four thousand million functions",
        build=lambda: with_core_module(
            guest("run-plain"), CORE_PREAMBLE + section(3, leb(0xFFFFFFFF)) + section(10, leb(0xFFFFFFFF))
        ),
        ends=_LIMIT,
    ),
    Row(
        name="one-huge-function",
        what="one function of 2 MiB",
        build=lambda: core(body(b"\x01" * (2 << 20))),
        ends=_LIMIT,
        words="a function of more than",
    ),
    Row(
        name="one-large-function",
        what="one function of 600 KB of arithmetic, within the limit",
        build=lambda: core(body(b"\x41\x01" + b"\x41\x02\x6a" * 200_000 + b"\x1a")),
        ends=_DONE | _LIMIT,
    ),
    Row(
        name="many-calls",
        what="one function of 500,000 bytes that only calls",
        build=lambda: core(body(b"\x10\x01" * 250_000)),
        ends=_DONE | _LIMIT,
        slow=True,
    ),
    Row(
        name="br-table-bomb",
        what="a br_table of a million targets",
        build=lambda: core(switch(1_040_000)),
        ends=_INVALID,
    ),
    Row(
        name="br-tables-bomb",
        what="five hundred br_tables of two thousand targets in one function",
        build=lambda: core(body((b"\x02\x40" + b"\x41\0\x0e" + leb(2000) + b"\0\1" * 1000 + b"\0" + b"\x0b") * 500)),
        ends=_DONE,
    ),
    Row(
        name="blocks-bomb",
        what="200,000 blocks within each other",
        build=lambda: core(body(b"\x02\x40" * 200_000 + b"\x0b" * 200_000)),
        ends=_DONE | _LIMIT,
    ),
    Row(
        name="ifs-bomb",
        what="100,000 conditions within each other",
        build=lambda: core(body(b"\x41\0\x04\x40" * 100_000 + b"\x0b" * 100_000)),
        ends=_DONE | _LIMIT | _INVALID,
        slow=True,
    ),
    Row(
        name="entangled",
        what="ten functions with 10,000 variables each that are all alive at once",
        build=lambda: entangled(10_000, 10),
        ends=_LIMIT,
    ),
    Row(
        name="try-table-bomb",
        what="a try_table with 10,000 catch clauses",
        build=lambda: main(
            "(i32.const 0)",
            before=f"(tag $e) (func (block $h (try_table {'(catch $e $h)' * 10_000} (throw $e))))",
        ),
        ends=_DONE,
    ),
    Row(
        name="parameters",
        what="functions of a thousand parameters that call each other",
        build=lambda: main(
            "(i32.const 0)",
            before=f"(func $f (param {'i64 ' * 1000}) (call $f "
            + "".join(f"(local.get {999 - i})" for i in range(1000))
            + "))"
            + "".join(
                f"(func (param {'i64 ' * 1000}) (call $f " + "".join(f"(local.get {i})" for i in range(1000)) + "))"
                for _ in range(20)
            ),
        ),
        ends=_DONE | _LIMIT,
    ),
    Row(
        name="types-bomb",
        what="300,000 function types",
        build=lambda: core(body(b""), types=300_000),
        ends=_LIMIT,
        words="entries",
    ),
    Row(
        name="types-recursive",
        what="5,000 types that all refer to each other",
        build=lambda: main(
            "(i32.const 0)",
            before="(rec "
            + "".join(f"(type $t{i} (struct (field (ref null $t{(i + 1) % 5000}))))" for i in range(5000))
            + ")",
        ),
        ends=_DONE,
    ),
    Row(
        name="types-tower",
        what="types that each extend the one before, 1,000 high",
        build=lambda: main(
            "(i32.const 0)",
            before="(type $t0 (sub (struct)))"
            + "".join(f"(type $t{i} (sub $t{i - 1} (struct)))" for i in range(1, 1000)),
        ),
        ends=_INVALID,
    ),
    Row(
        name="types-tuples",
        what="a tuple of tuples of tuples: 2^60 numbers in a hundred bytes",
        build=lambda: tuples(60),
        ends=_INVALID,
    ),
    Row(
        name="exports-bomb",
        what="300,000 exports",
        build=lambda: core(body(b""), exports=300_000),
        ends=_LIMIT,
        words="entries",
    ),
    Row(
        name="exports-long",
        what="an export with a name of 500 KB",
        build=lambda: core(body(b""), exports=1, export="n" * 500_000),
        ends=_INVALID,
    ),
    Row(
        name="exports-outer-long",
        what="a component that exports another interface with a name of 100 KB",
        build=lambda: bytes(wat2wasm(f'(component {_MAIN} (export "{"long-" * 20_000}name" (instance $command)))')),
        ends=_INVALID,
    ),
    Row(
        name="nested-9",
        what="components nested one deeper than allowed",
        build=lambda: nested(9),
        ends=_LIMIT,
        words="nested",
    ),
    Row(
        name="nested-5000",
        what="components nested five thousand deep",
        build=lambda: nested(5_000),
        ends=_LIMIT,
        words="nested",
    ),
    Row(
        name="fan-out",
        what="seven levels of components, each with ten of the next: ten million instances",
        build=lambda: fan_out(7, 10),
        ends=_LIMIT,
    ),
    Row(
        name="fan-out-small",
        what="five levels of ten: a hundred thousand instances",
        build=lambda: fan_out(5, 10),
        ends=ends(Outcome.OUT_OF_MEMORY),
    ),
    Row(
        name="sections-bomb",
        what="thirty thousand sections",
        build=lambda: beside(custom(30_000)),
        ends=_LIMIT,
        words="sections",
    ),
    Row(
        name="instances-bomb",
        what="three thousand instances",
        build=lambda: bare(
            "(core module $e)"
            + "(core instance (instantiate $e))" * 3_000
            + '(core module $main (func (export "run") (result i32) (i32.const 0)))'
        ),
        ends=_LIMIT,
        words="instances",
    ),
    Row(
        name="modules-bomb",
        what="ten thousand empty modules",
        build=lambda: beside(section(1, CORE_PREAMBLE) * 10_000),
        ends=_INVALID,
    ),
    Row(
        name="custom-section-30-mb",
        what="30 MB that mean nothing",
        build=lambda: beside(section(0, utf8("x") + bytes(30_000_000))),
        ends=_DONE,
    ),
    Row(
        name="too-large",
        what="one byte more than a component may have",
        build=lambda: beside(section(0, utf8("x") + bytes((32 << 20) - len(guest("run-plain")) - 6))),
        ends=_LIMIT,
    ),
    Row(
        name="data-10-mb",
        what="10 MB of data for a memory of one page",
        build=lambda: main("(i32.const 0)", before=f'(memory 1) (data "{"x" * 10_000_000}")'),
        ends=_DONE,
    ),
)
