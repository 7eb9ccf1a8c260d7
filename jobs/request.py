"""From a kind-5850 event to a job request: the only reader of NIP-90's tags (docs/SPEC.md, "Request").

Everything a stranger can write is bounded here. What is wrong gets one `Malformed` with a stable code.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import NewType

from jobs.component import ComponentRef
from jobs.params import HEX64, Params, Wrong, integer, shown
from relayclient.errors import InvalidUrl
from relayclient.event import Event
from relayclient.urls import normalise

JobId = NewType("JobId", str)
"""The id of the request event, 64 lower-case hex digits."""

REQUEST_KIND = 5850
WORLD = "wasi:cli/command"
WORLDS = frozenset({WORLD, "command"})

HINTS_MAX = 16
RELAYS_MAX = 8
_RELAYS_READ = 64
COMPONENT_SIZE_MAX = 1 << 32

_ROLE = "component"
_DIGEST_IN_URL = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The limits the customer named; None where nothing was said."""

    fuel: int | None = None
    memory_bytes: int | None = None
    wall_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A well-formed request: what to run, on what, within which limits, and where the customer listens."""

    event: Event
    component: ComponentRef
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    stdin: bytes = b""
    ask: Ask = field(default_factory=Ask)
    seed: bytes = bytes(32)
    bid_msat: int | None = None
    relays: tuple[str, ...] = ()
    expiration: int | None = None
    addressed: bool = False
    """Whether the customer named this node; otherwise the job is open to all."""

    @property
    def id(self) -> JobId:
        return JobId(self.event.id)

    @property
    def customer(self) -> str:
        """Public key, 64 hex digits."""
        return self.event.pubkey


@dataclass(frozen=True, slots=True)
class NotOurs:
    """Nothing this node may answer. `reason` is for counters, never for the wire."""

    reason: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """For us, but wrong. `code` and `sentence` go to the customer."""

    code: str
    sentence: str
    relays: tuple[str, ...] = ()
    addressed: bool = False


def parse_request(event: Event, me: str, *, kind: int = REQUEST_KIND) -> JobRequest | Malformed | NotOurs:
    """Read a verified event as a request to the node with the public key `me` (64 hex digits)."""
    if event.kind != kind:
        return NotOurs("kind")
    wanted = [tag[1] for tag in event.tags if tag[0] == "p" and len(tag) > 1]
    if wanted and me not in wanted:
        return NotOurs("addressed to others")
    if any(tag[0] == "encrypted" for tag in event.tags):
        # An encrypted job must never be answered in clear, and this node cannot read it yet.
        return NotOurs("encrypted")
    relays = _relays(event)
    try:
        return _read(event, relays, addressed=bool(wanted))
    except Wrong as wrong:
        return Malformed(wrong.code, wrong.sentence, relays, bool(wanted))


def _read(event: Event, relays: tuple[str, ...], *, addressed: bool) -> JobRequest:
    params = Params(event)
    world = params.single("world")
    if world is not None and world not in WORLDS:
        raise Wrong("unknown-world", f"this node runs the world {WORLD}, not {shown(world)}")
    memory_mib = params.integer("memory_mib", 1, 1 << 20)
    return JobRequest(
        event=event,
        component=_component(event),
        args=params.args(),
        env=params.env(),
        stdin=_stdin(event),
        ask=Ask(
            fuel=params.integer("fuel", 1, (1 << 63) - 1),
            memory_bytes=None if memory_mib is None else memory_mib << 20,
            wall_ms=params.integer("timeout_ms", 1, 86_400_000),
        ),
        seed=params.seed(),
        bid_msat=_tag_integer(event, "bid"),
        relays=relays,
        expiration=_tag_integer(event, "expiration"),
        addressed=addressed,
    )


# The component


def _component(event: Event) -> ComponentRef:
    digests: set[str] = set()
    sizes: set[int] = set()
    hints: list[str] = []
    for tag in event.tags:
        if tag[0] == "i" and _marker(tag) == _ROLE:
            if len(tag) > 2 and tag[2].lower() not in ("url", ""):
                raise Wrong("unsupported-source", f"a component is named by url, not by {shown(tag[2])}")
            hints.append(tag[1])
            digest, stated = _named_in(tag[1])
            digests.update(() if digest is None else (digest,))
            sizes.update(stated)
        elif tag[0] == "x" and len(tag) > 1 and tag[2:3] in ((), (_ROLE,)):
            digests.add(_digest(tag[1]))
        elif tag[0] == "server" and len(tag) > 1:
            hints.append("server:" + tag[1])
    if not digests:
        raise Wrong("no-hash", 'name the component by its sha256: ["x", "<64 hex digits>", "component"]')
    if len(digests) > 1:
        raise Wrong("hash-conflict", "the request names different sha256 digests for one component")
    if len(sizes) > 1:
        raise Wrong("size-conflict", "the request names different sizes for one component")
    if len(hints) > HINTS_MAX:
        raise Wrong("too-many-hints", f"at most {HINTS_MAX} places for the component can be named")
    return ComponentRef(digests.pop(), sizes.pop() if sizes else None, tuple(dict.fromkeys(hints)))


def _marker(tag: tuple[str, ...]) -> str:
    """The role of an `i` tag. It stands in fifth place; some clients leave out the relay before it."""
    if len(tag) > 4:
        return tag[4]
    return tag[3] if len(tag) == 4 and "://" not in tag[3] else ""


def _digest(text: str) -> str:
    if not HEX64.fullmatch(text.lower()):
        raise Wrong("bad-hash", f"a sha256 has 64 hex digits, not {shown(text)}")
    return text.lower()


def _named_in(url: str) -> tuple[str | None, list[int]]:
    """Digest and sizes that a URL states itself: a BUD-10 URI, or the last run of exactly 64 hex digits in a URL."""
    path, _, query = url.partition("?")
    if not path.startswith("blossom:"):
        found = _DIGEST_IN_URL.findall(path.lower())
        return (found[-1] if found else None), []
    name = path.removeprefix("blossom:").partition(".")[0]
    stated = [part[3:] for part in query.split("&") if part.startswith("sz=")]
    if any(not re.fullmatch("[0-9]{1,10}", text) or int(text) > COMPONENT_SIZE_MAX for text in stated):
        raise Wrong("bad-size", "the sz= of the blossom URI is no size in bytes")
    return _digest(name), [int(text) for text in stated]


# Input


def _stdin(event: Event) -> bytes:
    parts = [tag for tag in event.tags if tag[0] == "i" and len(tag) > 1 and _marker(tag) != _ROLE]
    for tag in parts:
        kind = tag[2] if len(tag) > 2 and tag[2] else "text"
        if kind.lower() != "text" or _marker(tag) not in ("", "stdin"):
            told = f"this node does not take {shown(kind)} inputs marked {shown(_marker(tag))}"
            raise Wrong("unsupported-input", f"an input is text for stdin; {told}")
    if len(parts) + bool(event.content) > 1:
        raise Wrong("stdin-conflict", "stdin is given more than once; use one text input or the content")
    return _decoded(parts[0][1] if parts else event.content, _single_tag(event, "encoding"))


def _decoded(text: str, encoding: str | None) -> bytes:
    if encoding is None:
        return text.encode()
    if encoding != "base64":
        raise Wrong("bad-encoding", f"the encoding of the input can be base64, not {shown(encoding)}")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Wrong("bad-encoding", "the input is not valid base64") from None


def _single_tag(event: Event, name: str) -> str | None:
    values = [tag[1] if len(tag) > 1 else "" for tag in event.tags if tag[0] == name]
    if len(values) > 1:
        raise Wrong("bad-param", f"the tag {name} stands more than once")
    return values[0] if values else None


def _tag_integer(event: Event, name: str) -> int | None:
    text = _single_tag(event, name)
    return None if text is None else integer(f"the tag {name}", text, 0, (1 << 63) - 1)


def _relays(event: Event) -> tuple[str, ...]:
    """The first few usable addresses, normalised, so that two spellings of a relay are one; the rest is passed over."""
    named = [url for tag in event.tags if tag[0] == "relays" for url in tag[1:]]
    return tuple(dict.fromkeys(filter(None, map(_relay, named[:_RELAYS_READ]))))[:RELAYS_MAX]


def _relay(url: str) -> str | None:
    try:
        return normalise(url)
    except InvalidUrl:
        return None
