"""The customer's side: ask for a run, follow it, read and check what comes back.

Building and reading are functions of values; `submit` and `find_event` speak to relays. Nothing here prints, knows a
home, or trusts an answer: one that does not fit its own receipt, or comes from somebody else, is reported and ignored.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from dvm.supervise import Supervisor
from jobs.component import ComponentRef
from jobs.receipt import InvalidReceipt, Receipt, input_digest
from jobs.reply import EVENT_BYTES_MAX, FEEDBACK_KIND, result_kind
from jobs.request import REQUEST_KIND, JobRequest, Malformed, parse_request
from relayclient import tags
from relayclient.clock import Clock
from relayclient.connection import Dial
from relayclient.errors import InvalidEvent, Reason
from relayclient.event import Draft, Event
from relayclient.filters import Filter
from relayclient.news import CaughtUp, Disconnected, EventSeen, News, SubscriptionLost
from relayclient.pool import Pool
from relayclient.verdicts import Verdict

TAG_VALUE_MAX = 1_024
"""Bytes of the first value of a one-letter tag that relays commonly take."""
HEARD_MAX = 256
"""Answers to one request that are looked at; what comes beyond them is noise."""
GRACE_S = 3.0
"""How long a job that is open to all waits for another node after one node's error."""
TRIES = 4
RETRY_S = 1.0

_CODE = re.compile(r"[a-z][a-z0-9-]{0,63}")
_UNSAFE_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


# Asking


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


# Reading answers


@dataclass(frozen=True, slots=True)
class Progress:
    """Not the end: the node says how it stands."""

    event: Event
    status: str
    text: str


@dataclass(frozen=True, slots=True)
class Failure:
    """The node's one error. `code` is for programs."""

    event: Event
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Result:
    """The output, and a receipt that it fits."""

    event: Event
    output: bytes
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that claims to be an answer and is none."""

    event: Event
    why: str


Heard = Progress | Failure | Result | Ignored


def read_answer(event: Event, request: JobRequest, to: str | None) -> Heard:
    """What a verified event says about the request; `to` is the only node that is believed, None believes all."""
    if to is not None and event.pubkey != to:
        return Ignored(event, "it is not from the node that was asked")
    if tags.values(event.tags, "e") != (request.id,):
        return Ignored(event, "it does not name this request, or not this one alone")
    if event.kind == FEEDBACK_KIND:
        return _feedback(event)
    if event.kind != result_kind(request.event.kind):
        return Ignored(event, "it is of another kind")
    try:
        receipt = Receipt.from_event(event)
        output = result_output(event)
    except ValueError as error:
        return Ignored(event, f"it has no usable receipt ({error})")
    contradictions = contradicting(receipt, output, request)
    return Ignored(event, "; ".join(contradictions)) if contradictions else Result(event, output, receipt)


def result_output(event: Event) -> bytes:
    """The bytes that a result carries; raises InvalidReceipt when they cannot be decoded."""
    encoding = tags.first(event.tags, "encoding")
    if encoding is None:
        return event.content.encode()
    if encoding != "base64":
        raise InvalidReceipt("the encoding of the content is unknown")
    try:
        return base64.b64decode(event.content, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidReceipt("the content is not valid base64") from None


def contradicting(receipt: Receipt, output: bytes, request: JobRequest) -> list[str]:
    """Where a receipt contradicts the request or the result it stands in, as sentences; empty when it fits."""
    found = []
    if receipt.component != request.component.digest:
        found.append("the receipt is for another component")
    if receipt.input != input_digest(request):
        found.append("the receipt is for another input")
    if receipt.output != hashlib.sha256(output).hexdigest():
        found.append("the receipt is for another output")
    return found


def _feedback(event: Event) -> Heard:
    status = next((row for row in event.tags if row[0] == "status"), ())
    text = event.content or tags.at(status, 2)
    if tags.at(status, 1) != "error":
        return Progress(event, tags.at(status, 1), text)
    code, _, sentence = text.partition(":")
    if _CODE.fullmatch(code) and sentence:
        return Failure(event, code, sentence.strip())
    return Failure(event, "", text)


# Over relays


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What it takes to reach relays."""

    dial: Dial
    clock: Clock
    rng: Random
    relays: tuple[str, ...]
    """Normalised URLs."""


