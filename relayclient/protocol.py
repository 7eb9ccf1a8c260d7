"""One relay's session without I/O: what it says goes in, what to send, what happened and when to wake come out.

The driver's duties, in this order:

1. call exactly one input: `opened`, `frame`, `closed`, `tick`, `subscribe`, `unsubscribe` or `publish`;
2. send what `frames_to_send()` returns, in order;
3. hand on what `news()` returns, in order;
4. call `tick` no later than `deadline()` says.

A session outlives its connections: `closed` after `opened`, `opened` again after reconnecting, and every subscription
is asked for again from where this relay was last known caught up. Nothing a relay sends makes an input raise.
No sockets, no clocks: `now` comes with each input. Counterpart vocabularies: `messages.py` and `news.py`.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from random import Random

from relayclient import messages
from relayclient.backoff import Backoff
from relayclient.catchup import Catchup
from relayclient.clock import Moment
from relayclient.errors import InvalidEvent, InvalidFrame, Reason
from relayclient.event import Event
from relayclient.filters import Filter
from relayclient.limits import SessionLimits
from relayclient.news import (
    Answered,
    CaughtUp,
    Connected,
    Dropped,
    EventSeen,
    News,
    Noticed,
    SubscriptionLost,
)
from relayclient.verdicts import Verdict, clean, of_ok, of_refusal

MAX_SUB_CHARS = 40
"""Of a subscription's name; the session adds a number, and relays take 64 characters."""


@dataclass(slots=True)
class _Subscription:
    """A wish that outlives connections (the first four), and how far it got on this one (the rest)."""

    name: str
    filters: tuple[Filter, ...]
    backoff: Backoff
    upto: int | None
    """All up to this unix time is known to the caller."""

    wire_id: str = ""
    page_id: str = ""
    catchup: Catchup | None = None
    """Until nothing stored is missing; None before the REQ and after."""
    asked_at: int = 0
    """Unix time of the REQ."""
    silent_at: float | None = None
    retry_at: float | None = None
    confirm_at: float | None = None
    confirm_upto: int = 0

    def forget_connection(self) -> None:
        self.wire_id = self.page_id = ""
        self.catchup = None
        self.silent_at = self.retry_at = self.confirm_at = None

    def deadlines(self) -> list[float]:
        return [t for t in (self.silent_at, self.retry_at, self.confirm_at) if t is not None]


@dataclass(slots=True)
class _Pending:
    """A publication without answer."""

    event: Event
    deadline: float


