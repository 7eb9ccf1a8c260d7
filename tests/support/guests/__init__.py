"""Small hostile and odd programs for the tests of the sandbox, compiled from text when a test asks for them.

`command/` holds core modules that `command.wat` wraps into WASI 0.2 commands; `whole/` holds texts that stand for
themselves. The first line of each text says what it does. No tool chain is needed: wasmtime reads the text.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from wasmtime import wat2wasm

_HERE = Path(__file__).parent
_CORE_MODULE_SECTION = 1


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


def compile_bomb(functions: int = 20_000, locals_each: int = 50_000) -> bytes:
    """A valid command of `8 * functions` bytes and a little, made to be slow to compile, not to run.

    With the default numbers about a minute of processor time; 2,000 functions take some four seconds.
    """
    body = _vector([_leb(locals_each) + b"\x7e"]) + b"\x0b"
    plain = _vector([]) + b"\x41\x00\x0b"
    core = b"\0asm\1\0\0\0" + b"".join(
        [
            _section(1, _vector([b"\x60\0\0", b"\x60\0\1\x7f"])),
            _section(3, _vector([b"\1"] + [b"\0"] * functions)),
            _section(7, _vector([_name("run") + b"\0\0"])),
            _section(10, _vector([_leb(len(plain)) + plain] + [_leb(len(body)) + body] * functions)),
        ]
    )
    return _with_core_module(guest("run-plain"), core)


def _with_core_module(component: bytes, core: bytes) -> bytes:
    """`component` with `core` in the place of its only core module."""
    parts, at = [component[:8]], 8
    while at < len(component):
        kind = component[at]
        length, start = _read_leb(component, at + 1)
        content = component[start : start + length]
        parts.append(_section(kind, core if kind == _CORE_MODULE_SECTION else content))
        at = start + length
    return b"".join(parts)


def _section(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + _leb(len(content)) + content


def _vector(items: list[bytes]) -> bytes:
    return _leb(len(items)) + b"".join(items)


def _name(text: str) -> bytes:
    return _leb(len(text)) + text.encode()


def _leb(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_leb(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where it ends."""
    number = shift = 0
    while data[at] & 0x80:
        number |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
    return number | data[at] << shift, at + 1
