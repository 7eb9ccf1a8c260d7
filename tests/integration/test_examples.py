"""The prebuilt examples, run by plain wasmtime: what they print is compared with what others compute."""

from __future__ import annotations

import hashlib
import json
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from wasmtime import Config, Engine, ExitTrap, Store, WasiConfig
from wasmtime.component import Component, Linker, Variant

from tests.support.guests import compile_bomb, guest, names
from tests.support.png import CHANNELS, SIGNATURE, assert_is_average, chunk, decoded, painted, png

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FUEL = 2_000_000_000
"""What a request gets that asks for nothing."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended."""

    exit_code: int
    output: bytes
    log: str
    fuel: int


Run = Callable[..., Ended]


@cache
def engine() -> Engine:
    config = Config()
    config.consume_fuel = True
    return Engine(config)


@cache
def example(name: str) -> Component:
    return Component(engine(), (EXAMPLES / name / f"{name}.wasm").read_bytes())


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """run(component, stdin, *args): to its end, with the fuel of an ordinary job."""

    def command(component: Component, stdin: bytes = b"", *args: str) -> Ended:
        (tmp_path / "in").write_bytes(stdin)
        wasi = WasiConfig()
        wasi.argv = ["component", *args]
        wasi.stdin_file = str(tmp_path / "in")
        wasi.stdout_file = str(tmp_path / "out")
        wasi.stderr_file = str(tmp_path / "err")
        with Store(engine()) as store:
            store.set_fuel(FUEL)
            store.set_wasi(wasi)
            linker = Linker(engine())
            linker.add_wasip2()
            instance = linker.instantiate(store, component)
            exported = next(name for name in component.type.exports(engine()) if name.startswith("wasi:cli/run@0.2."))
            interface = instance.get_export_index(store, exported)
            index = instance.get_export_index(store, "run", interface)
            assert index is not None
            function = instance.get_func(store, index)
            assert function is not None
            try:
                ended = function(store)
                assert isinstance(ended, Variant)
                code = 0 if ended.tag == "ok" else 1
            except ExitTrap as trap:
                code = trap.code
            fuel = FUEL - store.get_fuel()
        output, log = (tmp_path / "out").read_bytes(), (tmp_path / "err").read_text()
        return Ended(code, output, log, fuel)

    return command


# What is committed


