"""Small hostile and odd programs for the tests of the sandbox, compiled from text when a test asks for them.

`command/` holds core modules that `command.wat` wraps into WASI 0.2 commands; `whole/` holds texts that stand for
themselves. The first line of each text says what it does. No tool chain is needed: wasmtime reads the text.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from wasmtime import wat2wasm

from tests.support.guests.binary import CORE_PREAMBLE, leb, section, utf8, vector, with_core_module

_HERE = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Every name that `guest` knows, sorted."""
    return tuple(sorted(path.stem for folder in ("command", "whole") for path in (_HERE / folder).glob("*.wat")))


@cache
def guest(name: str, *, wasi: str = "0.2.0") -> bytes:
    """The program `name` as binary, its interfaces of the WASI version `wasi`; KeyError if there is none."""
    for folder in ("command", "whole"):
        path = _HERE / folder / f"{name}.wat"
        if path.is_file():
            break
    else:
        raise KeyError(f"no guest {name}; there are {', '.join(names())}")
    text = path.read_text()
    if folder == "command":
        text = (_HERE / "command.wat").read_text().replace("\n  CORE\n", "\n" + text)
    return bytes(wat2wasm(text.replace("@0.2.0", f"@{wasi}")))


def command(core: str) -> bytes:
    """The core module `core`, whose text begins with `(core module $main`, as a command; see command.wat."""
    return bytes(wat2wasm((_HERE / "command.wat").read_text().replace("\n  CORE\n", "\n" + core)))


def bare(core: str) -> bytes:
    """A command that imports nothing: the core module `$main` in the text `core` exports its "run"."""
    return bytes(wat2wasm(BARE.replace("CORE", core)))


BARE = """(component
  CORE
  (core instance $main (instantiate $main))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))"""


def compile_bomb(functions: int = 20_000, locals_each: int = 50_000) -> bytes:
    """A valid command of `8 * functions` bytes and a little, made to be slow to compile, not to run.

    With the default numbers about a minute of processor time; 2,000 functions take some four seconds.
    """
    body = vector([leb(locals_each) + b"\x7e"]) + b"\x0b"
    plain = vector([]) + b"\x41\x00\x0b"
    core = CORE_PREAMBLE + b"".join(
        [
            section(1, vector([b"\x60\0\0", b"\x60\0\1\x7f"])),
            section(3, vector([b"\1"] + [b"\0"] * functions)),
            section(7, vector([utf8("run") + b"\0\0"])),
            section(10, vector([leb(len(plain)) + plain] + [leb(len(body)) + body] * functions)),
        ]
    )
    return with_core_module(guest("run-plain"), core)
