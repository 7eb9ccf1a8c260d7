"""PNG read, written and averaged by hand, with nothing but zlib: the second opinion on the example thumbnail."""

from __future__ import annotations

import random
import struct
import zlib
from fractions import Fraction

Pixel = tuple[int, int, int, int]
Picture = list[list[Pixel]]
SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, colour: int, data: bytes, *, depth: int = 8, extra: bytes = b"") -> bytes:
    """`data` is the packed content of IDAT, `extra` whole chunks before it."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 4:
        distances = [abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)]
        return (left, up, corner)[distances.index(min(distances))]
    return (0, left, up, (left + up) // 2)[kind]


def filtered(rows: list[bytes], step: int, kinds: list[int]) -> bytes:
    out, before = bytearray(), bytes(len(rows[0]))
    for row, kind in zip(rows, kinds, strict=True):
        out.append(kind)
        for i, byte in enumerate(row):
            left, corner = (row[i - step], before[i - step]) if i >= step else (0, 0)
            out.append((byte - predicted(kind, left, before[i], corner)) & 255)
        before = row
    return bytes(out)


def decoded(data: bytes) -> Picture:
    """An 8-bit PNG without palette, as thumbnail writes it."""
    assert data.startswith(SIGNATURE)
    at, packed, header = len(SIGNATURE), b"", b""
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert data[at : at + 12 + length] == chunk(kind, content)
        header = content if kind == b"IHDR" else header
        packed += content if kind == b"IDAT" else b""
        at += 12 + length
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", header)
    assert (depth, rest) == (8, [0, 0, 0])
    step = CHANNELS[colour]
    raw, length = zlib.decompress(packed), width * step
    assert len(raw) == height * (length + 1)
    picture, before = [], bytes(length)
    for y in range(height):
        line = raw[y * (length + 1) : (y + 1) * (length + 1)]
        row = bytearray()
        for i, byte in enumerate(line[1:]):
            left, corner = (row[i - step], before[i - step]) if i >= step else (0, 0)
            row.append((byte + predicted(line[0], left, before[i], corner)) & 255)
        picture.append([rgba(colour, row[x : x + step]) for x in range(0, length, step)])
        before = bytes(row)
    return picture


def rgba(colour: int, samples: bytes | bytearray) -> Pixel:
    shades = samples[:3] if colour & 2 else bytes([samples[0]] * 3)
    return shades[0], shades[1], shades[2], samples[-1] if colour & 4 else 255


def averaged(picture: Picture, width: int, height: int) -> list[list[tuple[Fraction, ...]]]:
    """The mean of what each new pixel covers, colours weighted by alpha; exact."""
    from_width, from_height = len(picture[0]), len(picture)
    across, down = shares(from_width, width), shares(from_height, height)
    out = []
    for column in down:
        row = []
        for line in across:
            parts = [(a * b, picture[y][x]) for y, a in column for x, b in line]
            alpha = sum((share * pixel[3] for share, pixel in parts), Fraction(0))
            colours = [sum((s * p[3] * p[n] for s, p in parts), Fraction(0)) for n in range(3)]
            row.append((*(c / alpha if alpha else Fraction(0) for c in colours), alpha))
        out.append(row)
    return out


def shares(old: int, new: int) -> list[list[tuple[int, Fraction]]]:
    """For each new pixel, the old ones below it and the part of it that each covers."""
    out = []
    for n in range(new):
        low, high = Fraction(n * old, new), Fraction((n + 1) * old, new)
        inside = range(int(low), min(old, int(high) + 1))
        covered = [(o, (min(high, Fraction(o + 1)) - max(low, Fraction(o))) / (high - low)) for o in inside]
        out.append([(o, share) for o, share in covered if share > 0])
    return out


def assert_is_average(got: Picture, source: Picture, width: int) -> None:
    height = max(1, (2 * len(source) * width + len(source[0])) // (2 * len(source[0])))
    assert (len(got[0]), len(got)) == (width, height)
    for row, exact in zip(got, averaged(source, width, height), strict=True):
        for pixel, means in zip(row, exact, strict=True):
            assert all(abs(value - mean) <= 1 for value, mean in zip(pixel, means, strict=True))


def painted(chance: random.Random, colour: int, width: int, height: int) -> tuple[bytes, Picture]:
    """A picture with slopes and noise, as PNG and as pixels."""
    channels = CHANNELS[colour]
    palette = [(chance.randrange(256), chance.randrange(256), chance.randrange(256)) for _ in range(40)]
    alphas = [chance.randrange(256) for _ in range(25)]
    rows = []
    for y in range(height):
        if colour == 3:
            rows.append(bytes(chance.randrange(40) for _ in range(width)))
        else:
            slope = [
                (3 * x + 5 * y + 60 * n + chance.randrange(9)) & 255 for x in range(width) for n in range(channels)
            ]
            rows.append(bytes(slope))
    data = zlib.compress(filtered(rows, channels, [chance.randrange(5) for _ in rows]), chance.randrange(10))
    if colour == 3:
        extra = chunk(b"PLTE", b"".join(map(bytes, palette))) + chunk(b"tRNS", bytes(alphas))
        lookup = [(*shades, alpha) for shades, alpha in zip(palette, alphas + [255] * 15, strict=True)]
        return png(width, height, 3, data, extra=extra), [[lookup[i] for i in row] for row in rows]
    starts = range(0, width * channels, channels)
    return png(width, height, colour, data), [[rgba(colour, row[x : x + channels]) for x in starts] for row in rows]