class Session:
    """What one relay and we have to say to each other. See the module for how to drive it."""

    def __init__(self, url: str, *, rng: Random, limits: SessionLimits, verified: MutableMapping[str, str]) -> None:
        """`url` is normalised. `verified` maps ids to signatures that any of the sessions sharing it has verified."""
        self.url = url
        self.proved = False
        """Whether this connection, or the last one, did what it is for: an EOSE came."""
        self._rng = rng
        self._limits = limits
        self._verified = verified
        self._open = False
        self._subs: dict[str, _Subscription] = {}
        self._wires: dict[str, _Subscription] = {}
        self._wire_count = 0
        self._pending: dict[str, _Pending] = {}
        self._frames: list[str] = []
        self._news: list[News] = []

    # Inputs from the connection

    def opened(self, now: Moment) -> None:
        """The connection stands: subscriptions are asked for, held publications sent."""
        assert not self._open, "opened twice"
        self._open = True
        self.proved = False
        self._news.append(Connected(self.url))
        for sub in self._subs.values():
            self._ask(sub, now)
        for pending in self._pending.values():
            self._send_event(pending)

    def closed(self, why: str) -> None:
        """The connection ended, or could not be made. Publications without answer are answered TRANSIENT with `why`."""
        self._open = False
        self._frames.clear()
        self._wires.clear()
        for sub in self._subs.values():
            sub.forget_connection()
        for event_id in list(self._pending):
            self._answer(event_id, Verdict.TRANSIENT, why)

    def frame(self, text: str | bytes, now: Moment) -> None:
        """One websocket message came. Whatever it is, the session goes on."""
        try:
            message = messages.parse_relay_frame(text, max_bytes=self._limits.frame_bytes)
        except InvalidFrame as e:
            self._drop(e.reason)
            return
        match message:
            case messages.EventMessage():
                self._on_event(message, now)
            case messages.OkMessage():
                self._on_ok(message)
            case messages.EoseMessage():
                self._on_eose(message, now)
            case messages.ClosedMessage():
                self._on_closed(message, now)
            case messages.NoticeMessage():
                self._news.append(Noticed(self.url, clean(message.text)))
            case messages.AuthMessage():
                self._drop(Reason.UNEXPECTED_AUTH)

    def tick(self, now: Moment) -> None:
        """Time has passed. Harmless when nothing is due."""
        for event_id in [i for i, p in self._pending.items() if p.deadline <= now.monotonic]:
            self._answer(event_id, Verdict.TRANSIENT, "timeout: no answer from the relay")
        for sub in self._subs.values():
            if sub.silent_at is not None and sub.silent_at <= now.monotonic:
                self._on_silence(sub)
            if sub.retry_at is not None and sub.retry_at <= now.monotonic:
                self._ask(sub, now)
            if sub.confirm_at is not None and sub.confirm_at <= now.monotonic:
                self._confirm(sub, sub.confirm_upto, now)

    # Inputs from the caller

    def subscribe(self, name: str, filters: Sequence[Filter], now: Moment, since: int | None = None) -> None:
        """Want these events from now on, and stored ones from `since` less the overlap; None: as the filters say.

        A subscription of the same name is replaced. Raises ValueError for a name relays may not take or no filter.
        """
        if not 0 < len(name) <= MAX_SUB_CHARS or not name.isascii() or not name.isprintable() or not filters:
            raise ValueError("a subscription needs a short printable name and at least one filter")
        self.unsubscribe(name)
        sub = _Subscription(name, tuple(filters), Backoff(self._limits.resubscribe, self._rng), since)
        self._subs[name] = sub
        if self._open:
            self._ask(sub, now)

    def unsubscribe(self, name: str) -> None:
        """Want these events no longer. Harmless for an unknown name."""
        sub = self._subs.pop(name, None)
        if sub is not None:
            self._hang_up(sub.wire_id)
            self._hang_up(sub.page_id)

    def publish(self, event: Event, now: Moment) -> None:
        """Send the event, now or as soon as the connection stands. `Answered` follows within `limits.answer_s`."""
        if event.id in self._pending:
            return
        pending = _Pending(event, now.monotonic + self._limits.answer_s)
        self._pending[event.id] = pending
        if len(self._pending) > self._limits.pending:
            self._answer(event.id, Verdict.TRANSIENT, "busy: too many publications without answer")
        elif self._open:
            self._send_event(pending)

    # Outputs

    def frames_to_send(self) -> list[str]:
        """Text messages for the relay since the last call, in order."""
        frames, self._frames = self._frames, []
        return frames

    def news(self) -> list[News]:
        """What happened since the last call, in order."""
        news, self._news = self._news, []
        return news

    def deadline(self) -> float | None:
        """The monotonic time at which `tick` has something to do, None if only an input can change anything."""
        times = [t for sub in self._subs.values() for t in sub.deadlines()]
        # All publications wait equally long, so the oldest one's turn comes first.
        oldest = next(iter(self._pending.values()), None)
        if oldest is not None:
            times.append(oldest.deadline)
        return min(times, default=None)

    @property
    def publishing(self) -> bool:
        """Whether a publication has no answer yet."""
        return bool(self._pending)

    # What the relay said

    def _on_event(self, message: messages.EventMessage, now: Moment) -> None:
        sub = self._wires.get(message.sub)
        if sub is None:
            # Also the ordinary case of an event that crossed our CLOSE.
            self._drop(Reason.UNKNOWN_SUBSCRIPTION)
            return
        try:
            event = Event.from_wire(message.raw, self._verified)
        except InvalidEvent as e:
            self._drop(e.reason)
            return
        if not any(f.matches(event) for f in sub.filters):
            self._drop(Reason.DOES_NOT_MATCH)
            return
        self._verified[event.id] = event.sig
        if sub.silent_at is not None:
            sub.silent_at = now.monotonic + self._limits.silence_s
        if sub.catchup is not None and message.sub == (sub.page_id or sub.wire_id):
            sub.catchup.saw(event)
        self._news.append(EventSeen(self.url, sub.name, event))

    def _on_ok(self, message: messages.OkMessage) -> None:
        if message.event_id in self._pending:
            verdict = of_ok(message.accepted, message.text)
            self._answer(message.event_id, verdict, clean(message.text))
        else:
            self._drop(Reason.UNEXPECTED_OK)

    def _on_eose(self, message: messages.EoseMessage, now: Moment) -> None:
        sub = self._wires.get(message.sub)
        if sub is None or sub.catchup is None or message.sub != (sub.page_id or sub.wire_id):
            self._drop(Reason.UNKNOWN_SUBSCRIPTION)
            return
        self.proved = True
        sub.backoff.proved()
        self._hang_up(sub.page_id)
        sub.page_id, sub.silent_at = "", None
        page = sub.catchup.next_page(finished=message.finished)
        if page is not None:
            sub.page_id = self._request(sub, [page], now)
            return
        if sub.catchup.cut:
            self._drop(Reason.TOO_MANY_PAGES)
        sub.catchup = None
        self._confirm(sub, sub.asked_at, now)

    def _on_closed(self, message: messages.ClosedMessage, now: Moment) -> None:
        sub = self._wires.get(message.sub)
        if sub is None:
            self._drop(Reason.UNKNOWN_SUBSCRIPTION)
            return
        # A refused page leaves a gap, so then too everything is asked for again.
        del self._wires[message.sub]
        self._hang_up(sub.page_id if message.sub == sub.wire_id else sub.wire_id)
        sub.forget_connection()
        retry_in = sub.backoff.lost(now.monotonic)
        sub.retry_at = now.monotonic + retry_in
        text = clean(message.text)
        self._news.append(SubscriptionLost(self.url, sub.name, of_refusal(message.text), text, retry_in))

    def _on_silence(self, sub: _Subscription) -> None:
        # Go on without: a late EOSE of the subscription itself still counts, a page is given up for this connection.
        sub.silent_at = None
        if sub.page_id:
            self._hang_up(sub.page_id)
            sub.page_id, sub.catchup = "", None
        self._drop(Reason.EOSE_MISSING)

    # What we do about it

    def _ask(self, sub: _Subscription, now: Moment) -> None:
        sub.forget_connection()
        since = None if sub.upto is None else max(0, min(sub.upto, now.unix) - self._limits.overlap_s)
        filters = tuple(f.between(since, None) for f in sub.filters)
        sub.catchup = Catchup(filters, max_pages=self._limits.pages)
        sub.asked_at = now.unix
        sub.backoff.opened(now.monotonic)
        sub.wire_id = self._request(sub, filters, now)

    def _request(self, sub: _Subscription, filters: Sequence[Filter], now: Moment) -> str:
        # A new wire id for each REQ: an EOSE or CLOSED of an earlier one can then never be taken for this one's.
        self._wire_count += 1
        wire_id = f"{sub.name}:{self._wire_count}"
        self._wires[wire_id] = sub
        self._frames.append(messages.req_frame(wire_id, filters))
        sub.silent_at = now.monotonic + self._limits.silence_s
        return wire_id

    def _hang_up(self, wire_id: str) -> None:
        if self._wires.pop(wire_id, None) is not None:
            self._frames.append(messages.close_frame(wire_id))

    def _confirm(self, sub: _Subscription, upto: int, now: Moment) -> None:
        sub.upto = upto if sub.upto is None else max(sub.upto, upto)
        sub.confirm_at = now.monotonic + self._limits.caught_up_every_s
        sub.confirm_upto = now.unix
        self._news.append(CaughtUp(self.url, sub.name, sub.upto))

    def _send_event(self, pending: _Pending) -> None:
        self._frames.append(messages.event_frame(pending.event))

    def _answer(self, event_id: str, verdict: Verdict, text: str) -> None:
        del self._pending[event_id]
        self._news.append(Answered(self.url, event_id, verdict, text))

    def _drop(self, reason: Reason) -> None:
        self._news.append(Dropped(self.url, reason))
