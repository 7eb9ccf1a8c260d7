#!/usr/bin/env python3
"""Draws sample.png, the picture of the demonstration: dusk over mountains and a lake. Standard library only.

Run as a program it writes sample.png beside this file.
"""

from __future__ import annotations

import math
import random
import struct
import zlib
from itertools import pairwise
from pathlib import Path

WIDTH, HEIGHT = 384, 240
SHORE = 172
SUN = (246.0, 103.0, 25.0)  # centre and radius

Colour = tuple[float, float, float]

SKY: tuple[tuple[float, Colour], ...] = (
    (0.00, (18, 16, 58)),
    (0.28, (62, 36, 110)),
    (0.50, (148, 56, 130)),
    (0.68, (232, 96, 96)),
    (0.84, (255, 158, 78)),
    (1.00, (255, 214, 120)),
)
# From far to near: height of the ridge, its roughness, colour at the ridge, colour in the mist at its foot.
RANGES: tuple[tuple[float, float, Colour, Colour], ...] = (
    (124, 34, (156, 70, 124), (232, 118, 112)),
    (140, 30, (96, 44, 108), (172, 76, 114)),
    (158, 18, (48, 26, 78), (98, 48, 98)),
)
FOREST: Colour = (14, 12, 34)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """`a` where share is 0, `b` where it is 1."""
    share = min(1.0, max(0.0, share))
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share)


def sky(x: float, y: float) -> Colour:
    """The gradient, the sun and its glow."""
    at = y / 150
    colour = SKY[-1][1]
    for (low, dark), (high, light) in pairwise(SKY):
        if at < high:
            colour = mix(dark, light, (at - low) / (high - low))
            break
    away = math.hypot(x - SUN[0], y - SUN[1]) / SUN[2]
    glow = max(0.0, 1 - max(0.0, away - 1) / 3.6) ** 2
    colour = (min(255, colour[0] + 190 * glow), min(255, colour[1] + 68 * glow), min(236, colour[2] + 6 * glow))
    return mix(colour, (255, 250, 214), (1.06 - away) * 14)


def clouds(rng: random.Random) -> list[tuple[float, float, float, float]]:
    """Long thin ellipses: centre, half length, half height."""
    return [(rng.uniform(0, WIDTH), y, rng.uniform(38, 80), rng.uniform(1.6, 3.4)) for y in (60, 69, 78, 87, 99, 111)]


def stars(rng: random.Random) -> list[tuple[int, int, int]]:
    """Place and size. None lies across the border of a square of six pixels: one of them at a width of 64."""
    sizes = [4] * 8 + [3] * 8 + [2] * 6
    return [(6 * rng.randrange(64) + 1, 6 * rng.randrange(9) + 1, size) for size in sizes]


def ridge(rng: random.Random, base: float, rough: float) -> list[float]:
    """The height of a mountain range above each column, by halving: peaks with ever smaller ones between them."""
    points = [base + rng.uniform(-rough, rough) for _ in range(5)]
    while len(points) < WIDTH:
        rough *= 0.52
        finer: list[float] = []
        for left, right in pairwise(points):
            finer += [left, (left + right) / 2 + rng.uniform(-rough, rough)]
        points = [*finer, points[-1]]
    return points[:WIDTH]


def forest(rng: random.Random) -> list[float]:
    """The outline of firs on both shores: high at the edges of the picture, none in its middle."""
    outline = [float(HEIGHT)] * WIDTH
    for _ in range(70):
        side = rng.random() ** 1.7 * 0.36
        centre = side * WIDTH if rng.random() < 0.6 else (1 - side * 0.62) * WIDTH
        top = 128 + side * 270 + rng.uniform(-16, 16)
        for x in range(WIDTH):
            slope = abs(x - centre)
            # Branches: the outline steps outwards on the way down.
            outline[x] = min(outline[x], top + slope * 3.4 + 3 * math.sin(slope * 1.9))
    return outline


def paint() -> list[list[Colour]]:
    """All rows of the picture."""
    rng = random.Random(5)
    picture = [[sky(x, y) for x in range(WIDTH)] for y in range(SHORE)]
    for left, top, size in stars(rng):
        for y in range(top, top + size):
            for x in range(left, left + size):
                picture[y][x] = mix(picture[y][x], (255, 246, 226), 0.4 + 0.15 * size)
    for centre, height, length, half in clouds(rng):
        for y in range(round(height - half), round(height + half) + 1):
            for x in range(WIDTH):
                inside = 1 - ((x - centre) / length) ** 2 - ((y - height) / half) ** 2
                if inside > 0:
                    picture[y][x] = mix(picture[y][x], (255, 132, 108), 0.55 * min(1.0, 2 * inside))
    for base, rough, top_colour, mist in RANGES:
        for x, peak in enumerate(ridge(rng, base, rough)):
            for y in range(max(0, round(peak)), SHORE):
                picture[y][x] = mix(top_colour, mist, (y - peak) / 44)
    picture += [lake(picture, y) for y in range(SHORE, HEIGHT)]
    for x, tip in enumerate(forest(rng)):
        for y in range(max(0, round(tip)), HEIGHT):
            picture[y][x] = FOREST
    return picture


def lake(picture: list[list[Colour]], y: int) -> list[Colour]:
    """The scene upside down, darker, rippled, with a path of light below the sun."""
    depth = y - SHORE
    mirrored = picture[max(0, round(SHORE - 1 - depth * 1.9 + 1.5 * math.sin(depth * 1.3)))]
    light = 0.72 - depth / 220
    row = [(red * light + 6, green * light * 0.86 + 4, blue * light * 0.74 + 24) for red, green, blue in mirrored]
    for x in range(WIDTH):
        broken = math.sin(depth * 0.95) * 4 + math.sin(depth * 0.37 + 1) * 5
        near = 1 - abs(x - SUN[0] - broken) / (9 + depth * 0.22)
        if near > 0 and depth % 4 != 3:
            row[x] = mix(row[x], (255, 214, 140), 0.9 * min(1.0, 2.5 * near))
    return row


def png(rows: list[list[Colour]]) -> bytes:
    """The picture as 8-bit RGB, each row with the filter whose differences are smallest."""
    packed, before = bytearray(), bytes(3 * WIDTH)
    for row in rows:
        # Steps of three in colour cannot be seen and save a third of the file.
        line = bytes(round(value / 3) * 3 for colour in row for value in colour)
        left = bytes(3) + line[:-3]
        ways = (
            line,
            bytes((a - b) & 255 for a, b in zip(line, left, strict=True)),
            bytes((a - b) & 255 for a, b in zip(line, before, strict=True)),
        )
        kind = min(range(3), key=lambda n: sum(min(v, 256 - v) for v in ways[n]))
        packed += bytes([kind]) + ways[kind]
        before = line

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(packed), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


if __name__ == "__main__":
    Path(__file__).with_name("sample.png").write_bytes(png(paint()))
