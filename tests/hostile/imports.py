"""Every interface of WASI, one component each; those that nobody is granted, and names that nobody has heard of."""

from __future__ import annotations

from wasmtime import wat2wasm

from jobs.outcome import Outcome
from tests.hostile.row import Row, ends
from tests.support.guests import bare, guest
from tests.support.guests.binary import COMPONENT_PREAMBLE, section, utf8, vector

_GRANTED = {
    "cli": "environment exit stdin stdout stderr terminal-input terminal-output terminal-stdin terminal-stdout"
    " terminal-stderr",
    "io": "error poll streams",
    "clocks": "monotonic-clock wall-clock",
    "random": "random insecure insecure-seed",
    "filesystem": "types preopens",
    "sockets": "instance-network network ip-name-lookup tcp tcp-create-socket udp udp-create-socket",
}
_REFUSED = {
    "http": "types outgoing-handler incoming-handler",
    "keyvalue": "store atomics batch",
    "blobstore": "blobstore container types",
    "config": "store",
    "messaging": "producer",
    "logging": "logging",
    "nn": "graph",
    "sql": "readwrite",
    "threads": "spawn",
    "webgpu": "webgpu",
    "crypto": "symmetric",
    "clocks": "timezone",
    "cli": "run",
}
_STRANGE = (
    "acme:mystery/door@1.0.0",
    "wasi:cli/stdin@0.3.0",
    "wasi:cli/stdin@0.2.41",
    "wasi:cli/stdin@0.1.0",
    "wasi:cli/stdin@0.2.0-rc-2023-11-10",
    "wasi:cli/stdin",
    "dvm:warm/wait@0.2.0",
    "plain-name",
)
_MAIN = guest("run-plain")[len(COMPONENT_PREAMBLE) :]


def importing(name: str) -> bytes:
    """A command that imports the interface `name`, and wants nothing of it."""
    return bytes(
        wat2wasm(f"""(component
          (import "{name}" (instance))
          (core module $main (func (export "run") (result i32) (i32.const 0)))
          (core instance $main (instantiate $main))
          (func $run (result (result)) (canon lift (core func $main "run")))
          (instance $command (export "run" (func $run)))
          (export "wasi:cli/run@0.2.0" (instance $command)))""")
    )


def misnamed(name: str) -> bytes:
    """The same with a name that no text may hold."""
    kind = section(7, vector([b"\x42" + vector([])]))
    return COMPONENT_PREAMBLE + kind + section(10, vector([b"\x00" + utf8(name) + b"\x05\x00"])) + _MAIN


def _all(table: dict[str, str]) -> list[str]:
    return [f"wasi:{package}/{name}@0.2.0" for package, names in table.items() for name in names.split()]


def _row(name: str, outcome: Outcome) -> Row:
    refused = outcome is Outcome.REFUSED_IMPORT
    return Row(
        name=f"import {name}",
        what="imports it" if refused else "imports it, and may",
        build=lambda: importing(name),
        ends=ends(outcome),
        words=name if refused else "",
    )


ROWS = (
    *(_row(name, Outcome.FINISHED) for name in _all(_GRANTED)),
    *(_row(name, Outcome.REFUSED_IMPORT) for name in (*_all(_REFUSED), *_STRANGE)),
    Row(
        name="import-escapes",
        what="imports an interface whose name would clear a terminal",
        build=lambda: misnamed("\x1b[2J\x1b]0;owned\x07\r\nwasi:cli/stdin@0.2.0"),
        ends=ends(Outcome.REFUSED_IMPORT),
    ),
    Row(
        name="import-long",
        what="imports an interface with a name of a megabyte",
        build=lambda: misnamed("n" * 1_000_000),
        ends=ends(Outcome.REFUSED_IMPORT),
    ),
    Row(
        name="import-newline",
        what="a granted name with a line break at its end",
        build=lambda: misnamed("wasi:cli/stdin@0.2.0\n"),
        ends=ends(Outcome.REFUSED_IMPORT),
    ),
    Row(
        name="import-function",
        what="imports a granted interface, and a function of it that does not exist",
        build=lambda: bytes(
            wat2wasm("""(component
              (import "wasi:cli/stdin@0.2.0" (instance (export "get-root" (func (result u32)))))
              (core module $main (func (export "run") (result i32) (i32.const 0)))
              (core instance $main (instantiate $main))
              (func $run (result (result)) (canon lift (core func $main "run")))
              (instance $command (export "run" (func $run)))
              (export "wasi:cli/run@0.2.0" (instance $command)))""")
        ),
        ends=ends(Outcome.REFUSED_IMPORT),
        words="get-root",
    ),
    Row(
        name="import-core",
        what="a core module whose imports nobody gives",
        build=lambda: bytes(_core_import()),
        ends=ends(Outcome.INVALID_COMPONENT),
    ),
    Row(
        name="import-module",
        what="imports a core module",
        build=lambda: bytes(
            wat2wasm("""(component
              (import "evil" (core module))
              (core module $main (func (export "run") (result i32) (i32.const 0)))
              (core instance $main (instantiate $main))
              (func $run (result (result)) (canon lift (core func $main "run")))
              (instance $command (export "run" (func $run)))
              (export "wasi:cli/run@0.2.0" (instance $command)))""")
        ),
        ends=ends(Outcome.REFUSED_IMPORT),
        words="evil",
    ),
)


def _core_import() -> bytes:
    """A good command of which one letter of the core module's import was changed."""
    good = bare(
        '(core module $give (func (export "give"))) (core instance $give (instantiate $give))'
        '(core module $taker (import "give" "give" (func)))'
        '(core instance (instantiate $taker (with "give" (instance $give))))'
        '(core module $main (func (export "run") (result i32) (i32.const 0)))'
    )
    return good.replace(b"\x04give\x04give", b"\x04give\x04gave")
