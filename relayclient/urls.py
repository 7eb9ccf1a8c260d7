"""Relay addresses: one strict parser, one normal form, so that two spellings of a relay are one relay."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from relayclient.errors import InvalidUrl, Reason

MAX_URL_CHARS = 512

_DEFAULT_PORTS = {"ws": 80, "wss": 443}
_PRINTABLE = re.compile(r"[\x21-\x7e]+").fullmatch
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)").fullmatch


def normalise(url: str) -> str:
    """The normal form of a relay URL; raises InvalidUrl.

    ws and wss only; ASCII; no user information, no fragment; host in lower case without trailing dot; the default
    port and a trailing slash dropped. This says nothing about whether the address may be contacted.
    """
    if len(url) > MAX_URL_CHARS or not _PRINTABLE(url) or "\\" in url:
        raise InvalidUrl(Reason.BAD_URL, "not a printable ASCII address of bearable length")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidUrl(Reason.BAD_URL, "not a URL") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise InvalidUrl(Reason.BAD_URL, "a relay address begins with wss:// or ws://")
    if "@" in parts.netloc:
        raise InvalidUrl(Reason.BAD_URL, "user information in a relay address")
    if "#" in url:
        raise InvalidUrl(Reason.BAD_URL, "fragment in a relay address")
    if not host or port == 0:
        raise InvalidUrl(Reason.BAD_URL, "no usable host and port")
    netloc = _host(host, bracketed="[" in parts.netloc)
    if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
        netloc += f":{port}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{netloc}{parts.path.rstrip('/')}{query}"


def _host(host: str, *, bracketed: bool) -> str:
    if bracketed:
        if "%" in host:
            raise InvalidUrl(Reason.BAD_URL, "zone in an IPv6 address")
        try:
            return f"[{ipaddress.IPv6Address(host).compressed}]"
        except ValueError:
            raise InvalidUrl(Reason.BAD_URL, "not an IPv6 address") from None
    host = host.lower().removesuffix(".")
    if len(host) > 253 or not all(_LABEL(label) for label in host.split(".")):
        raise InvalidUrl(Reason.BAD_URL, "not a host name")
    return host
