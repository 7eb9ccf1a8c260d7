"""News from the relays, on its way to the engine: what is a request for us goes on, the rest is counted."""

from __future__ import annotations

import logging
from collections import Counter

from dvm.engine import Engine
from jobs.request import NotOurs, parse_request
from relayclient.news import CaughtUp, EventSeen, News

log = logging.getLogger(__name__)


class Intake:
    """Handles news in order; awaiting it is the back-pressure that a flooding relay feels."""

    def __init__(self, engine: Engine, *, me: str, kind: int) -> None:
        self._engine, self._me, self._kind = engine, me, kind
        self.passed_over: Counter[str] = Counter()
        """Why events were not taken, for `dvm status`; the reasons are a small fixed set."""
        self.open = True
        """Set to False to stop taking requests; cursors stop moving too, so that nothing is lost."""

    async def hear(self, news: News) -> None:
        """Take one piece of news from the pool."""
        if not self.open:
            return
        match news:
            case EventSeen(relay=relay, event=event):
                read = parse_request(event, self._me, kind=self._kind)
                if isinstance(read, NotOurs):
                    self.passed_over[read.reason] += 1
                else:
                    await self._engine.receive(event, read, relay)
            case CaughtUp(relay=relay, upto=upto):
                await self._engine.move_cursor(relay, upto)
            case _:  # comings and goings of relays: their state is asked of the pool
                log.debug("news", extra={"action": "news", "news": type(news).__name__, "relay": news.relay})
