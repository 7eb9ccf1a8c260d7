"""Fetching all stored events of a subscription although relays cut results (500 is usual, and they do not say so).

After the first answer each filter that brought something is asked again for what is older, page after page, until a
page brings nothing new. Pure: the session asks what to request next and reports what came. More events within one
second than the relay puts on a page cannot be told apart by time; those beyond the cut stay unseen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from relayclient.event import Event
from relayclient.filters import Filter

MAX_PAGE_IDS = 5_000
"""Ids remembered of one page, however long a relay makes it."""


@dataclass(slots=True)
class _Progress:
    """One filter: which ids the page before brought, which new ones this page, and the oldest time among them."""

    before: set[str] = field(default_factory=set)
    fresh: set[str] = field(default_factory=set)
    oldest: int = 0

    def note(self, event: Event) -> None:
        if event.id in self.before or len(self.fresh) >= MAX_PAGE_IDS:
            return
        self.oldest = event.created_at if not self.fresh else min(self.oldest, event.created_at)
        self.fresh.add(event.id)

    def turn_page(self) -> None:
        self.before, self.fresh = self.fresh, set()


class Catchup:
    """One catch-up: call `saw` for each stored event, `next_page` at each end of stored events.

    A filter with a `limit` of its own is not paged: its caller wants no more than that.
    """

    def __init__(self, filters: Sequence[Filter], *, max_pages: int) -> None:
        self._filters = filters
        self._progress = [_Progress() for _ in filters]
        self._watched = [i for i, f in enumerate(filters) if f.limit is None]
        self._waiting: list[int] | None = None
        self._pages_left = max_pages

    @property
    def cut(self) -> bool:
        """Whether the bound on pages was reached: older events may be missing."""
        return self._pages_left < 0

    def saw(self, event: Event) -> None:
        """A verified stored event came, for the request that is being answered."""
        for i in self._watched:
            if self._filters[i].matches(event):
                self._progress[i].note(event)

    def next_page(self, *, finished: bool) -> Filter | None:
        """What to request next, now that the last request was answered in full; None when there is nothing more.

        `finished` is the relay's word that nothing was cut off.
        """
        if self._waiting is None:
            self._waiting = [] if finished else [i for i in self._watched if self._progress[i].fresh]
        elif finished or not self._progress[self._waiting[0]].fresh:
            self._waiting.pop(0)
        if not self._waiting:
            return None
        self._pages_left -= 1
        if self.cut:
            return None
        index = self._waiting[0]
        self._watched = [index]
        progress = self._progress[index]
        progress.turn_page()
        # One second of overlap: relays disagree on whether `until` is inclusive.
        return self._filters[index].between(None, progress.oldest + 1)
