"""Relay addresses are judged before anything is written or sent."""

from __future__ import annotations

import pytest

from dvm.cli.options import checked_relays
from dvm.cli.terminal import USAGE, Trouble


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ws://relay.example.com", "use wss://"),
        ("ws://127.0.0.1:7777", "add --local"),
        ("wss://127.0.0.1:7777", "add --local"),
        ("https://relay.example.com", "begins with wss://"),
        ("relay.example.com", "wss://"),
        ("wss://relay.example.com:8443", "port 443"),
        ("wss://user@relay.example.com", "user information"),
        ("ws://localhost:7777", "write 127.0.0.1"),
    ],
)
def test_an_address_that_would_be_refused_later_is_refused_at_once(url: str, told: str) -> None:
    with pytest.raises(Trouble, match=told) as trouble:
        checked_relays([url], local=False)
    assert trouble.value.code == USAGE


def test_local_permits_loopback_and_nothing_else() -> None:
    urls = ["ws://127.0.0.1:7777/", "ws://[::1]:7777", "wss://relay.example.com", "ws://127.0.0.1:7777"]
    assert checked_relays(urls, local=True) == ("ws://127.0.0.1:7777", "ws://[::1]:7777", "wss://relay.example.com")
    for url in ("ws://relay.example.com", "ws://192.168.1.2:7777", "ws://10.0.0.1"):
        with pytest.raises(Trouble, match="loopback addresses only"):
            checked_relays([url], local=True)
