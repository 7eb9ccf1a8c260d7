"""A relay that keeps what it accepts and misbehaves in everything else, and the wire between it and the node.

What a relay here may do wrong, others do: answer late, twice or never, lose an OK, refuse for a while or for good,
forget to pass a new event on, cut results, send rubbish, end subscriptions, hang up, fall silent, be away for
minutes. What it never does is lose an event that it said OK to. A silence and a forgotten event end with the
connection within `STALL_S`, as they do where pings are sent.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from relayclient.errors import ConnectFailed, ConnectionLost, Invalid
from relayclient.event import Event
from tests.sim.life import Life
from tests.sim.trace import Trace

STALL_S = 40.0
"""After this time both ends know that a silent connection is dead."""

TICK_S = 1e-6
"""Frames of one connection never arrive at one instant: timers of one instant fire in any order."""

RUBBISH: tuple[str | bytes, ...] = (
    "",
    "null",
    "[]",
    '["EVENT"]',
    '["OK","nothing",true,""]',
    '["NOTICE","slow \x1b[2Jdown"]',
    '["AUTH","challenge"]',
    '["EVENT","jobs:1",{"id":7}]',
    '["EOSE","never-asked"]',
    "[" * 200,
    b"\xff\xfe",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Temper:
    """How likely each misdeed is, each time there is an occasion."""

    delay_s: float = 0.02
    """Longest ordinary way of a frame."""
    slow: float = 0.0
    """A frame takes a hundred times as long, and those behind it wait."""
    overtaken: float = 0.0
    """An OK or a new event is held back while other frames pass."""
    twice: float = 0.0
    lost_ok: float = 0.0
    busy: float = 0.0
    """OK false, for now."""
    refuses: float = 0.0
    """OK false, for good."""
    forgetful: float = 0.0
    """A new event is not passed on; the connection then ends soon."""
    breaks_off: float = 0.0
    """The answer to a request for stored events ends somewhere, without EOSE."""
    ends_subscription: float = 0.0
    rubbish: float = 0.0
    hangs_up: float = 0.0
    stalls: float = 0.0
    refuses_dial: float = 0.0
    page: int = 500
    """Most events in answer to one request."""


def temper(rng: Random) -> Temper:
    """A character: most are mild in most things."""

    def often(most: float) -> float:
        return rng.choice((0.0, most / 8, most / 2, most))

    return Temper(
        delay_s=rng.choice((0.002, 0.05, 0.5)),
        slow=often(0.05),
        overtaken=often(0.3),
        twice=often(0.5),
        lost_ok=often(0.5),
        busy=often(0.5),
        refuses=rng.choice((0.0, 0.0, 0.0, 0.2)),
        forgetful=often(0.3),
        breaks_off=often(0.3),
        ends_subscription=often(0.3),
        rubbish=often(0.2),
        hangs_up=often(0.05),
        stalls=often(0.03),
        refuses_dial=often(0.5),
        page=rng.choice((10, 14, 500)),
    )


class Relay:
    """One relay. `publish` is the customers' door, `dial` the node's."""

    def __init__(self, url: str, rng: Random, trace: Trace, temper: Temper) -> None:
        self.url = url
        self.temper = temper
        self.away = False
        self.events: dict[str, Event] = {}
        """What was accepted, in this order."""
        self.refused: set[str] = set()
        """What was refused for good."""
        self.rng = rng
        self._trace = trace
        self._wires: list[Wire] = []
        self._verified: dict[str, str] = {}

    # The doors

    async def dial(self, life: Life, sending: Callable[[str], None]) -> Wire:
        """A connection; `sending` is told each frame that the node hands to it."""
        if life.dead:
            await life.silence()
        await asyncio.sleep(self.rng.uniform(0.0, self.temper.delay_s * 4))
        if self.away or self.chance(self.temper.refuses_dial):
            if self.chance(0.1):
                await asyncio.sleep(60)
            raise ConnectFailed("nobody there")
        wire = Wire(self, life, self._trace, sending)
        self._wires.append(wire)
        return wire

    def publish(self, event: Event) -> None:
        """A customer publishes, and tries until it is accepted."""
        again = event.id in self.events
        self._trace.say(self.url[6:], f"customer's {event.id[:12]}{' again' if again else ''}")
        self.events[event.id] = event
        if not again or self.chance(0.5):
            self._pass_on(event)

    # Faults that are not about one frame

    def chance(self, probability: float) -> bool:
        return probability > 0 and self.rng.random() < probability

    def go_away(self) -> None:
        """Nobody is answered until `come_back`."""
        self._trace.say(self.url[6:], "away")
        self.away = True
        self.drop_all("the relay went away")

    def come_back(self) -> None:
        self._trace.say(self.url[6:], "back")
        self.away = False

    def heal(self) -> None:
        """From now on as good as a relay can be; old connections end."""
        self.temper = Temper()
        self.away = False
        self.drop_all("the relay was restarted")

    def drop_all(self, why: str) -> None:
        for wire in list(self._wires):
            wire.end(why)

    def forget(self, wire: Wire) -> None:
        if wire in self._wires:
            self._wires.remove(wire)

    # What the node says

    def hear(self, wire: Wire, frame: str) -> None:
        """One frame arrived."""
        if self.chance(self.temper.hangs_up):
            wire.end("the relay hung up")
        elif self.chance(self.temper.stalls):
            wire.stall()
        else:
            self._answer(wire, json.loads(frame))
            if self.chance(self.temper.rubbish):
                wire.say(self.rng.choice(RUBBISH))

    def _answer(self, wire: Wire, message: list[Any]) -> None:
        match message:
            case ["EVENT", raw]:
                self._on_event(wire, raw)
            case ["REQ", sub, *filters]:
                self._on_req(wire, sub, filters)
            case ["CLOSE", sub]:
                wire.subs.pop(sub, None)
            case _:
                raise AssertionError(f"the node said {message}")

    def _on_event(self, wire: Wire, raw: dict[str, Any]) -> None:
        try:
            event = Event.from_wire(raw, self._verified)
        except Invalid as wrong:
            raise AssertionError(f"the node published what is no event: {wrong}") from wrong
        self._verified[event.id] = event.sig
        if self.chance(self.temper.busy):
            text = self.rng.choice(("rate-limited: slow down", "error: disk is busy", "try later"))
            wire.say(["OK", event.id, False, text], held=self.chance(self.temper.overtaken))
            return
        known = event.id in self.events
        if event.id in self.refused or (not known and self.chance(self.temper.refuses)):
            self.refused.add(event.id)  # it keeps its word
            wire.say(["OK", event.id, False, "blocked: not this one"])
            return
        self.events.setdefault(event.id, event)
        if not known:
            self._pass_on(event)
        if self.chance(self.temper.lost_ok):
            return
        taken = not (known and self.chance(0.5))  # some say false to a duplicate
        ok = ["OK", event.id, taken, "duplicate: have it" if known else ""]
        wire.say(ok, held=self.chance(self.temper.overtaken), twice=self.chance(self.temper.twice))

    def _on_req(self, wire: Wire, sub: str, filters: list[dict[str, Any]]) -> None:
        if self.chance(self.temper.ends_subscription):
            wire.say(["CLOSED", sub, self.rng.choice(("rate-limited: too many", "error: oops", ""))])
            return
        wire.subs[sub] = filters
        found: dict[str, Event] = {}
        for wanted in filters:
            matching = [event for event in self.events.values() if matches(wanted, event)]
            matching.sort(key=lambda event: (-event.created_at, event.id))
            found.update((event.id, event) for event in matching[: min(self.temper.page, wanted.get("limit", 10**9))])
        answer = list(found.values())
        if self.chance(self.temper.overtaken):
            self.rng.shuffle(answer)
        breaks_off = self.chance(self.temper.breaks_off)
        for event in answer[: self.rng.randint(0, len(answer))] if breaks_off else answer:
            wire.say(["EVENT", sub, event.to_wire()], twice=self.chance(self.temper.twice))
        if not breaks_off:
            wire.say(["EOSE", sub])

    def _pass_on(self, event: Event) -> None:
        for wire in list(self._wires):
            for sub, filters in wire.subs.items():
                if any(matches(wanted, event) for wanted in filters):
                    self._tell(wire, sub, event)

    def _tell(self, wire: Wire, sub: str, event: Event) -> None:
        if self.chance(self.temper.forgetful):
            wire.end_soon("the relay forgot an event")
        else:
            held, twice = self.chance(self.temper.overtaken), self.chance(self.temper.twice)
            wire.say(["EVENT", sub, event.to_wire()], held=held, twice=twice)


def matches(wanted: dict[str, Any], event: Event) -> bool:
    """NIP-01's filters as far as the node uses them, read by other eyes than the node's."""
    unknown = wanted.keys() - {"kinds", "since", "until", "limit", "#p"}
    assert not unknown, f"the simulated relay does not know {unknown}"
    return (
        event.kind in wanted.get("kinds", [event.kind])
        and wanted.get("since", 0) <= event.created_at <= wanted.get("until", 1 << 60)
        and ("#p" not in wanted or any(tag[0] == "p" and tag[1] in wanted["#p"] for tag in event.tags))
    )


class Wire:
    """One connection: the node's `Transport`, and the relay's end of it."""

    def __init__(self, relay: Relay, life: Life, trace: Trace, sending: Callable[[str], None]) -> None:
        self.subs: dict[str, list[dict[str, Any]]] = {}
        self._relay, self._life, self._trace, self._sending = relay, life, trace, sending
        self._name = relay.url[6:]
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[str | bytes] = deque()
        self._arrived = asyncio.Event()
        self._lost = ""
        self._stalled = False
        self._up_at = self._down_at = 0.0
        life.on_crash.append(self._node_died)

    # The node's end

    async def send(self, text: str) -> None:
        life = self._life
        if life.dead:
            await life.silence()
        if self._lost:
            raise ConnectionLost(self._lost)
        says = text.startswith('["EVENT"')
        if says:
            await life.at("publish:before")
            self._sending(text)
        self._trace.say(life.name, f"-> {self._name} {text}")
        if not self._stalled:
            self._up_at = max(self._up_at + TICK_S, self._loop.time() + self._delay())
            self._loop.call_at(self._up_at, self._reach_relay, text)
        if says:
            await life.at("publish:after")

    async def recv(self) -> str | bytes:
        while True:
            if self._life.dead:
                await self._life.silence()
            if self._inbox:
                frame = self._inbox.popleft()
                await self._heard(frame)
                return frame
            if self._lost:
                raise ConnectionLost(self._lost)
            self._arrived.clear()
            await self._arrived.wait()

    async def close(self) -> None:
        if not self._life.dead:
            self.end("the node closed")

    async def _heard(self, frame: str | bytes) -> None:
        self._trace.say(self._life.name, f"<- {self._name} {frame!r}")
        if isinstance(frame, str) and frame.startswith('["OK"'):
            await self._life.at("ok:heard")
        elif isinstance(frame, str) and frame.startswith('["EVENT"'):
            await self._life.at("request:heard")

    # The relay's end

    def say(self, message: object, *, held: bool = False, twice: bool = False) -> None:
        """Send to the node, once or twice; what is held back is overtaken by what comes behind."""
        frame = message if isinstance(message, str | bytes) else json.dumps(message, ensure_ascii=False)
        for _ in range(2 if twice else 1):
            if held:
                at = self._loop.time() + self._relay.rng.uniform(0.0, 3.0)
            else:
                at = self._down_at = max(self._down_at + TICK_S, self._loop.time() + self._delay())
            self._loop.call_at(at, self._reach_node, frame)

    def end(self, why: str) -> None:
        """Over, for both. What has arrived can still be read; what was under way is lost."""
        if self._lost:
            return
        self._trace.say(self._name, f"connection over: {why}")
        self._lost = why
        self.subs.clear()
        self._arrived.set()
        self._relay.forget(self)

    def end_soon(self, why: str) -> None:
        self._loop.call_later(self._relay.rng.uniform(0.0, STALL_S), self.end, why)

    def stall(self) -> None:
        """Neither end hears the other any more, and nobody says so."""
        self._trace.say(self._name, "silence")
        self._stalled = True
        self.end_soon("no answer to a ping")

    def _delay(self) -> float:
        relay = self._relay
        longest = relay.temper.delay_s * (100 if relay.chance(relay.temper.slow) else 1)
        return relay.rng.uniform(0.0, min(longest, 5.0))

    def _reach_relay(self, text: str) -> None:
        # What a dead node had handed to its kernel still arrives.
        if not self._stalled and not self._lost:
            self._relay.hear(self, text)

    def _reach_node(self, frame: str | bytes) -> None:
        if not self._stalled and not self._lost and not self._life.dead:
            self._inbox.append(frame)
            self._arrived.set()

    def _node_died(self) -> None:
        self._loop.call_later(self._relay.rng.uniform(0.0, 1.0), self.end, "the node died")
