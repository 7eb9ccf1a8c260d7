from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayclient.errors import InvalidUrl
from relayclient.urls import normalise


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("wss://relay.example", "wss://relay.example"),
        ("WSS://Relay.Example/", "wss://relay.example"),
        ("wss://relay.example:443", "wss://relay.example"),
        ("ws://relay.example:80/", "ws://relay.example"),
        ("wss://relay.example:80", "wss://relay.example:80"),
        ("wss://relay.example.:7447//", "wss://relay.example:7447"),
        ("wss://relay.example/Path/", "wss://relay.example/Path"),
        ("wss://relay.example/?a=B", "wss://relay.example?a=B"),
        ("ws://127.0.0.1:8080", "ws://127.0.0.1:8080"),
        ("ws://[0:0::1]:80", "ws://[::1]"),
        ("ws://[2001:DB8::1]:99/x", "ws://[2001:db8::1]:99/x"),
        ("wss://xn--bcher-kva.example", "wss://xn--bcher-kva.example"),
    ],
)
def test_normal_form(url: str, normal: str) -> None:
    assert normalise(url) == normal
    assert normalise(normal) == normal


@pytest.mark.parametrize(
    "url",
    [
        "",
        "relay.example",
        "https://relay.example",
        "http://relay.example",
        "file:///etc/passwd",
        "wss:relay.example",
        "wss://",
        "wss:///path",
        "wss://user@relay.example",
        "wss://user:pass@relay.example",
        "wss://@relay.example",
        "wss://relay.example#x",
        "wss://relay.example#",
        "wss://relay.example:0",
        "wss://relay.example:65536",
        "wss://relay.example:port",
        "wss://relay.example\\@evil.example",
        "wss://relay .example",
        "wss://relay.example\n",
        "wss://relay\t.example",
        "wss://bücher.example",
        "wss://１２７.0.0.1",
        "wss://relay..example",
        "wss://-relay.example",
        "wss://re%6Cay.example",
        "wss://[::1",
        "wss://::1",
        "wss://[fe80::1%25eth0]",
        "wss://[1.2.3.4]",
        "wss://[v1.x]",
        "wss://" + "a" * 64 + ".example",
        "wss://" + "a." * 200 + "example",
        "wss://relay.example/" + "x" * 512,
    ],
)
def test_what_is_no_relay_address(url: str) -> None:
    with pytest.raises(InvalidUrl):
        normalise(url)


@given(st.text() | st.text(alphabet="ws:/[]@#?%.1aA-\\").map("wss://".__add__))
def test_nothing_but_invalid_is_raised_and_the_normal_form_is_stable(url: str) -> None:
    try:
        normal = normalise(url)
    except InvalidUrl:
        return
    assert normalise(normal) == normal
