"""URL text to `Target`, by rules stricter than any URL standard.

A URL here is printable ASCII with a scheme, a host in one unambiguous spelling, perhaps a port, a path and a
query. What two parsers could read differently is refused: user names, backslashes, fragments, percent signs
in the host, addresses in octal, hexadecimal or short form, international names that are not already in their
ASCII form. The standard library's `urlsplit` does the splitting; the rules here decide before and after.
Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from dvm.gate.address import pack

MAX_URL_CHARS = 2048
DEFAULT_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}

_TEXT = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+")
_AUTHORITY = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[A-Za-z0-9.-]+))(?::(?P<port>[0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PATH = re.compile(r"/(?:[^\[\]%]|%[0-9A-Fa-f]{2})*")


class Refused(Exception):
    """The node will not make this connection. `code` is for programs, `sentence` for the operator's log.

    Codes: `url` (malformed), `scheme`, `host`, `port`, `address` (not public, not named by the operator),
    `peer` (the connection ended elsewhere). The sentence of the last three may say what a name resolved to:
    never send it out.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Target:
    """Somewhere to connect to. Made by `parse_url` only.

    `host` is a lower-case ASCII name, or an address in canonical form without brackets. `path` begins with a
    slash and includes the query.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def tls(self) -> bool:
        """Whether the scheme demands TLS."""
        return self.scheme in ("https", "wss")

    @property
    def address(self) -> bytes | None:
        """The packed address when the host is one, else None."""
        return pack(self.host)

    @property
    def authority(self) -> str:
        """As in a `Host` header: brackets round IPv6, the scheme's own port left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def parse_url(text: str, schemes: Collection[str]) -> Target:
    """The target that `text` names; `schemes` are those allowed, a subset of http, https, ws, wss.

    Raises `Refused` with code `url`, `scheme`, `host` or `port`. Whether the target may be dialled is the
    gate's say.
    """
    if not 1 <= len(text) <= MAX_URL_CHARS:
        raise Refused("url", f"a URL has 1 to {MAX_URL_CHARS} characters")
    if not _TEXT.fullmatch(text):
        raise Refused("url", "the URL has a character that is not allowed in URLs")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise Refused("host", "the host in the URL is malformed") from None
    scheme = parts.scheme
    if scheme not in schemes or scheme not in DEFAULT_PORTS:
        raise Refused("scheme", f"the URL must begin with {' or '.join(f'{s}://' for s in sorted(schemes))}")
    found = _AUTHORITY.fullmatch(parts.netloc)
    if not found:
        raise Refused("host", "the URL needs a plain host name or address, without user name or escapes")
    path = parts.path or "/"
    if parts.query:
        path += "?" + parts.query
    if not _PATH.fullmatch(path):
        raise Refused("url", "the path of the URL is malformed")
    return Target(scheme, _host(found["v6"], found["name"]), _port(found["port"], scheme), path)


def _host(v6: str | None, name: str | None) -> str:
    if v6 is not None:
        packed = pack(v6)
        if packed is None or len(packed) != 16:
            raise Refused("host", "the IPv6 address is not in its canonical form")
        return v6
    host = (name or "").lower()
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        if pack(host) is None:
            raise Refused("host", "the IPv4 address is not four plain decimal numbers")
        return host
    if len(labels) < 2 or len(host) > 253:
        raise Refused("host", "the host name needs a dot, and at most 253 characters")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise Refused("host", "the host name is malformed")
    return host


def _port(digits: str | None, scheme: str) -> int:
    if digits is None:
        return DEFAULT_PORTS[scheme]
    if digits.startswith("0") or int(digits) > 65535:
        raise Refused("port", "the port must be a number from 1 to 65535")
    return int(digits)
