"""A look at the structure of a component, before anything expensive: counts, sizes, imports, exports.

Compiling cannot be interrupted and its cost is not bounded by the size of the file: 160 KB of functions with many
locals take a minute. This walk reads section headers and function headers only, takes time linear in the file,
allocates next to nothing, and gives up at the first count that exceeds a limit. It is no validator: what passes may
still be refused by the engine. Source: WebAssembly core specification, section 5; component model, Binary.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field


class Malformed(Exception):
    """Not a component; the text says why, for people."""


class TooComplex(Exception):
    """A component that would cost more to compile than is allowed; the text names the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeLimits:
    """Inclusive maxima over the whole component. Real components stay well below (13,400 functions; 427 KB body)."""

    functions: int = 60_000
    locals_each: int = 10_000
    locals_total: int = 500_000
    body_bytes: int = 1 << 20
    depth: int = 8
    sections: int = 20_000
    instances: int = 2_000
    entries: int = 200_000
    """Entries of any other vector: types, imports, exports, tables, memories, globals, segments."""


@dataclass(slots=True)
class Shape:
    """What was found. Names are as they stand in the file: a stranger's text."""

    imports: list[str] = field(default_factory=list)
    exports: list[str] = field(default_factory=list)
    functions: int = 0
    locals_total: int = 0
    sections: int = 0
    instances: int = 0
    fixed_table_elements: int = 0
    """Sum of the maxima of the tables that have a modest one."""
    largest_fixed_table: int = 0
    growable_tables: int = 0
    tables: int = 0


_MODEST_TABLE = 1 << 16
_CORE_PREAMBLE = b"\0asm\x01\0\0\0"
_COMPONENT_PREAMBLE = b"\0asm\x0d\0\x01\0"

# component sections
_CUSTOM, _CORE_MODULE, _CORE_INSTANCE, _COMPONENT, _INSTANCE, _IMPORT, _EXPORT = 0, 1, 2, 4, 5, 10, 11
_LAST_COMPONENT_SECTION = 12
# core module sections
_FUNCTION, _TABLE, _CODE = 3, 4, 10
_COUNTED = frozenset({1, 2, 5, 6, 7, 9, 11, 13})  # types, imports, memories, globals, exports, elements, data, tags
_LAST_CORE_SECTION = 13


