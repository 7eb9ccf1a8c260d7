"""Customers with keys of their own, who ask for good things and bad, twice and late; all from the seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from random import Random

from relayclient.event import Draft, Event, Tags
from relayclient.keys import SecretKey

KIND = 5850
HOUR = 3_600

ORDINARY = {"good": 12, "malformed": 4, "expiring": 2, "future": 1, "others": 2, "encrypted": 1, "stale": 1}
"""What is asked, and how often."""
ANSWERED = frozenset({"good", "malformed", "expiring", "future"})
"""What must get exactly one answer; the rest must get none."""


@dataclass(frozen=True, slots=True)
class Publication:
    """One relay gets one request at one time."""

    at: float
    relay: int
    event: Event


@dataclass(frozen=True, slots=True)
class Asking:
    """One request."""

    what: str
    event: Event
    publications: tuple[Publication, ...]

    @property
    def answered(self) -> bool:
        return self.what in ANSWERED


def key(*names: object) -> SecretKey:
    """The key of a name."""
    return SecretKey(hashlib.sha256(" ".join(map(str, names)).encode()).digest())


class Customers:
    """Writes all requests of a run in advance. No two are of the same second: small pages could not tell them apart."""

    def __init__(self, seed: int, *, node: str, relays: int, mailbox: str, unix: int, span: float) -> None:
        self._rng = Random(f"customers {seed}")
        self._keys = [key(seed, "customer", i) for i in range(3)]
        self._digests = [hashlib.sha256(f"{seed} component {i}".encode()).hexdigest() for i in range(4)]
        self._node, self._relays, self._mailbox, self._unix, self._span = node, relays, mailbox, unix, span
        self._times: set[int] = set()

    def requests(self, count: int) -> list[Asking]:
        """What they are going to ask."""
        return [self._request() for _ in range(count)]

    def _request(self) -> Asking:
        rng = self._rng
        what = rng.choices(list(ORDINARY), list(ORDINARY.values()))[0]
        early = what != "expiring" and rng.random() < 0.2
        at = 0.0 if early else rng.uniform(0.0, self._span)
        age = rng.randrange(18 * HOUR) if early else rng.randrange(20)
        offset = {"future": 2 * HOUR, "stale": -30 * HOUR}.get(what, 0)
        created_at = self._free_second(self._unix + int(at) - age + offset)
        event = rng.choice(self._keys).sign(Draft(KIND, self._content(), self._tags(what, at), created_at))
        return Asking(what, event, self._publications(at, event))

    def _free_second(self, wanted: int) -> int:
        while wanted in self._times:
            wanted -= 1
        self._times.add(wanted)
        return wanted

    def _publications(self, at: float, event: Event) -> tuple[Publication, ...]:
        rng = self._rng
        first = Publication(at, rng.randrange(self._relays), event)
        again = [
            Publication(at + rng.choice((0.0, rng.uniform(0, 5), rng.uniform(0, self._span))), relay, event)
            for relay in range(self._relays)
            for _ in range(2)
            if rng.random() < 0.3
        ]
        return (first, *again)

    def _content(self) -> str:
        return self._rng.choice(("", "hello", "naïve\ntext"))

    def _tags(self, what: str, at: float) -> Tags:
        rng = self._rng
        digest = rng.choice(self._digests)
        named: Tags = (("x", digest, "component"),)
        if rng.random() < 0.5:
            named += (("i", f"https://blobs.example/{digest}.wasm", "url", "", "component"),)
        if what == "malformed":
            named = rng.choice(
                (
                    (),
                    (("x", "no hash", "component"),),
                    (*named, ("x", "ab" * 32, "component")),
                    (*named, ("param", "fuel", "-1")),
                    (*named, ("param", "world", "the-best-of-all")),
                    (*named, ("param", "feul", "1")),
                    (*named, ("i", "https://x.example", "url")),
                )
            )
        tags: Tags = (*named, ("alt", f"{rng.random()}"))
        if what == "others":
            return (*tags, ("p", key("somebody", rng.random()).public))
        if what == "encrypted":
            tags = (*tags, ("encrypted",))
        if what == "expiring":
            tags = (*tags, ("expiration", str(self._unix + int(at) + rng.randrange(-30, 120))))
        if rng.random() < 0.5:
            tags = (*tags, ("p", self._node))
        if rng.random() < 0.2:
            tags = (*tags, ("relays", self._mailbox, "not an address"))
        return tags
