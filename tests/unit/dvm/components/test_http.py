"""The exchange with a server, fed with bytes: the same response means the same however it is cut into reads."""

from __future__ import annotations

import asyncio
import itertools

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvm.components.failure import SourceFailed
from dvm.components.http import MAX_HEAD_BYTES, MAX_INFORMATIONAL, Bounds, Timeouts, _Exchange
from dvm.gate import parse_url

BODY = bytes(range(256)) * 3
WITH_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"%x;ext=1\r\n%s\r\n" % (len(BODY), BODY)
CHUNKED += b"0\r\nTrailer: x\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.0 200 OK\r\n\r\n" + BODY
HINTS = b"HTTP/1.1 100 Continue\r\n\r\n"


class Reader(asyncio.StreamReader):
    """Gives the scripted pieces one read at a time, then the end."""

    def __init__(self, pieces: list[bytes]) -> None:
        super().__init__()
        self.pieces = [piece for piece in pieces if piece]

    async def read(self, n: int = -1) -> bytes:
        if not self.pieces:
            return b""
        piece = self.pieces.pop(0)
        if n < len(piece):
            self.pieces.insert(0, piece[n:])
        return piece[:n]


def outcome(*pieces: bytes, cap: int = 10_000, size: int | None = None) -> bytes | str:
    """The body, or the code of the failure."""

    async def scene() -> bytes | str:
        written = bytearray()

        async def write(data: bytes) -> None:
            written.extend(data)

        exchange = _Exchange(Reader(list(pieces)), Bounds(cap, size), Timeouts())
        exchange.request(parse_url("https://a.example/x", ["https"]))
        try:
            await exchange.head()
            assert await exchange.body(write) == len(written)
        except SourceFailed as failed:
            return failed.code
        except h11.RemoteProtocolError:
            return "fetch-failed"
        return bytes(written)

    return asyncio.run(scene())


@pytest.mark.parametrize("response", [WITH_LENGTH, CHUNKED, UNTIL_CLOSE, HINTS + WITH_LENGTH])
@given(st.lists(st.integers(0, 1000), max_size=12))
def test_a_response_means_the_same_however_it_is_cut(response: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(response)) for cut in cuts), len(response)]
    assert outcome(*(response[a:b] for a, b in itertools.pairwise(edges))) == BODY


@pytest.mark.parametrize("response", [WITH_LENGTH, CHUNKED])
@given(st.data())
def test_a_response_that_ends_early_is_never_taken_for_whole(response: bytes, data: st.DataObject) -> None:
    end = data.draw(st.integers(0, len(response) - 1))
    assert outcome(response[:end]) == "fetch-failed"


@given(st.binary(max_size=200), st.integers(0, len(CHUNKED)))
def test_any_bytes_are_a_body_or_a_failure(noise: bytes, at: int) -> None:
    for script in (noise, CHUNKED[:at] + noise, CHUNKED[:at] + noise + CHUNKED[at:]):
        assert isinstance(outcome(script), bytes | str)


def test_the_head_is_bounded() -> None:
    def padded(count: int) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: " + b"a" * count + b"\r\n\r\n"

    assert outcome(padded(MAX_HEAD_BYTES // 2)) == b""
    assert outcome(padded(2 * MAX_HEAD_BYTES)) == "fetch-failed"


def test_informational_responses_are_bounded() -> None:
    assert outcome(HINTS * MAX_INFORMATIONAL + WITH_LENGTH) == BODY
    assert outcome(HINTS * (MAX_INFORMATIONAL + 1) + WITH_LENGTH) == "fetch-failed"


@pytest.mark.parametrize("response", [WITH_LENGTH, CHUNKED, UNTIL_CLOSE])
def test_sizes_are_exact(response: bytes) -> None:
    assert outcome(response, cap=len(BODY)) == BODY
    assert outcome(response, cap=len(BODY) - 1) == "component-too-large"
    assert outcome(response, size=len(BODY)) == BODY
    assert outcome(response, size=len(BODY) - 1) == "size-mismatch"
    assert outcome(response, size=len(BODY) + 1) == "size-mismatch"


def test_an_announced_length_is_judged_before_any_body() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    assert outcome(head % 10_001) == "component-too-large"
    assert outcome(head % 10_000) == "fetch-failed"
    assert outcome(head % 5, size=6) == "size-mismatch"


@pytest.mark.parametrize("status", [201, 204, 206, 301, 304, 307, 401, 429, 503])
def test_only_200_is_an_answer(status: int) -> None:
    assert outcome(b"HTTP/1.1 %d Any\r\nContent-Length: 3\r\n\r\nabc" % status) == "fetch-failed"


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_missing_is_not_found(status: int) -> None:
    assert outcome(b"HTTP/1.1 %d Any\r\nContent-Length: 3\r\n\r\nabc" % status) == "not-found"


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"identity, gzip", b"x"])
def test_compressed_bytes_are_refused(coding: bytes) -> None:
    assert outcome(b"HTTP/1.1 200 OK\r\nContent-Encoding: " + coding + b"\r\n\r\nabc") == "fetch-failed"
