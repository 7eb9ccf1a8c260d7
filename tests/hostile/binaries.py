"""Bytes that are no component, are no longer one, or are one with some bits changed. All chance is seeded."""

from __future__ import annotations

import gzip
import random
import sys
from functools import cache
from pathlib import Path

from wasmtime import wat2wasm

from dvm.sandbox import engine
from dvm.sandbox.form import Form
from dvm.sandbox.linear import LinearMemories
from jobs.outcome import Outcome
from tests.hostile.row import ANY_BUT_OUR_FAULT, Row, ends
from tests.support.guests import guest
from tests.support.guests.binary import COMPONENT_PREAMBLE, CORE_PREAMBLE, leb, section, utf8

_INVALID = ends(Outcome.INVALID_COMPONENT)
_BLIND = {"fuel": 5_000_000, "wall_ms": 2_000}
CUTS, FLIPS, SLOW_FLIPS, STORMS = 12, 24, 300, 6

EXAMPLES = Path(__file__).parents[2] / "examples"


@cache
def compiled() -> bytes:
    """What the engine makes of a good command: native code, which a node must never take from a stranger."""
    from wasmtime.component import Component

    made = engine.new_engine(LinearMemories(), Form.NATIVE)
    return bytes(Component(made, guest("hello")).serialize())


def cut(seed: int) -> bytes:
    """A good command that ends too early."""
    whole = guest("hello")
    return whole[: random.Random(seed).randrange(8, len(whole) - 1)]