class _Reader:
    """A cursor over `data[at:end]`. Every read is checked against `end`."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes | memoryview, at: int, end: int) -> None:
        self.data, self.at, self.end = data, at, end

    def byte(self) -> int:
        if self.at >= self.end:
            raise Malformed("the file ends in the middle of something")
        self.at += 1
        return self.data[self.at - 1]

    def u32(self) -> int:
        """LEB128, at most 64 bits long (limits of 64-bit tables)."""
        result = shift = 0
        while True:
            octet = self.byte()
            result |= (octet & 0x7F) << shift
            if octet < 0x80:
                return result
            shift += 7
            if shift > 63:
                raise Malformed("an integer is too long")

    def skip(self, count: int) -> None:
        if count > self.end - self.at:
            raise Malformed("something is longer than the file")
        self.at += count

    def name(self) -> str:
        count = self.u32()
        self.skip(count)
        try:
            return bytes(self.data[self.at - count : self.at]).decode()
        except UnicodeDecodeError:
            raise Malformed("a name is not UTF-8") from None


def look(data: bytes | memoryview, limits: ShapeLimits) -> Shape:
    """Walk the component and return its shape; raises `Malformed` or `TooComplex`."""
    shape = Shape()
    preamble = bytes(data[:8])
    if preamble == _CORE_PREAMBLE:
        raise Malformed(
            "this is a core WebAssembly module; a component is needed"
            " (for a WASI command: `wasm-tools component new`, or `jco new --wasi-command`)"
        )
    if preamble != _COMPONENT_PREAMBLE:
        raise Malformed("this is not a WebAssembly component")
    _component(_Reader(data, 8, len(data)), shape, limits, depth=0)
    return shape


def _component(reader: _Reader, shape: Shape, limits: ShapeLimits, depth: int) -> None:
    if depth > limits.depth:
        raise TooComplex(f"components are nested more than {limits.depth} deep")
    while reader.at < reader.end:
        kind, body = _section(reader, shape, limits)
        if kind > _LAST_COMPONENT_SECTION:
            raise Malformed(f"unknown component section {kind}")
        if kind in (_CORE_MODULE, _COMPONENT):
            preamble = bytes(body.data[body.at : body.at + 8])
            body.skip(8)
            expected = _CORE_PREAMBLE if kind == _CORE_MODULE else _COMPONENT_PREAMBLE
            if preamble != expected:
                raise Malformed("a nested module or component has a wrong preamble")
            if kind == _CORE_MODULE:
                _module(body, shape, limits)
            else:
                _component(body, shape, limits, depth + 1)
        elif kind in (_CORE_INSTANCE, _INSTANCE):
            shape.instances += _count(body, limits)
            if shape.instances > limits.instances:
                raise TooComplex(f"more than {limits.instances} instances")
        elif kind == _IMPORT and depth == 0:
            _imports(body, shape, limits)
        elif kind == _EXPORT and depth == 0:
            _exports(body, shape, limits)
        elif kind != _CUSTOM:
            _count(body, limits)


def _section(reader: _Reader, shape: Shape, limits: ShapeLimits) -> tuple[int, _Reader]:
    shape.sections += 1
    if shape.sections > limits.sections:
        raise TooComplex(f"more than {limits.sections} sections")
    kind = reader.byte()
    size = reader.u32()
    reader.skip(size)
    return kind, _Reader(reader.data, reader.at - size, reader.at)


def _count(reader: _Reader, limits: ShapeLimits) -> int:
    count = reader.u32() if reader.at < reader.end else 0
    if count > limits.entries:
        raise TooComplex(f"more than {limits.entries} entries in one section")
    return count


def _import_name(reader: _Reader) -> str:
    reader.byte()  # 0 or 1, both plain; other forms are refused by the engine
    return reader.name()


def _description(reader: _Reader) -> None:
    """Skip an `externdesc`."""
    kind = reader.byte()
    if kind == 0x00:
        reader.byte()
    if kind in (0x02, 0x03) and (tag := reader.byte()) != 0x00:
        if kind == 0x02:
            raise Malformed("values cannot be imported or exported")
        if tag == 0x01:
            return  # a fresh resource
    reader.u32()


def _imports(reader: _Reader, shape: Shape, limits: ShapeLimits) -> None:
    for _ in range(_count(reader, limits)):
        shape.imports.append(_import_name(reader))
        _description(reader)


def _exports(reader: _Reader, shape: Shape, limits: ShapeLimits) -> None:
    for _ in range(_count(reader, limits)):
        shape.exports.append(_import_name(reader))
        if reader.byte() == 0x00:
            reader.byte()
        reader.u32()
        if reader.byte():
            _description(reader)


def _module(reader: _Reader, shape: Shape, limits: ShapeLimits) -> None:
    while reader.at < reader.end:
        kind, body = _section(reader, shape, limits)
        if kind > _LAST_CORE_SECTION:
            raise Malformed(f"unknown module section {kind}")
        if kind == _FUNCTION:
            shape.functions += body.u32()
            if shape.functions > limits.functions:
                raise TooComplex(f"more than {limits.functions} functions")
        elif kind == _CODE:
            _bodies(body, shape, limits)
        elif kind == _TABLE:
            _tables(body, shape, limits)
        elif kind in _COUNTED:
            _count(body, limits)


def _bodies(reader: _Reader, shape: Shape, limits: ShapeLimits) -> None:
    count = reader.u32()
    if count > limits.functions:
        raise TooComplex(f"more than {limits.functions} functions")
    for _ in range(count):
        size = reader.u32()
        if size > limits.body_bytes:
            raise TooComplex(f"a function of more than {limits.body_bytes} bytes")
        start = reader.at
        reader.skip(size)
        body = _Reader(reader.data, start, reader.at)
        own = 0
        for _ in range(body.u32()):
            own += body.u32()
            body.byte()
            if own > limits.locals_each:
                raise TooComplex(f"a function with more than {limits.locals_each} local variables")
            if body.data[body.at - 1] in (0x63, 0x64):  # a typed reference: its heap type follows
                body.u32()
        shape.locals_total += own
        if shape.locals_total > limits.locals_total:
            raise TooComplex(f"more than {limits.locals_total} local variables in all functions")


def _tables(reader: _Reader, shape: Shape, limits: ShapeLimits) -> None:
    count = _count(reader, limits)
    shape.tables += count
    for done in range(count):
        element = reader.byte()
        if element == 0x40:  # an initialiser follows somewhere; what it means for the size does not matter
            shape.growable_tables += count - done
            return
        if element in (0x63, 0x64):
            reader.u32()
        flags = reader.byte()
        reader.u32()
        maximum = reader.u32() if flags & 1 else _MODEST_TABLE + 1
        if maximum <= _MODEST_TABLE:
            shape.fixed_table_elements += maximum
            shape.largest_fixed_table = max(shape.largest_fixed_table, maximum)
        else:
            shape.growable_tables += 1
