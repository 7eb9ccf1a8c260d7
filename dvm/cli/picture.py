"""A PNG picture as coloured half blocks, for a terminal. Reads what strangers made: bounded, and never raises for it.

Takes 8-bit grey, RGB, palette and alpha pictures without interlacing; anything else is described, not shown.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PIXELS_MAX = 4_000_000
COLUMNS_MAX = 64

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_CHUNKS_MAX = 1_000

Pixel = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Picture:
    """Rows of RGB pixels, transparency already laid over black."""

    width: int
    height: int
    rows: tuple[tuple[Pixel, ...], ...]


def read_size(data: bytes) -> tuple[int, int] | None:
    """Width and height that a PNG states, None if it is none."""
    if len(data) < 33 or not data.startswith(SIGNATURE) or data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def read(data: bytes) -> Picture | None:
    """The picture, None when it is none or of a form that is not shown here."""
    dimensions = read_size(data)
    if dimensions is None:
        return None
    width, height = dimensions
    depth, kind, _, _, interlaced = data[24:29]
    if depth != 8 or kind not in _CHANNELS or interlaced or not 0 < width * height <= PIXELS_MAX:
        return None
    try:
        palette, packed = _chunks(data)
        channels = _CHANNELS[kind]
        expected = height * (1 + width * channels)
        raw = zlib.decompressobj().decompress(packed, expected)
        if len(raw) != expected or (kind == 3 and not palette):
            return None
        lines = _unfiltered(raw, width * channels, channels)
        return Picture(width, height, tuple(_pixels(line, kind, palette) for line in lines))
    except (ValueError, IndexError, struct.error, zlib.error):
        return None


def half_blocks(picture: Picture, columns: int) -> list[str]:
    """Lines of at most `columns` characters; each character shows two pixels, one above the other."""
    wide = max(1, min(columns, COLUMNS_MAX, picture.width))
    tall = max(2, round(picture.height * wide / picture.width) // 2 * 2)
    small = [[_mean(picture, x, y, wide, tall) for x in range(wide)] for y in range(tall)]
    paint = _truecolour if os.environ.get("COLORTERM") in ("truecolor", "24bit") else _cube
    return [
        "".join(f"\x1b[38;{paint(above)};48;{paint(below)}m▀" for above, below in zip(*small[y : y + 2], strict=True))
        + "\x1b[0m"
        for y in range(0, tall, 2)
    ]


def _chunks(data: bytes) -> tuple[list[Pixel], bytes]:
    palette: list[Pixel] = []
    packed = []
    at = len(SIGNATURE)
    for _ in range(_CHUNKS_MAX):
        (length,) = struct.unpack(">I", data[at : at + 4])
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if name == b"PLTE":
            palette = [(body[i], body[i + 1], body[i + 2]) for i in range(0, len(body), 3)]
        elif name == b"IDAT":
            packed.append(body)
        elif name == b"IEND":
            break
        at += 12 + length
    return palette, b"".join(packed)


def _unfiltered(raw: bytes, stride: int, channels: int) -> list[bytearray]:
    """The lines with PNG's prediction undone (PNG specification, 9.2)."""
    lines: list[bytearray] = []
    above = bytearray(stride)
    for start in range(0, len(raw), stride + 1):
        method, line = raw[start], bytearray(raw[start + 1 : start + 1 + stride])
        for i in range(stride):
            left = line[i - channels] if i >= channels else 0
            corner = above[i - channels] if i >= channels else 0
            line[i] = (line[i] + _predicted(method, left, above[i], corner)) & 255
        lines.append(line)
        above = line
    return lines


def _predicted(method: int, left: int, up: int, corner: int) -> int:
    match method:
        case 0:
            return 0
        case 1:
            return left
        case 2:
            return up
        case 3:
            return (left + up) // 2
        case 4:
            guess = left + up - corner
            # The nearest of the three; on a tie left before up before corner.
            return min((left, up, corner), key=lambda value: abs(guess - value))
        case _:
            raise ValueError("no such filter")


def _pixels(line: bytearray, kind: int, palette: list[Pixel]) -> tuple[Pixel, ...]:
    match kind:
        case 0:
            return tuple((v, v, v) for v in line)
        case 2:
            return tuple((line[i], line[i + 1], line[i + 2]) for i in range(0, len(line), 3))
        case 3:
            return tuple(palette[v] for v in line)
        case 4:
            return tuple((line[i] * line[i + 1] // 255,) * 3 for i in range(0, len(line), 2))
        case _:
            return tuple(
                (line[i] * line[i + 3] // 255, line[i + 1] * line[i + 3] // 255, line[i + 2] * line[i + 3] // 255)
                for i in range(0, len(line), 4)
            )


def _mean(picture: Picture, x: int, y: int, wide: int, tall: int) -> Pixel:
    """The average colour of the part of the picture that becomes pixel (x, y) of a small one."""
    left, right = x * picture.width // wide, max((x + 1) * picture.width // wide, x * picture.width // wide + 1)
    top, bottom = y * picture.height // tall, max((y + 1) * picture.height // tall, y * picture.height // tall + 1)
    part = [pixel for row in picture.rows[top:bottom] for pixel in row[left:right]]
    return (
        sum(p[0] for p in part) // len(part),
        sum(p[1] for p in part) // len(part),
        sum(p[2] for p in part) // len(part),
    )


def _truecolour(pixel: Pixel) -> str:
    return f"2;{pixel[0]};{pixel[1]};{pixel[2]}"


def _cube(pixel: Pixel) -> str:
    red, green, blue = (round(v / 51) for v in pixel)
    return f"5;{16 + 36 * red + 6 * green + blue}"