@dataclass(frozen=True, slots=True)
class Published:
    """What one relay said to the request, for good or after the last try."""

    relay: str
    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Relays have the request, and the time is over."""


@dataclass(frozen=True, slots=True)
class Unsent:
    """No relay took the request; `said` is per relay."""

    said: tuple[Published, ...]


Answer = Result | Failure | NoAnswer | Unsent
Happening = Heard | Published


async def submit(
    request: JobRequest, to: str | None, network: Network, *, wait_s: float, tell: Callable[[Happening], None]
) -> Answer:
    """Publish the signed request on all relays and wait at most `wait_s` seconds for how it ends.

    `tell` hears everything as it comes, the end included. Cancelling is harmless: the request stays published.
    """
    exchange = _Exchange(request, to, tell)
    pool = _pool(network, exchange.hear)
    kinds = (result_kind(request.event.kind), FEEDBACK_KIND)
    pool.subscribe("answers", (Filter(kinds=kinds, tags={"e": (request.id,)}),))
    async with Supervisor() as tasks:
        tasks.start(pool.run(), name="relays")
        await asyncio.sleep(0)  # so that the pool runs
        tasks.start(exchange.publish(pool, network), name="publish")
        answer = await exchange.answer(wait_s)
        tasks.cancel()
    return answer


async def find_event(event_id: str, network: Network, *, wait_s: float) -> Event | None:
    """The event from whichever relay has it; None when all said no, or the time is over."""
    found: asyncio.Future[Event | None] = asyncio.get_running_loop().create_future()
    asked = set(network.relays)

    async def hear(news: News) -> None:
        if isinstance(news, EventSeen) and not found.done():
            found.set_result(news.event)
        elif isinstance(news, CaughtUp | Disconnected | SubscriptionLost):
            asked.discard(news.relay)
            if not asked and not found.done():
                found.set_result(None)

    pool = _pool(network, hear)
    pool.subscribe("one", (Filter(ids=(event_id,), limit=1),))
    async with Supervisor() as tasks:
        tasks.start(pool.run(), name="relays")
        try:
            async with asyncio.timeout(wait_s):
                return await found
        except TimeoutError:
            return None
        finally:
            tasks.cancel()


def _pool(network: Network, hear: Callable[[News], Awaitable[None]]) -> Pool:
    pool = Pool(dial=network.dial, clock=network.clock, rng=network.rng, news=hear)
    for relay in network.relays:
        pool.add(relay)
    return pool


@dataclass(slots=True)
class _Exchange:
    """One request under way."""

    request: JobRequest
    to: str | None
    tell: Callable[[Happening], None]
    end: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    heard: int = 0
    failed: dict[str, Failure] = field(default_factory=dict)
    """The first error of each node."""
    working: set[str] = field(default_factory=set)
    """Nodes that said they work on it."""

    async def answer(self, wait_s: float) -> Answer:
        try:
            async with asyncio.timeout(wait_s):
                return await self.end
        except TimeoutError:
            return next(iter(self.failed.values()), NoAnswer())

    async def publish(self, pool: Pool, network: Network) -> None:
        said = await asyncio.gather(*(self._publish(pool, relay, network.rng) for relay in network.relays))
        if all(each.verdict is not Verdict.ACCEPTED for each in said):
            self._finish(Unsent(tuple(said)))

    async def _publish(self, pool: Pool, relay: str, rng: Random) -> Published:
        verdict, text = Verdict.TRANSIENT, ""
        for tried in range(TRIES):
            verdict, text = await pool.publish(self.request.event, relay)
            if verdict is not Verdict.TRANSIENT:
                break
            if tried < TRIES - 1:
                await asyncio.sleep(RETRY_S * 2**tried * rng.uniform(0.5, 1.0))
        said = Published(relay, verdict, text)
        self.tell(said)
        return said

    async def hear(self, news: News) -> None:
        if not isinstance(news, EventSeen) or self.heard >= HEARD_MAX or self.end.done():
            return
        self.heard += 1
        heard = read_answer(news.event, self.request, self.to)
        self.tell(heard)
        match heard:
            case Result():
                self._finish(heard)
            case Progress():
                self.working.add(heard.event.pubkey)
            case Failure():
                self._failed(heard)

    def _failed(self, failure: Failure) -> None:
        """The end when one node was asked. When all were, another one may still do it."""
        self.failed.setdefault(failure.event.pubkey, failure)
        self.working.discard(failure.event.pubkey)
        if self.to is not None:
            self._finish(failure)
        else:
            asyncio.get_running_loop().call_later(GRACE_S, self._give_up)

    def _give_up(self) -> None:
        if self.failed and not self.working:
            self._finish(next(iter(self.failed.values())))

    def _finish(self, answer: Answer) -> None:
        if not self.end.done():
            self.end.set_result(answer)