def test_the_components_are_the_listed_ones() -> None:
    checked = subprocess.run([sys.executable, EXAMPLES / "check.py"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_check_notices_another_component(tmp_path: Path) -> None:
    for name in ("check.py", "SHA256SUMS", "README.md"):
        (tmp_path / name).write_bytes((EXAMPLES / name).read_bytes())
    for name in ("echo", "markdown", "thumbnail"):
        (tmp_path / name).mkdir()
        data = (EXAMPLES / name / f"{name}.wasm").read_bytes()
        (tmp_path / name / f"{name}.wasm").write_bytes(data + b"\0" * (name == "echo"))
    checked = subprocess.run([sys.executable, tmp_path / "check.py"], capture_output=True, text=True, check=False)
    assert checked.returncode == 1
    assert checked.stdout.count("NOT as listed") == 1


def test_echo_is_what_its_text_says() -> None:
    from wasmtime import wat2wasm

    built = bytes(wat2wasm((EXAMPLES / "echo" / "echo.wat").read_text()))
    assert hashlib.sha256(built).hexdigest() in (EXAMPLES / "SHA256SUMS").read_text()


def test_the_request_of_the_sample_fits_into_one_event() -> None:
    picture = (EXAMPLES / "thumbnail" / "sample.png").read_bytes()
    assert len(picture) <= 24 << 10


# echo


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 100_000])
def test_echo_gives_back_what_it_gets(run: Run, size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert run(example("echo"), data, "ignored").output == data


def test_runs_are_the_same_every_time(run: Run) -> None:
    text = (EXAMPLES / "markdown" / "sample.md").read_bytes()
    assert len({run(example("markdown"), text) for _ in range(3)}) == 1


# markdown

GOLDEN = [
    ("", ""),
    ("plain", "<p>plain</p>\n"),
    ("one\ntwo\n\nthree", "<p>one\ntwo</p>\n<p>three</p>\n"),
    ("one  \ntwo\\\nthree", "<p>one<br />\ntwo<br />\nthree</p>\n"),
    ("# One\n###### Six\n####### Seven", "<h1>One</h1>\n<h6>Six</h6>\n<p>####### Seven</p>\n"),
    ("## closed ##\n# not#", "<h2>closed</h2>\n<h1>not#</h1>\n"),
    ("Title\n=====\nSub\n---", "<h1>Title</h1>\n<h2>Sub</h2>\n"),
    ("***\n- - -\n__ _", "<hr />\n<hr />\n<hr />\n"),
    ("*a* _b_ **c** __d__", "<p><em>a</em> <em>b</em> <strong>c</strong> <strong>d</strong></p>\n"),
    ("***both***", "<p><em><strong>both</strong></em></p>\n"),
    ("**bold *and italic***", "<p><strong>bold <em>and italic</em></strong></p>\n"),
    ("snake_case_name 2*3*4", "<p>snake_case_name 2<em>3</em>4</p>\n"),
    ("* not emphasis*", "<ul>\n<li>not emphasis*</li>\n</ul>\n"),
    ("**open", "<p>**open</p>\n"),
    ("*a **b* c**", "<p><em>a <em><em>b</em> c</em></em></p>\n"),
    ("`a < b` ``x ` y`` `open", "<p><code>a &lt; b</code> <code>x ` y</code> `open</p>\n"),
    ("`*no* &amp; \\*`", "<p><code>*no* &amp;amp; \\*</code></p>\n"),
    (
        "```rust ignore\nlet x = &y;\n\n*z*\n```\nafter",
        '<pre><code class="language-rust">let x = &amp;y;\n\n*z*\n</code></pre>\n<p>after</p>\n',
    ),
    ("~~~\n```\n~~~", "<pre><code>```\n</code></pre>\n"),
    ("```\nnever closed", "<pre><code>never closed\n</code></pre>\n"),
    ("    code\n\n\tmore\n\ntext", "<pre><code>code\n\nmore\n</code></pre>\n<p>text</p>\n"),
    ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"),
    ("- a\n\n- b", "<ul>\n<li>\n<p>a</p>\n</li>\n<li>\n<p>b</p>\n</li>\n</ul>\n"),
    ("- a\n  - b\n  - c\n- d", "<ul>\n<li>a\n<ul>\n<li>b</li>\n<li>c</li>\n</ul>\n</li>\n<li>d</li>\n</ul>\n"),
    ("3. a\n4. b", '<ol start="3">\n<li>a</li>\n<li>b</li>\n</ol>\n'),
    ("1. a\n1) b", "<ol>\n<li>a</li>\n</ol>\n<ol>\n<li>b</li>\n</ol>\n"),
    (
        "- a\n\n  b\n\n  ```\n  c\n  ```",
        "<ul>\n<li>\n<p>a</p>\n<p>b</p>\n<pre><code>c\n</code></pre>\n</li>\n</ul>\n",
    ),
    ("1986 was. a year\n-no list", "<p>1986 was. a year\n-no list</p>\n"),
    ("> a\n> b\nlazy\n\nout", "<blockquote>\n<p>a\nb\nlazy</p>\n</blockquote>\n<p>out</p>\n"),
    (
        "> > - deep",
        "<blockquote>\n<blockquote>\n<ul>\n<li>deep</li>\n</ul>\n</blockquote>\n</blockquote>\n",
    ),
    ('[a](/b "t")', '<p><a href="/b" title="t">a</a></p>\n'),
    ("[*a* `b`](<c d>)", '<p><a href="c%20d"><em>a</em> <code>b</code></a></p>\n'),
    ("[a](b(c)d) [e]( f ) [g]()", '<p><a href="b(c)d">a</a> <a href="f">e</a> <a href="">g</a></p>\n'),
    ("[a [b](c) d](e)", '<p>[a <a href="c">b</a> d](e)</p>\n'),
    ("[no target] [a](b", "<p>[no target] [a](b</p>\n"),
    ("![*alt* \"q\"](p.png 'T')", '<p><img src="p.png" alt="alt &quot;q&quot;" title="T" /></p>\n'),
    ("[![i](s)](t)", '<p><a href="t"><img src="s" alt="i" /></a></p>\n'),
    (
        "<https://a.b/c?d&e> <x@y.z>",
        '<p><a href="https://a.b/c?d&amp;e">https://a.b/c?d&amp;e</a> <a href="mailto:x@y.z">x@y.z</a></p>\n',
    ),
    ("\\*a\\* \\# \\a", "<p>*a* # \\a</p>\n"),
    ("&copy; &#8364; & &x \\&lt;", "<p>&copy; &#8364; &amp; &amp;x &amp;lt;</p>\n"),
    ("a\r\nb\r\n\r\n# c\r\n", "<p>a\nb</p>\n<h1>c</h1>\n"),
    ('<b onclick=x>"hi"</b>', "<p>&lt;b onclick=x&gt;&quot;hi&quot;&lt;/b&gt;</p>\n"),
    ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"),
    ("[a](javascript:alert(1)) [b](JaVaScRiPt:x)", "<p>a b</p>\n"),
    ("![a](data:image/svg+xml,x) [b](vbscript:x)", "<p>a b</p>\n"),
    # Neither is a scheme to a browser, because the "&" is escaped and no reference remains.
    (
        "[a](java&#115;cript:x) [b](javascript&colon;x)",
        '<p><a href="java&amp;#115;cript:x">a</a> <a href="javascript&amp;colon;x">b</a></p>\n',
    ),
    ("<javascript:alert(1)>", "<p>&lt;javascript:alert(1)&gt;</p>\n"),
    ("[a](/b\"onclick=x) [c](d 'e\"f')", '<p><a href="/b%22onclick=x">a</a> <a href="d" title="e&quot;f">c</a></p>\n'),
    ('``` "><script>\n```', '<pre><code class="language-&quot;&gt;&lt;script&gt;"></code></pre>\n'),
    ("日本 *語* é", "<p>日本 <em>語</em> é</p>\n"),
]


@pytest.mark.parametrize(("text", "html"), GOLDEN, ids=[json.dumps(text)[1:31] for text, _ in GOLDEN])
def test_markdown(run: Run, text: str, html: str) -> None:
    ended = run(example("markdown"), text.encode())
    assert (ended.output.decode(), ended.log, ended.exit_code) == (html, "", 0)


class Allowed(HTMLParser):
    """Fails on any tag, attribute or URL that does not come from Markdown."""

    TAGS = frozenset({"a", "img", "p", "em", "strong", "code", "pre", "ul", "ol", "li", "blockquote", "hr", "br"})
    HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
    SCHEMES = frozenset({"http", "https", "mailto", "nostr", "tel"})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.TAGS | self.HEADINGS
        for name, value in attrs:
            assert name in {"href", "src", "alt", "title", "class", "start"}
            if name in {"href", "src"}:
                # What a browser sees: without blanks and control characters.
                url = "".join(c for c in value or "" if c > " ")
                before, colon, _ = url.partition(":")
                assert not colon or set(before) & set("/?#&") or before.lower() in self.SCHEMES

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


PIECES = [
    *"*_`[]()<>!#-+>~\\&;:\"' \t\n019abé漢😀\u00a0\0\r\x01",
    *("```", "~~~", "  \n", "- ", "1. ", "> ", "![", "](", "<http://", "&#x41;", "    ", "[a](", "\\("),
    *("javascript:", "data:", "&colon;", "&#58;", "java\nscript:", "JaVaScRiPt:", "<script>", "<!--", "<!a"),
]


def test_markdown_lets_nothing_through(run: Run) -> None:
    chance = random.Random(7)
    for _ in range(150):
        text = "".join(chance.choices(PIECES, k=chance.randrange(1, 400)))
        ended = run(example("markdown"), text.encode())
        assert ended.exit_code == 0, text
        parser = Allowed()
        parser.feed(ended.output.decode())
        parser.close()


@pytest.mark.parametrize(
    "pattern",
    [
        "[",
        "![",
        "*a ",
        "a**b",
        "*a_ ",
        ">",
        "> - ",
        "* ",
        "- a\n\n",
        "[a](",
        "[a](<b",
        '[a](b "',
        "`a``",
        "<a:b",
        "&",
        "_*",
    ],
)
def test_markdown_takes_no_more_than_linear_time(run: Run, pattern: str) -> None:
    text = (pattern * 64_000)[:64_000]
    assert run(example("markdown"), text.encode()).fuel < FUEL


@pytest.mark.parametrize(("stdin", "args"), [(b"\xff\xfe", ()), (b"a", ("--help",)), (b"a" * ((4 << 20) + 1), ())])
def test_markdown_refuses_in_one_sentence(run: Run, stdin: bytes, args: tuple[str, ...]) -> None:
    ended = run(example("markdown"), stdin, *args)
    assert (ended.exit_code, ended.output, ended.log.count("\n")) == (1, b"", 1)


# thumbnail: what it makes


@pytest.mark.parametrize("colour", CHANNELS)
@pytest.mark.parametrize(("size", "width"), [((37, 29), 10), ((16, 24), 16), ((7, 5), 20), ((1, 1), 1), ((50, 3), 4)])
def test_thumbnail_is_the_average(run: Run, colour: int, size: tuple[int, int], width: int) -> None:
    picture, pixels = painted(random.Random(colour), colour, *size)
    ended = run(example("thumbnail"), picture, "--width", str(width))
    assert (ended.exit_code, ended.log) == (0, "")
    assert_is_average(decoded(ended.output), pixels, width)


def test_thumbnail_of_the_sample(run: Run) -> None:
    picture = (EXAMPLES / "thumbnail" / "sample.png").read_bytes()
    ended = run(example("thumbnail"), picture)
    assert ended.exit_code == 0
    assert len(ended.output) <= 12 << 10
    assert ended.fuel < FUEL // 10
    assert_is_average(decoded(ended.output), decoded(picture), 64)


@pytest.mark.parametrize(
    ("args", "size"),
    [
        ((), (64, 40)),
        (("--width", "1"), (1, 1)),
        (("--height", "20"), (32, 20)),
        (("--width", "100", "--height", "10"), (16, 10)),
        (("--width", "10", "--height", "100"), (10, 6)),
        (("--width", "384"), (384, 240)),
    ],
)
def test_thumbnail_keeps_the_ratio(run: Run, args: tuple[str, ...], size: tuple[int, int]) -> None:
    picture = (EXAMPLES / "thumbnail" / "sample.png").read_bytes()
    small = decoded(run(example("thumbnail"), picture, *args).output)
    assert (len(small[0]), len(small)) == size
    if size == (384, 240):
        assert small == decoded(picture)


@pytest.mark.parametrize(("colour", "depth"), [(0, 1), (0, 2), (0, 4), (0, 16), (2, 16), (3, 4), (4, 16), (6, 16)])
def test_thumbnail_reads_other_depths(run: Run, colour: int, depth: int) -> None:
    """Two pixels, one of the least value and one of the greatest, side by side; both opaque."""
    greatest = (1 << depth) - 1
    alpha = [greatest] if colour & 4 else []
    samples = [0] * (CHANNELS[colour] - len(alpha)) + alpha + [greatest] * CHANNELS[colour]
    bits = "".join(f"{value:0{depth}b}" for value in samples)
    row = int(bits.ljust(-len(bits) // 8 * -8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    extra = chunk(b"PLTE", bytes(45) + b"\xff" * 3) if colour == 3 else b""
    picture = png(2, 1, colour, zlib.compress(b"\0" + row), depth=depth, extra=extra)
    ended = run(example("thumbnail"), picture, "--width", "2")
    assert ended.exit_code == 0, ended.log
    assert decoded(ended.output) == [[(0, 0, 0, 255), (255, 255, 255, 255)]]


def test_thumbnail_knows_the_transparent_colour(run: Run) -> None:
    extra = chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3))
    picture = png(2, 1, 2, zlib.compress(b"\0\1\2\3\1\2\4"), extra=extra)
    small = decoded(run(example("thumbnail"), picture, "--width", "2").output)
    assert [pixel[3] for pixel in small[0]] == [0, 255]


# thumbnail: what it refuses

GOOD = png(2, 2, 0, zlib.compress(b"\0\1\2\0\3\4"))


def header(**changes: int) -> bytes:
    fields = {"width": 2, "height": 2, "depth": 8, "colour": 0, "packing": 0, "filtering": 0, "interlaced": 0}
    return chunk(b"IHDR", struct.pack(">IIBBBBB", *(fields | changes).values()))


def with_header(**changes: int) -> bytes:
    return GOOD.replace(header(), header(**changes))


def with_data(packed: bytes) -> bytes:
    return png(2, 2, 0, packed)


def raw_deflate(*bits: str) -> bytes:
    """A zlib stream of the given bits (each string in the order in which DEFLATE reads), without a checksum."""
    joined = "".join(bits)
    body = bytes(int(joined[i : i + 8][::-1], 2) for i in range(0, len(joined), 8))
    return b"\x78\x9c" + body


HOSTILE = {
    "this is no PNG picture": {
        "nothing": b"",
        "no PNG": b"GIF89a" + bytes(100),
    },
    "the picture ends too early": {
        "signature only": SIGNATURE,
        "cut in a chunk": GOOD[:-20],
        "no end": GOOD[:-12],
        "a chunk of 4 GiB": SIGNATURE + b"\xff\xff\xff\xffIHDR" + bytes(64),
    },
    "the picture is damaged: a checksum is wrong": {
        "a flipped bit": GOOD[:45] + bytes([GOOD[45] ^ 1]) + GOOD[46:],
    },
    "the picture's header is not in its place": {
        "no header": SIGNATURE + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
        "two headers": GOOD.replace(header(), header() + header()),
    },
    "the picture's header has the wrong length": {
        "header too short": GOOD.replace(header(), chunk(b"IHDR", bytes(12))),
    },
    "the picture has no data": {
        "no data": GOOD.replace(chunk(b"IDAT", zlib.compress(b"\0\1\2\0\3\4")), b""),
    },
    "the picture's data is not in one piece": {
        "data in two places": GOOD.replace(chunk(b"IEND", b""), chunk(b"tEXt", b"a\0b") + chunk(b"IDAT", b"")),
    },
    "the picture has a critical chunk of unknown type": {
        "unknown critical chunk": GOOD.replace(chunk(b"IEND", b""), chunk(b"EVIL", b"") + chunk(b"IEND", b"")),
    },
    "the picture has no pixels": {
        "no width": with_header(width=0),
        "no height": with_header(height=0),
    },
    "the picture has too many pixels": {
        "a side too long": with_header(width=16_385),
        "too many pixels": with_header(width=16_384, height=16_384),
        "sides that overflow": with_header(width=0xFFFFFFFF, height=0xFFFFFFFF),
    },
    "the picture has an unknown colour type": {
        "unknown colour": with_header(colour=5),
    },
    "the picture has a bit depth that its colour type forbids": {
        "forbidden depth": with_header(depth=3),
        "forbidden depth of a palette": with_header(colour=3, depth=16),
    },
    "interlaced pictures are not read": {
        "interlaced": with_header(interlaced=1),
    },
    "the picture uses an unknown compression or filter method": {
        "unknown packing": with_header(packing=1),
    },
    "the picture has no palette": {
        "palette missing": with_header(colour=3),
    },
    "the picture uses a colour that its palette does not have": {
        "palette too short": png(2, 2, 3, zlib.compress(b"\0\0\1\0\2\3"), extra=chunk(b"PLTE", bytes(6))),
    },
    "the picture's palette is damaged": {
        "palette of no colours": png(2, 2, 3, zlib.compress(bytes(6)), extra=chunk(b"PLTE", b"")),
        "palette of 257 colours": png(2, 2, 3, zlib.compress(bytes(6)), extra=chunk(b"PLTE", bytes(771))),
    },
    "the picture's transparency is damaged": {
        "more alphas than colours": png(
            2, 2, 3, zlib.compress(bytes(6)), extra=chunk(b"PLTE", bytes(3)) + chunk(b"tRNS", bytes(2))
        ),
    },
    "the picture uses an unknown filter": {
        "unknown filter": with_data(zlib.compress(b"\5\1\2\0\3\4")),
    },
    "the picture has less data than its header says": {
        "too few rows": with_data(zlib.compress(b"\0\1\2")),
        "half a row": with_data(zlib.compress(b"\0\1\2\0\3")),
    },
    "the picture has more data than its header says": {
        "too many rows": with_data(zlib.compress(b"\0\1\2\0\3\4\0")),
        "a bomb": with_data(zlib.compress(bytes(50_000_000), 9)),
    },
    "the picture's compressed data is damaged": {
        "no zlib": with_data(b"\x79\x9c" + zlib.compress(b"\0\1\2\0\3\4")[2:]),
        "a zlib dictionary": with_data(b"\x78\xbb" + bytes(20)),
        "wrong checksum": with_data(zlib.compress(b"\0\1\2\0\3\4")[:-1] + b"\0"),
        "reserved block type": with_data(raw_deflate("1", "11")),
        "stored length and inverse differ": with_data(raw_deflate("1", "00", "00000", "1" * 32)),
        "distance before the start": with_data(raw_deflate("1", "10", "0000001", "00001", "0" * 7)),
        "distance code 30": with_data(raw_deflate("1", "10", "00110000", "0000001", "11110", "0" * 7)),
        "length code 286": with_data(raw_deflate("1", "10", "11000110", "0" * 9)),
        "too many code words": with_data(raw_deflate("1", "01", "00000", "00000", "1111", "100" * 19)),
        "too few code words": with_data(raw_deflate("1", "01", "00000", "00000", "1111", "010" + "000" * 18)),
    },
    "the picture's compressed data ends too early": {
        "packed data cut": with_data(zlib.compress(b"\0\1\2\0\3\4")[:-5]),
    },
}


REFUSED = [pytest.param(s, p, id=name) for s, group in HOSTILE.items() for name, p in group.items()]


@pytest.mark.parametrize(("sentence", "picture"), REFUSED)
def test_thumbnail_refuses_in_one_sentence(run: Run, sentence: str, picture: bytes) -> None:
    ended = run(example("thumbnail"), picture)
    assert (ended.exit_code, ended.output) == (1, b"")
    assert ended.log.startswith("thumbnail: " + sentence)
    assert ended.log.count("\n") == 1


@pytest.mark.parametrize(
    "args",
    [("--width",), ("--width", "0"), ("--width", "1025"), ("--width", "-1"), ("--width", "9" * 30), ("small",), ("",)],
)
def test_thumbnail_refuses_arguments(run: Run, args: tuple[str, ...]) -> None:
    ended = run(example("thumbnail"), GOOD, *args)
    assert (ended.exit_code, ended.output, ended.log.count("\n")) == (1, b"", 1)


def test_thumbnail_refuses_to_grow_too_long(run: Run) -> None:
    tall = png(1, 100, 0, zlib.compress(bytes(200)))
    assert run(example("thumbnail"), tall, "--width", "11").exit_code == 1
    assert run(example("thumbnail"), tall, "--width", "11", "--height", "500").exit_code == 0


def test_thumbnail_survives_damage(run: Run) -> None:
    """Chunks with right checksums around content with flipped bits: a picture or a sentence, never a trap."""
    chance = random.Random(11)
    for n in range(150):
        colour = chance.choice(list(CHANNELS))
        good, _ = painted(chance, colour, 12, 9)
        start = good.index(b"IDAT") + 4
        end = start + int.from_bytes(good[start - 8 : start - 4], "big")
        packed = bytearray(good[start:end] if n % 2 else zlib.decompress(good[start:end]))
        for _ in range(chance.randrange(1, 4)):
            packed[chance.randrange(len(packed))] ^= 1 << chance.randrange(8)
        content = bytes(packed) if n % 2 else zlib.compress(packed)
        damaged = good[: start - 8] + chunk(b"IDAT", content) + good[end + 4 :]
        ended = run(example("thumbnail"), damaged, "--width", "5")
        assert (ended.exit_code == 0) == (ended.log == "") == bool(ended.output)


# The guests of the other tests


@pytest.mark.parametrize("name", [name for name in names() if name != "core-module"])
def test_guests_are_valid_components(name: str) -> None:
    Component(engine(), guest(name))
    Component(engine(), guest(name, wasi="0.2.6"))


def test_a_compile_bomb_is_a_valid_component(run: Run) -> None:
    assert run(Component(engine(), compile_bomb(20)), b"").exit_code == 0


def test_guests_do_what_they_say(run: Run) -> None:
    def ended(name: str, *args: str) -> tuple[int, bytes, str]:
        end = run(Component(engine(), guest(name)), b"", *args)
        return end.exit_code, end.output, end.log

    assert ended("hello") == (0, b"hello\n", "")
    assert ended("fail") == (1, b"", "no\n")
    assert ended("exit-0") == (0, b"bye\n", "")
    assert ended("exit-1") == (1, b"bye\n", "")
    assert ended("surroundings", "a b", "") == (0, b"arg component\narg a b\narg \n", "")
    assert len(ended("chance")[1]) == 36
