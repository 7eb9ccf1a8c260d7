"""The gate before the compiler: it sees what there is, stops at each limit, and never fails in another way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvm.sandbox import shape
from dvm.sandbox.shape import Malformed, ShapeLimits, TooComplex
from tests.support.guests import compile_bomb, guest

LIMITS = ShapeLimits()


def leb(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def section(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + leb(len(body)) + body


def component(*sections: bytes) -> bytes:
    return b"\0asm\x0d\0\x01\0" + b"".join(sections)


def module(*sections: bytes) -> bytes:
    return section(1, b"\0asm\x01\0\0\0" + b"".join(sections))


def code(bodies: list[bytes]) -> bytes:
    return section(10, leb(len(bodies)) + b"".join(leb(len(body)) + body for body in bodies))


def test_names_of_imports_and_exports() -> None:
    found = shape.look(guest("hello"), LIMITS)
    assert "wasi:cli/stdout@0.2.0" in found.imports
    assert found.exports == ["wasi:cli/run@0.2.0"]


def test_core_module_is_told_from_component() -> None:
    with pytest.raises(Malformed, match="core WebAssembly module"):
        shape.look(guest("core-module"), LIMITS)


@pytest.mark.parametrize("data", [b"", b"\0asm", b"(component)", b"\x7fELF" + bytes(60), b"\0asm\x0a\0\x01\0"])
def test_something_else(data: bytes) -> None:
    with pytest.raises(Malformed, match="not a WebAssembly component"):
        shape.look(data, LIMITS)


def test_empty_component_passes() -> None:
    assert shape.look(component(), LIMITS).exports == []


def test_locals_of_one_function() -> None:
    def guest_with(count: int) -> bytes:
        return component(module(code([leb(1) + leb(count) + b"\x7f\x0b"])))

    assert shape.look(guest_with(LIMITS.locals_each), LIMITS).locals_total == LIMITS.locals_each
    with pytest.raises(TooComplex, match="local variables"):
        shape.look(guest_with(LIMITS.locals_each + 1), LIMITS)


def test_locals_of_all_functions() -> None:
    limits = replace(LIMITS, locals_total=30)
    ten = leb(2) + leb(4) + b"\x7f" + leb(6) + b"\x7e\x0b"
    assert shape.look(component(module(code([ten] * 3))), limits).locals_total == 30
    with pytest.raises(TooComplex, match="all functions"):
        shape.look(component(module(code([ten] * 4))), limits)
    with pytest.raises(TooComplex, match="all functions"):
        shape.look(component(module(code([ten] * 2)), module(code([ten] * 2))), limits)


def test_functions() -> None:
    limits = replace(LIMITS, functions=3)
    assert shape.look(component(module(section(3, leb(3) + bytes(3)))), limits).functions == 3
    with pytest.raises(TooComplex, match="functions"):
        shape.look(component(module(section(3, leb(4) + bytes(4)))), limits)
    with pytest.raises(TooComplex, match="functions"):
        shape.look(component(module(code([b"\0\x0b"] * 4))), limits)


def test_body() -> None:
    limits = replace(LIMITS, body_bytes=10)
    shape.look(component(module(code([bytes(10)]))), limits)
    with pytest.raises(TooComplex, match="10 bytes"):
        shape.look(component(module(code([bytes(11)]))), limits)


def test_nesting() -> None:
    def nested(depth: int) -> bytes:
        data = component()
        for _ in range(depth):
            data = component(section(4, data))
        return data

    shape.look(nested(LIMITS.depth), LIMITS)
    with pytest.raises(TooComplex, match="nested"):
        shape.look(nested(LIMITS.depth + 1), LIMITS)


def test_sections_and_instances_and_entries() -> None:
    limits = replace(LIMITS, sections=4, instances=5, entries=6)
    shape.look(component(*[section(0, b"")] * 4), limits)
    with pytest.raises(TooComplex, match="sections"):
        shape.look(component(*[section(0, b"")] * 5), limits)
    with pytest.raises(TooComplex, match="instances"):
        shape.look(component(section(2, leb(3)), section(5, leb(3))), limits)
    with pytest.raises(TooComplex, match="entries"):
        shape.look(component(module(section(2, leb(7)))), limits)


def test_tables() -> None:
    funcref, fixed, open_ended = b"\x70", b"\x01" + leb(2) + leb(5), b"\x00" + leb(2)
    huge = b"\x01" + leb(0) + leb(1 << 20)
    tables = [funcref + fixed, b"\x63\x00" + fixed, funcref + open_ended, funcref + huge]
    found = shape.look(component(module(section(4, leb(4) + b"".join(tables)))), LIMITS)
    assert (found.tables, found.fixed_table_elements, found.largest_fixed_table) == (4, 10, 5)
    assert found.growable_tables == 2


def test_tables_with_initialisers_count_as_growable() -> None:
    found = shape.look(component(module(section(4, leb(2) + b"\x40\x00rest"))), LIMITS)
    assert (found.tables, found.growable_tables) == (2, 2)


def test_bomb_is_refused() -> None:
    with pytest.raises(TooComplex):
        shape.look(compile_bomb(functions=2_000), LIMITS)


HELLO = guest("hello")


@given(st.integers(0, len(HELLO)))
def test_cut_anywhere(length: int) -> None:
    try:
        shape.look(HELLO[:length], LIMITS)
    except Malformed:
        pass


@given(st.lists(st.tuples(st.integers(0, len(HELLO) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_mutated_anywhere(changes: list[tuple[int, int]]) -> None:
    data = bytearray(HELLO)
    for at, value in changes:
        data[at] = value
    try:
        shape.look(bytes(data), LIMITS)
    except (Malformed, TooComplex):
        pass


@given(st.binary(max_size=200))
def test_any_bytes_after_the_preamble(data: bytes) -> None:
    try:
        shape.look(component() + data, LIMITS)
    except (Malformed, TooComplex):
        pass
