"""JSON from strangers: bounded, and without the liberties the standard parser takes.

Refused beside what is no JSON: input over a size, nesting and bracket bombs, duplicate keys, NaN and Infinity (also by
overflow, 1e999), integers nobody can mean. The only exception that leaves this module is `Invalid`.
"""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn

from relayclient.errors import Invalid, Reason

MAX_BRACKETS = 8_192
"""Opening brackets outside of strings: the number of containers the parser may have to build."""

MAX_DEPTH = 64
"""Containers within containers. The standard parser's own bound differs from one Python to the next."""

_MAX_NUMBER_CHARS = 20
"""Enough for every 64-bit integer with its sign."""


def parse_json(data: str | bytes, *, max_bytes: int, max_brackets: int = MAX_BRACKETS) -> object:
    """The value of the JSON text `data`; raises `Invalid`, whatever is in it.

    `max_bytes` counts UTF-8 bytes. Lone surrogates written as escapes pass: strings that matter are checked by whoever
    reads them.
    """
    text = _text(data, max_bytes)
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_nesting(text, max_brackets)
    try:
        return _DECODER.decode(text)
    except RecursionError:  # the caller's own stack may be nearly full
        raise Invalid(Reason.TOO_DEEP) from None
    except Invalid:
        raise
    except ValueError:
        raise Invalid(Reason.NOT_JSON) from None


def _text(data: str | bytes, max_bytes: int) -> str:
    if len(data) > max_bytes:
        raise Invalid(Reason.TOO_LARGE)
    try:
        if isinstance(data, bytes):
            return data.decode("utf-8")
        if not data.isascii() and len(data.encode("utf-8")) > max_bytes:
            raise Invalid(Reason.TOO_LARGE)
    except UnicodeError:
        raise Invalid(Reason.NOT_UTF8) from None
    return data


def _check_nesting(text: str, max_brackets: int) -> None:
    brackets = _NO_BRACKETS.sub("", _STRING.sub("", text)).replace("{", "[").replace("}", "]")
    if brackets.count("[") > max_brackets:
        raise Invalid(Reason.TOO_MANY_BRACKETS)
    if brackets.count("]") != brackets.count("["):
        raise Invalid(Reason.NOT_JSON)
    # Each round takes the innermost containers away, so what can still lose some was nested deeper.
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace("[]", "")
    if "[]" in brackets:
        raise Invalid(Reason.TOO_DEEP)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise Invalid(Reason.DUPLICATE_KEY)
    return result


def _integer(text: str) -> int:
    if len(text) > _MAX_NUMBER_CHARS:
        raise Invalid(Reason.HUGE_NUMBER)
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Invalid(Reason.NOT_FINITE)
    return value


def _constant(_name: str) -> NoReturn:
    raise Invalid(Reason.NOT_FINITE)


# Possessive, and content with the end of the text in place of a closing quote: a match never fails, so bad input costs
# no backtracking.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NO_BRACKETS = re.compile(r"[^][{}]++")
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_integer, parse_float=_float, parse_constant=_constant)
