"""Naming code: a component is its sha256; where to find it is only a hint."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ComponentRef:
    """A WebAssembly component by digest, with places where its bytes may be found.

    `digest` is 64 lower-case hex digits. `size` is the exact size in bytes where the customer stated it.
    `hints` are URLs in the order in which they are to be tried: `blossom:` URIs (BUD-10), https, or http.
    """

    digest: str
    size: int | None
    hints: tuple[str, ...]
