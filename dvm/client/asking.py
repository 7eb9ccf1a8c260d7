"""From a wish to a request event, and back through the node's own parser. Functions of values."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from jobs.component import ComponentRef
from jobs.reply import EVENT_BYTES_MAX
from jobs.request import REQUEST_KIND, JobRequest, Malformed, parse_request
from relayclient.errors import InvalidEvent, Reason
from relayclient.event import Draft, Event

TAG_VALUE_MAX = 1_024
"""Bytes of the first value of a one-letter tag that relays commonly take."""

_UNSAFE_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class CannotAsk(ValueError):
    """Nobody could take this request; the message says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a customer wants run. None leaves the choice to the node."""

    component: ComponentRef
    to: str | None = None
    """Public key of the one node that is asked; None asks all."""
    stdin: bytes = b""
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    fuel: int | None = None
    memory_mib: int | None = None
    timeout_ms: int | None = None
    seed: str | None = None
    bid_msat: int | None = None
    expiration: int | None = None
    relays: tuple[str, ...] = ()
    """Where the customer listens."""


def build_request(wish: Wish, now: int, *, kind: int = REQUEST_KIND) -> Draft:
    """The request event of docs/SPEC.md, unsigned; raises CannotAsk when no relay would take it."""
    input_tags, content = _input(wish.stdin)
    rows: list[tuple[str, ...]] = [("p", wish.to)] if wish.to else []
    rows += _component_tags(wish.component)
    rows += input_tags
    rows += [("param", "arg", arg) for arg in wish.args]
    rows += [("param", "env", name, value) for name, value in wish.env]
    for name in ("fuel", "memory_mib", "timeout_ms", "seed"):
        value = getattr(wish, name)
        rows += [] if value is None else [("param", name, str(value))]
    rows += [] if wish.bid_msat is None else [("bid", str(wish.bid_msat))]
    rows += [] if wish.expiration is None else [("expiration", str(wish.expiration))]
    rows += [("relays", *wish.relays)] if wish.relays else []
    rows.append(("alt", "Request to run a WebAssembly component"))
    try:
        draft = Draft(kind, content, tuple(rows), now)
    except InvalidEvent as error:
        if error.reason is Reason.TOO_LARGE:
            raise _too_large(wish) from None
        raise CannotAsk(f"no Nostr event can carry this request ({error})") from None
    if draft.wire_size() > EVENT_BYTES_MAX:
        raise _too_large(wish)
    return draft


def check_request(event: Event, to: str | None) -> JobRequest:
    """The signed request as the node will read it; raises CannotAsk with the objection that the node would send."""
    read = parse_request(event, to or event.pubkey, kind=event.kind)
    if isinstance(read, Malformed):
        raise CannotAsk(f"{read.code}: {read.sentence}")
    if not isinstance(read, JobRequest):
        raise CannotAsk(f"the node would not look at this request ({read.reason})")
    return read


def _too_large(wish: Wish) -> CannotAsk:
    told = f"relays take events of at most {EVENT_BYTES_MAX} bytes, and base64 adds a third to what is no text"
    return CannotAsk(f"the request is too large: {told}; stdin has {len(wish.stdin)} bytes")


def _component_tags(ref: ComponentRef) -> list[tuple[str, ...]]:
    places = [hint for hint in ref.hints if not hint.startswith("server:")]
    too_long = next((url for url in places if len(url.encode()) > TAG_VALUE_MAX), None)
    if too_long is not None:
        raise CannotAsk(f"a place of the component has more than {TAG_VALUE_MAX} bytes")
    rows: list[tuple[str, ...]] = [("i", url, "url", "", "component") for url in places]
    rows.append(("x", ref.digest, "component"))
    rows += [("server", hint.removeprefix("server:")) for hint in ref.hints if hint.startswith("server:")]
    return rows


def _input(stdin: bytes) -> tuple[list[tuple[str, ...]], str]:
    """Tags and content: text stays text, small text goes into a tag, everything else is base64."""
    if not stdin:
        return [], ""
    text = _as_text(stdin)
    if text is None:
        return [("encoding", "base64")], base64.b64encode(stdin).decode()
    if len(stdin) <= TAG_VALUE_MAX:
        return [("i", text, "text", "", "stdin")], ""
    return [], text


def _as_text(data: bytes) -> str | None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return None if _UNSAFE_TEXT.search(text) else text
