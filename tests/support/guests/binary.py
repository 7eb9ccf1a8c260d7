"""Just enough of the binary format to build what no text can say. Source: WebAssembly core specification, section 5."""

from __future__ import annotations

CORE_PREAMBLE = b"\0asm\1\0\0\0"
COMPONENT_PREAMBLE = b"\0asm\x0d\0\1\0"

_CORE_MODULE_SECTION = 1


def with_core_module(component: bytes, core: bytes) -> bytes:
    """`component` with `core` in the place of its only core module."""
    parts, at = [component[:8]], 8
    while at < len(component):
        kind = component[at]
        length, start = read_leb(component, at + 1)
        content = component[start : start + length]
        parts.append(section(kind, core if kind == _CORE_MODULE_SECTION else content))
        at = start + length
    return b"".join(parts)


def section(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + leb(len(content)) + content


def vector(items: list[bytes]) -> bytes:
    return leb(len(items)) + b"".join(items)


def utf8(text: str) -> bytes:
    """A name as the format has it."""
    encoded = text.encode()
    return leb(len(encoded)) + encoded


def leb(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_leb(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where it ends."""
    number = shift = 0
    while data[at] & 0x80:
        number |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
    return number | data[at] << shift, at + 1
