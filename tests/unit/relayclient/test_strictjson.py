from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayclient.errors import Invalid, Reason
from relayclient.strictjson import MAX_BRACKETS, MAX_DEPTH, parse_json

LIMIT = 1 << 20


def refusal(data: str | bytes, max_bytes: int = LIMIT) -> Reason:
    with pytest.raises(Invalid) as e:
        parse_json(data, max_bytes=max_bytes)
    return e.value.reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", Reason.NOT_JSON),
        ("{", Reason.NOT_JSON),
        ("[1,]", Reason.NOT_JSON),
        ("[] []", Reason.NOT_JSON),
        ("'x'", Reason.NOT_JSON),
        ('"\x01"', Reason.NOT_JSON),
        ("\ufeff[]", Reason.NOT_JSON),
        (b"\xff\xfe[\x00]\x00", Reason.NOT_UTF8),
        (b'["\xed\xa0\x80"]', Reason.NOT_UTF8),
        ('["\ud800"]', Reason.NOT_UTF8),
        ("[NaN]", Reason.NOT_FINITE),
        ("[Infinity]", Reason.NOT_FINITE),
        ("[-Infinity]", Reason.NOT_FINITE),
        ("[1e999]", Reason.NOT_FINITE),
        ("[-1e999]", Reason.NOT_FINITE),
        ("[" + "9" * 21 + "]", Reason.HUGE_NUMBER),
        ("[" + "9" * 5000 + "]", Reason.HUGE_NUMBER),
        ('{"a":1,"a":1}', Reason.DUPLICATE_KEY),
        ('[{"a":{"b":1,"b":2}}]', Reason.DUPLICATE_KEY),
        ('{"a":1,"\\u0061":2}', Reason.DUPLICATE_KEY),
        ("[" * 5000, Reason.NOT_JSON),
        ('{"a":' * 5000, Reason.NOT_JSON),
        ("[" * 5000 + "]" * 5000, Reason.TOO_DEEP),
        ('{"a":[' * 100 + "]}" * 100, Reason.TOO_DEEP),
        ("[" + "[]," * 100, Reason.NOT_JSON),
        ("]" * 5000 + "[" * 5000, Reason.NOT_JSON),
        ("[}" * 100, Reason.NOT_JSON),
        ("[" * 100_000 + "]" * 100_000, Reason.TOO_MANY_BRACKETS),
        ('{"a":' * 100_000, Reason.TOO_MANY_BRACKETS),
        ("[" + "[]," * MAX_BRACKETS + "1]", Reason.TOO_MANY_BRACKETS),
    ],
    ids=lambda x: x.value if isinstance(x, Reason) else ascii(x[:12]),
)
def test_poison_is_refused_with_its_own_reason(data: str | bytes, reason: Reason) -> None:
    assert refusal(data) is reason


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_the_size_is_counted_in_utf8_bytes(extra: int) -> None:
    text = '"' + "é" * 10 + '"'
    size = len(text.encode())
    for data in (text, text.encode()):
        if extra < 0:
            assert refusal(data, size + extra) is Reason.TOO_LARGE
        else:
            assert parse_json(data, max_bytes=size + extra) == "é" * 10


def test_brackets_are_counted_up_to_the_bound() -> None:
    at_bound = "[" + ",".join(["[]"] * (MAX_BRACKETS - 1)) + "]"
    assert parse_json(at_bound, max_bytes=LIMIT) == [[]] * (MAX_BRACKETS - 1)
    assert refusal(at_bound.replace("[[]", "[[],[]", 1)) is Reason.TOO_MANY_BRACKETS


@pytest.mark.parametrize("unit", ['[\\"', '"[', "[\\", '["', "\\[", '"\\"['])
def test_strings_without_end_cost_no_more_than_others(unit: str) -> None:
    # A quadratic reader would need minutes for these.
    refusal('["' + unit * 80_000)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_depth_is_counted_up_to_the_bound_and_not_by_width() -> None:
    assert json.dumps(parse_json(nested(MAX_DEPTH), max_bytes=LIMIT)) == nested(MAX_DEPTH)
    wide = f"[{','.join([nested(MAX_DEPTH - 1)] * 50)}]"
    assert json.dumps(parse_json(wide, max_bytes=LIMIT), separators=(",", ":")) == wide
    for text in (nested(MAX_DEPTH + 1), f"[[],{nested(MAX_DEPTH)},[]]", '{"a":' * 65 + "1" + "}" * 65):
        assert refusal(text) is Reason.TOO_DEEP


@given(st.text(alphabet="[]", max_size=300))
def test_brackets_in_any_order_are_read_as_the_standard_parser_reads_them(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        refusal(text)
    else:
        assert parse_json(text, max_bytes=LIMIT) == expected


def test_brackets_inside_strings_cost_nothing() -> None:
    text = '[{\\"' * 20_000
    assert parse_json(json.dumps([text]), max_bytes=LIMIT) == [text]


def test_numbers_of_64_bits_pass() -> None:
    numbers = [-(2**63), 2**64 - 1, 0, 1.5, -1e300]
    assert parse_json(json.dumps(numbers), max_bytes=LIMIT) == numbers


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(ANY_JSON)
def test_ordinary_json_comes_back_as_the_standard_parser_reads_it(value: object) -> None:
    text = json.dumps(value)
    assert parse_json(text, max_bytes=LIMIT) == json.loads(text)
    assert parse_json(text.encode(), max_bytes=LIMIT) == json.loads(text)


@given(st.text() | st.binary() | st.text(alphabet='[]{}",:0123456789eE-+.\\unrtfalse '))
def test_nothing_but_invalid_is_raised(data: str | bytes) -> None:
    try:
        parse_json(data, max_bytes=LIMIT)
    except Invalid:
        pass
