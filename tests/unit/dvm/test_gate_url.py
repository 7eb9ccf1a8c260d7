"""URLs: one spelling each, everything ambiguous refused."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvm.gate import Refused, Target, parse_url

BOTH = ("http", "https")

GOOD = {
    "https://cdn.example": Target("https", "cdn.example", 443, "/"),
    "https://cdn.example/": Target("https", "cdn.example", 443, "/"),
    "https://CDN.Example/A/b?c=d/e&f=%2F@": Target("https", "cdn.example", 443, "/A/b?c=d/e&f=%2F@"),
    "HTTPS://cdn.example:8443/x": Target("https", "cdn.example", 8443, "/x"),
    "https://xn--bcher-kva.example?q": Target("https", "xn--bcher-kva.example", 443, "/?q"),
    "https://192.0.2.7/": Target("https", "192.0.2.7", 443, "/"),
    "http://127.0.0.1:8080/x": Target("http", "127.0.0.1", 8080, "/x"),
    "http://[::1]:65535": Target("http", "::1", 65535, "/"),
    "https://[2001:db8::1]/": Target("https", "2001:db8::1", 443, "/"),
}


@pytest.mark.parametrize(("text", "target"), GOOD.items(), ids=GOOD)
def test_a_plain_url_is_read(text: str, target: Target) -> None:
    assert parse_url(text, BOTH) == target


BAD = {
    # Addresses that resolvers would take for loopback.
    "https://2130706433/": "host",
    "https://0x7f000001/": "host",
    "https://0177.0.0.1/": "host",
    "https://127.1/": "host",
    "https://0/": "host",
    "https://127.0.0.1./": "host",
    "https://127.0.0.0x1/": "host",
    "https://127.0.0.01/": "host",
    "https://127.0.0.256/": "host",
    "https://１２７.0.0.1/": "url",
    "https://127。0。0。1/": "url",
    "https://ⓛocalhost.example/": "url",
    "https://[::FFFF]/": "host",
    "https://[0:0:0:0:0:0:0:1]/": "host",
    "https://[::1%25lo]/": "host",
    "https://[127.0.0.1]/": "host",
    "https://[::1/": "host",
    "https://::1/": "host",
    # Hosts that are none.
    "https://localhost/": "host",
    "https:///path": "host",
    "https://": "host",
    "https://-a.example/": "host",
    "https://a-.example/": "host",
    "https://a..example/": "host",
    "https://.example/": "host",
    "https://a.example./": "host",
    "https://a_b.example/": "host",
    "https://%61.example/": "host",
    "https://" + "a" * 64 + ".example/": "host",
    "https://" + "a." * 127 + "example/": "host",
    # Two readers, two meanings.
    "https://user@a.example/": "host",
    "https://user:pass@a.example/": "host",
    "https://a.example@b.example/": "host",
    "https://a.example\\@b.example/": "url",
    "https://a.example/\\x": "url",
    "https://a.example/#f": "url",
    "https://a.example/%": "url",
    "https://a.example/%0": "url",
    "https://a.example/%zz": "url",
    "https://a.example/[x]": "url",
    "https://a.example /": "url",
    " https://a.example/": "url",
    "https://a.example/\n": "url",
    "https://a.example/\r\nHost: b": "url",
    "ht\ntps://a.example/": "url",
    "https://a.example/\0": "url",
    "https://a.example/é": "url",
    # Ports.
    "https://a.example:0/": "port",
    "https://a.example:00443/": "port",
    "https://a.example:65536/": "port",
    "https://a.example:99999/": "port",
    "https://a.example:/": "host",
    "https://a.example:-1/": "host",
    "https://a.example:443:443/": "host",
    "https://a.example:٤٤٣/": "url",
    # Schemes and shapes.
    "ftp://a.example/": "scheme",
    "wss://a.example/": "scheme",
    "file:///etc/passwd": "scheme",
    "a.example/x": "scheme",
    "//a.example/x": "scheme",
    "https:a.example": "host",
    "https:/a.example/": "host",
    "blossom:00": "scheme",
    "": "url",
    "https://a.example/" + "a" * 2048: "url",
}


@pytest.mark.parametrize(("text", "code"), BAD.items(), ids=[ascii(text)[:40] for text in BAD])
def test_everything_else_is_refused(text: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_url(text, BOTH)
    assert refused.value.code == code
    assert refused.value.sentence


def test_the_length_of_a_url_is_bounded() -> None:
    stem = "https://a.example/"
    assert parse_url(stem + "a" * (2048 - len(stem)), BOTH).host == "a.example"
    with pytest.raises(Refused):
        parse_url(stem + "a" * (2049 - len(stem)), BOTH)


@pytest.mark.parametrize(
    ("text", "authority", "tls"),
    [
        ("https://a.example/", "a.example", True),
        ("https://a.example:443/", "a.example", True),
        ("https://a.example:80/", "a.example:80", True),
        ("http://[::1]:80/", "[::1]", False),
        ("http://[::1]:8080/", "[::1]:8080", False),
        ("wss://a.example/", "a.example", True),
        ("ws://127.0.0.1:7777", "127.0.0.1:7777", False),
    ],
)
def test_authority_and_tls_follow_from_the_scheme(text: str, authority: str, tls: bool) -> None:
    target = parse_url(text, ("http", "https", "ws", "wss"))
    assert (target.authority, target.tls) == (authority, tls)


def test_only_schemes_with_a_meaning_here_exist() -> None:
    with pytest.raises(Refused, match="begin with"):
        parse_url("gopher://a.example/", ("gopher",))


@given(st.text(max_size=60) | st.text("htps:/.@[]0123456789abcdefx%?#\\ ", max_size=40).map(lambda t: "https://" + t))
def test_any_text_is_a_target_or_refused(text: str) -> None:
    try:
        target = parse_url(text, BOTH)
    except Refused:
        return
    # What was accepted means the same to the standard library, and is written back as it was understood.
    parts = urlsplit(text)
    assert parts.hostname == target.host
    assert parts.username is None
    again = parse_url(f"{target.scheme}://{target.authority}{target.path}", BOTH)
    assert again == target
