"""Pictures from strangers: read right when they are right, and nothing worse than None when they are not."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvm.cli import picture

KINDS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(kind: int, width: int, height: int, lines: bytes, *, palette: bytes = b"", depth: int = 8) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    middle = (chunk(b"PLTE", palette) if palette else b"") + chunk(b"IDAT", zlib.compress(lines))
    return picture.SIGNATURE + chunk(b"IHDR", header) + middle + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("kind", "line", "palette", "pixels"),
    [
        (0, bytes([7, 9]), b"", ((7, 7, 7), (9, 9, 9))),
        (2, bytes([1, 2, 3, 4, 5, 6]), b"", ((1, 2, 3), (4, 5, 6))),
        (3, bytes([1, 0]), bytes([1, 2, 3, 4, 5, 6]), ((4, 5, 6), (1, 2, 3))),
        (4, bytes([200, 255, 200, 0]), b"", ((200, 200, 200), (0, 0, 0))),
        (6, bytes([1, 2, 3, 255, 4, 5, 6, 0]), b"", ((1, 2, 3), (0, 0, 0))),
    ],
)
def test_every_kind_of_colour(kind: int, line: bytes, palette: bytes, pixels: object) -> None:
    read = picture.read(png(kind, 2, 1, b"\0" + line, palette=palette))
    assert read is not None
    assert read.rows == (pixels,)


@given(st.integers(0, 4), st.binary(min_size=12, max_size=12))
def test_a_prediction_undone_gives_what_was_predicted_from(method: int, plain: bytes) -> None:
    """Filters a grey 4 x 3 picture as the PNG specification says, and reads it back."""
    rows = [plain[i : i + 4] for i in (0, 4, 8)]
    filtered = b""
    for y, row in enumerate(rows):
        above = rows[y - 1] if y else bytes(4)
        filtered += bytes([method])
        for x, value in enumerate(row):
            left, up = (row[x - 1] if x else 0), above[x]
            corner = above[x - 1] if x else 0
            filtered += bytes([(value - _guess(method, left, up, corner)) % 256])
    read = picture.read(png(0, 4, 3, filtered))
    assert read is not None
    assert [bytes(pixel[0] for pixel in row) for row in read.rows] == rows


def _guess(method: int, left: int, up: int, corner: int) -> int:
    if method < 4:
        return (0, left, up, (left + up) // 2)[method]
    guess = left + up - corner
    far = [abs(guess - left), abs(guess - up), abs(guess - corner)]
    return (left, up, corner)[far.index(min(far))]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        png(0, 2, 1, b"\0\1"),
        png(0, 2, 1, b"\5\1\2"),
        png(3, 1, 1, b"\0\0"),
        png(3, 1, 1, b"\0\7", palette=bytes(3)),
        png(0, 1, 1, b"\0\0", depth=16),
        png(5, 1, 1, b"\0\0"),
        png(0, 1 << 16, 1 << 16, b""),
        png(0, 0, 1, b""),
        png(2, 1, 1, b"\0\0\0\0")[:-30],
    ],
)
def test_what_cannot_be_shown_is_not_shown(data: bytes) -> None:
    assert picture.read(data) is None


@given(st.binary(max_size=200), st.integers(0, 80))
def test_a_damaged_picture_does_no_harm(noise: bytes, at: int) -> None:
    whole = png(2, 3, 2, b"\0" + bytes(9) + b"\4" + bytes(9))
    picture.read(whole[:at] + noise + whole[at + len(noise) :])


def test_a_bomb_is_not_unpacked() -> None:
    bomb = png(0, 100, 100, bytes(50_000_000))
    read = picture.read(bomb)
    assert read is None or (read.width, read.height) == (100, 100)


def test_half_blocks_fit_the_width() -> None:
    read = picture.read(png(0, 100, 50, b"".join(b"\0" + bytes(100) for _ in range(50))))
    assert read is not None
    lines = picture.half_blocks(read, 40)
    assert len(lines) == 10
    assert {line.count("▀") for line in lines} == {40}
