"""Fetching all stored events of a subscription although relays cut results (500 is usual, and they do not say so).

After the first answer each filter that brought much is asked again for what is older, page after page, until a page is
clearly shorter than another was. Pure: the session asks what to request next and reports what came. Time is the only
thing that pages can be told apart by: of more events within one second than the relay puts on a page, those beyond
the cut stay unseen, and older seconds follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from relayclient.event import Event
from relayclient.filters import Filter

SHORTEST_CUT = 10
"""Nobody cuts results to fewer events than this, so a shorter page is a whole one."""
MAX_PAGE_IDS = 5_000
"""Ids remembered of one page, however long a relay makes it."""


@dataclass(slots=True)
class _Progress:
    """One filter: the ids of the page that is coming and of the one before, and how long pages get."""

    page: set[str] = field(default_factory=set)
    before: set[str] = field(default_factory=set)
    oldest: int = 0
    longest: int = 0
    until: int | None = None
    stuck: bool = False

    def note(self, event: Event) -> None:
        if event.id not in self.page and len(self.page) < MAX_PAGE_IDS:
            self.oldest = min(self.oldest, event.created_at) if self.page else event.created_at
            self.page.add(event.id)

    def next_until(self) -> int | None:
        """The end of the next page, the present one having come to its end; None if there is no next one."""
        length = len(self.page)
        self.longest = max(self.longest, length)
        if length < SHORTEST_CUT or 2 * length < self.longest:
            return None
        was_stuck, self.stuck = self.stuck, self.page <= self.before
        self.page, self.before = set(), self.page
        if not self.stuck:
            # One second of overlap: relays disagree on whether `until` is inclusive.
            until = self.oldest + 1
        elif not was_stuck:
            # The page may be full of one second: step over that.
            until = self.oldest - 1
        else:
            return None
        # Never forward again, or two seconds that both fill a page would be asked for in turn for ever.
        self.until = until if self.until is None else min(until, self.until)
        return self.until


class Catchup:
    """One catch-up: call `saw` for each stored event, `next_page` at each end of stored events.

    A filter with a `limit` of its own is not paged: its caller wants no more than that.
    """

    def __init__(self, filters: Sequence[Filter], *, max_pages: int) -> None:
        self._filters = filters
        self._progress = [_Progress() for _ in filters]
        self._waiting = [i for i, f in enumerate(filters) if f.limit is None]
        self._watched = self._waiting[:]
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

        `finished` is the relay's word that this answer was not cut.
        """
        if finished:
            self._waiting = [i for i in self._waiting if i not in self._watched]
        while self._waiting:
            index = self._waiting[0]
            until = self._progress[index].next_until()
            if until is None or until < 0:
                self._waiting.pop(0)
                continue
            self._pages_left -= 1
            if self.cut:
                return None
            self._watched = [index]
            return self._filters[index].between(None, until)
        return None
