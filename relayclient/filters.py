"""Subscription filters (NIP-01): what a REQ asks for, and the same question asked of an event here.

Relays are not trusted to filter: one in use ignores tag conditions on live events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from relayclient.event import Event


@dataclass(frozen=True, slots=True)
class Filter:
    """All conditions given must hold; None is no condition. Lists are alternatives and are never empty.

    `ids` and `authors` are full 64-digit hex; `tags` maps one letter to values of such tags; `since` and `until` are
    inclusive unix seconds; `limit` bounds stored events only, newest first.
    """

    ids: tuple[str, ...] | None = None
    authors: tuple[str, ...] | None = None
    kinds: tuple[int, ...] | None = None
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    since: int | None = None
    until: int | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a filter that matches nothing or that relays read differently from each other."""
        for values in (self.ids, self.authors, self.kinds, *self.tags.values()):
            if values is not None and len(values) == 0:
                raise ValueError("an empty list in a filter matches nothing")
        for letter in self.tags:
            if len(letter) != 1 or not letter.isascii() or not letter.isalpha():
                raise ValueError(f"relays index tags of one letter only, not {letter!r}")

    def between(self, since: int | None, until: int | None) -> Filter:
        """The same filter narrowed to these times; None leaves the filter's own bound."""
        if since is not None and self.since is not None:
            since = max(since, self.since)
        if until is not None and self.until is not None:
            until = min(until, self.until)
        return replace(
            self,
            since=self.since if since is None else since,
            until=self.until if until is None else until,
        )

    def matches(self, event: Event) -> bool:
        """Whether a relay may send this event for this filter; `limit` plays no part."""
        return (
            (self.kinds is None or event.kind in self.kinds)
            and (self.since is None or event.created_at >= self.since)
            and (self.until is None or event.created_at <= self.until)
            and (self.authors is None or event.pubkey in self.authors)
            and (self.ids is None or event.id in self.ids)
            and all(_has_tag(event, letter, values) for letter, values in self.tags.items())
        )

    def to_wire(self) -> dict[str, object]:
        """As plain JSON values for a REQ."""
        wire: dict[str, object] = {}
        for name in ("ids", "authors", "kinds"):
            values = getattr(self, name)
            if values is not None:
                wire[name] = list(values)
        for letter, values in self.tags.items():
            wire["#" + letter] = list(values)
        for name in ("since", "until", "limit"):
            value = getattr(self, name)
            if value is not None:
                wire[name] = value
        return wire


def _has_tag(event: Event, letter: str, values: tuple[str, ...]) -> bool:
    return any(tag[0] == letter and len(tag) > 1 and tag[1] in values for tag in event.tags)
