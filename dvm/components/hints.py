"""Where to look for a component, in which order: hints of a request and the operator's mirrors to URLs.

A hint is a `blossom:` URI (BUD-10), a URL of the bytes, or `server:` and the base URL of a Blossom server
(BUD-01). Order: URIs and URLs as given, then servers, then mirrors. Pure; nothing here decides what may be
contacted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from dvm.components.failure import REFUSED, SIZE_MISMATCH, Failure
from dvm.gate import Refused, Target, parse_url
from jobs.component import ComponentRef

MAX_SOURCES = 32
SCHEMES = ("http", "https")

_BLOSSOM = re.compile(r"blossom:(?P<name>(?P<digest>[0-9a-fA-F]{64})(?:\.[A-Za-z0-9]{1,16})?)(?:\?(?P<query>.*))?")


@dataclass(frozen=True, slots=True)
class Source:
    """One URL to try. `size` is the exact size that the hint or the request states, if any."""

    target: Target
    size: int | None


def sources(ref: ComponentRef, mirrors: Sequence[str]) -> tuple[list[Source], list[Failure]]:
    """The sources of a component, first to be tried first, each URL once; and the hints that are unusable."""
    found: dict[Target, Source] = {}
    unusable: list[Failure] = []
    servers = [hint.removeprefix("server:") for hint in ref.hints if hint.startswith("server:")]
    urls = [entry for hint in ref.hints if not hint.startswith("server:") for entry in _urls(ref, hint, unusable)]
    for url, size in urls + [(url, ref.size) for base in [*servers, *mirrors] for url in _at(base, ref)]:
        try:
            target = parse_url(url, SCHEMES)
        except Refused as refused:
            unusable.append(Failure("a hint", REFUSED, f"is unusable ({refused.sentence})"))
            continue
        found.setdefault(target, Source(target, size))
    return list(found.values())[:MAX_SOURCES], unusable


def _urls(ref: ComponentRef, hint: str, unusable: list[Failure]) -> list[tuple[str, int | None]]:
    if not hint.startswith("blossom:"):
        return [(hint, ref.size)]
    uri = _BLOSSOM.fullmatch(hint)
    if not uri or uri["digest"].lower() != ref.digest:
        unusable.append(Failure("a hint", REFUSED, "is unusable (the blossom URI is malformed)"))
        return []
    pairs = [pair.partition("=") for pair in (uri["query"] or "").split("&")]
    size = ref.size
    for stated in (value for key, _, value in pairs if key == "sz"):
        if not re.fullmatch(r"[0-9]{1,15}", stated) or (size is not None and size != int(stated)):
            unusable.append(Failure("a hint", SIZE_MISMATCH, "states another size than the request"))
            return []
        size = int(stated)
    name = uri["name"].replace(uri["digest"], ref.digest)
    return [(f"{_base(unquote(value))}/{name}", size) for key, _, value in pairs if key == "xs"]


def _at(base: str, ref: ComponentRef) -> list[str]:
    return [f"{_base(base)}/{ref.digest}{extension}" for extension in (".wasm", "")]


def _base(server: str) -> str:
    """A server as a base URL; one that is a bare host name is meant as https."""
    return (server if "://" in server else "https://" + server).rstrip("/")