def flipped(whole: bytes, seed: int, bits: int) -> bytes:
    """A good command with some bits changed, the preamble excepted."""
    chance, data = random.Random(seed), bytearray(whole)
    for _ in range(bits):
        data[chance.randrange(8, len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def noise(seed: int) -> bytes:
    """A preamble, then chance."""
    return COMPONENT_PREAMBLE + random.Random(seed).randbytes(4_096)


def _flip_row(seed: int, *, slow: bool = False) -> Row:
    bits = 1 + seed % 4
    return Row(
        name=f"flip-{seed}",
        what=f"a good command with {bits} bit{'s' * (bits > 1)} changed",
        build=lambda: flipped(guest("hello"), seed, bits),
        ends=ANY_BUT_OUR_FAULT,
        limits=_BLIND,
        slow=slow,
    )


def _whole(name: str, what: str, words: str) -> Row:
    return Row(name=name, what=what, build=lambda: guest(name), ends=_INVALID, words=words)


ROWS = (
    Row(name="nothing", what="no bytes at all", build=lambda: b"", ends=_INVALID),
    Row(name="preamble", what="nothing but a preamble", build=lambda: COMPONENT_PREAMBLE, ends=_INVALID),
    Row(name="half-a-preamble", what="half a preamble", build=lambda: b"\0asm", ends=_INVALID),
    Row(
        name="other-version",
        what="the preamble of a version that does not exist",
        build=lambda: b"\0asm\x7f\0\1\0" + guest("hello")[8:],
        ends=_INVALID,
    ),
    Row(name="zeros", what="a megabyte of zeros", build=lambda: bytes(1 << 20), ends=_INVALID),
    Row(name="ones", what="a megabyte of ones", build=lambda: b"\xff" * (1 << 20), ends=_INVALID),
    Row(name="text", what="a component in text form", build=lambda: b"(component)", ends=_INVALID),
    Row(
        name="program",
        what="the program that runs this test",
        build=lambda: Path(sys.executable).read_bytes(),
        ends=_INVALID,
    ),
    Row(name="gzip", what="a good command, compressed", build=lambda: gzip.compress(guest("hello")), ends=_INVALID),
    Row(name="json", what="half a megabyte of opened brackets", build=lambda: b"[" * (1 << 19), ends=_INVALID),
    Row(
        name="precompiled",
        what="native code, compiled by the same engine with the same settings",
        build=compiled,
        ends=_INVALID,
    ),
    Row(
        name="precompiled-flipped",
        what="the same with some bits changed",
        build=lambda: flipped(compiled(), 1, 8),
        ends=_INVALID,
    ),
    Row(
        name="precompiled-dressed",
        what="native code as the only section of a component",
        build=lambda: COMPONENT_PREAMBLE + section(1, compiled()),
        ends=_INVALID,
    ),
    Row(
        name="twice",
        what="two good commands one after the other",
        build=lambda: guest("hello") + guest("hello"),
        ends=_INVALID,
    ),
    Row(
        name="trailing-byte",
        what="a good command and one byte",
        build=lambda: guest("hello") + b"\x01",
        ends=_INVALID,
    ),
    Row(
        name="section-too-long",
        what="a section that is longer than the file",
        build=lambda: guest("hello") + b"\x00" + leb(0xFFFFFFFF),
        ends=_INVALID,
    ),
    Row(
        name="number-too-long",
        what="a number that never ends",
        build=lambda: COMPONENT_PREAMBLE + b"\x00" + b"\x80" * 10_000,
        ends=_INVALID,
    ),
    Row(
        name="unknown-section",
        what="a section that no version has",
        build=lambda: COMPONENT_PREAMBLE + section(99, b"x"),
        ends=_INVALID,
    ),
    Row(
        name="name-not-text",
        what="an export whose name is not UTF-8",
        build=lambda: guest("run-plain").replace(b"wasi:cli/run", b"wasi:\xff\xfe\xfdrun!"),
        ends=_INVALID,
    ),
    Row(
        name="empty-custom",
        what="a custom section without a name",
        build=lambda: guest("run-plain") + section(0, b""),
        ends=_INVALID,
    ),
    Row(
        name="module-in-disguise",
        what="a core module behind the preamble of a component",
        build=lambda: COMPONENT_PREAMBLE + guest("core-module")[len(CORE_PREAMBLE) :],
        ends=_INVALID,
    ),
    Row(
        name="component-in-a-module",
        what="a component where a core module should stand",
        build=lambda: COMPONENT_PREAMBLE + section(1, guest("hello")),
        ends=_INVALID,
    ),
    Row(
        name="names-lie",
        what="a name section that is noise",
        build=lambda: guest("run-plain") + section(0, utf8("component-name") + random.Random(5).randbytes(2_000)),
        ends=ends(Outcome.FINISHED),
    ),
    _whole("core-module", "a core module", "core WebAssembly module"),
    _whole("empty", "the empty component", "wasi:cli/run"),
    _whole("no-run", "a component that exports something else", "wasi:cli/run"),
    _whole("run-0-3", "a command for WASI 0.3", "wasi:cli/run"),
    _whole("run-takes-argument", "a command whose run has another type", "run must take nothing"),
    Row(
        name="wasi-preview-1",
        what="a command for WASI preview 1, which is a core module",
        build=lambda: bytes(
            wat2wasm(
                '(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))'
                ' (memory (export "memory") 1) (func (export "_start")))'
            )
        ),
        ends=_INVALID,
        words="core WebAssembly module",
    ),
    Row(
        name="threads",
        what="a command that uses atomic instructions",
        build=lambda: bytes(
            wat2wasm("""(component
              (core module $main (memory 1)
                (func (export "run") (result i32)
                  (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))
              (core instance $main (instantiate $main))
              (func $run (result (result)) (canon lift (core func $main "run")))
              (instance $command (export "run" (func $run)))
              (export "wasi:cli/run@0.2.0" (instance $command)))""")
        ),
        ends=_INVALID,
    ),
    *(
        Row(
            name=f"cut-{seed}",
            what="a good command that ends too early",
            build=lambda seed=seed: cut(seed),  # type: ignore[misc]
            ends=_INVALID,
        )
        for seed in range(CUTS)
    ),
    *(_flip_row(seed) for seed in range(FLIPS)),
    *(_flip_row(seed, slow=True) for seed in range(FLIPS, FLIPS + SLOW_FLIPS)),
    *(
        Row(
            name=f"noise-{seed}",
            what="a preamble, then chance",
            build=lambda seed=seed: noise(seed),  # type: ignore[misc]
            ends=ANY_BUT_OUR_FAULT,
            limits=_BLIND,
        )
        for seed in range(STORMS)
    ),
    *(
        Row(
            name=f"storm-{seed}",
            what="an example component (86 KB of Rust) with twenty bits changed",
            build=lambda seed=seed: flipped(  # type: ignore[misc]
                (EXAMPLES / "markdown" / "markdown.wasm").read_bytes(), seed, 20
            ),
            ends=ANY_BUT_OUR_FAULT,
            limits=_BLIND,
            slow=seed >= 2,
        )
        for seed in range(STORMS * 5)
    ),
)
