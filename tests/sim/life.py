"""One life of the node, from start to crash or clean stop, and the failpoints at which it can be made to crash.

A crash is as sudden as a power switch: from that instant nothing that this life has left behind reaches the world.
Its ports never answer again (`silence`), its database is the file as it was at that instant, and its tasks are
cancelled until none is left, so that whatever their `finally` blocks do, they do to nobody.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.sim.trace import Trace

POINTS = (
    *("migrate:before", "migrate:after", "read:before", "read:after"),
    *("begin:before", "begin:after", "write:before", "write:after", "commit:before", "commit:after"),
    *("publish:before", "publish:after", "ok:heard", "request:heard"),
    *("fetch:before", "fetch:after", "run:before", "run:after"),
)
"""Every failpoint. `commit:after` is durable, and nobody has heard of it."""

_current: ContextVar[Life | None] = ContextVar("life", default=None)


class Immortal(AssertionError):
    """A task of the node does not end when it is cancelled."""


def book_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Make the loop enter each task into the book of the life that started it."""
    make: Any = loop.get_task_factory()

    def factory(loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = make(loop, work, **more)
        life = _current.get()
        if life is not None:
            life.tasks.append(task)
        return task

    loop.set_task_factory(factory)


@dataclass(frozen=True, slots=True)
class Doom:
    """When a life ends: the `count`th time that it passes the failpoint."""

    point: str
    count: int
    gently: bool = False
    """Not by a crash: the operator stops it at that instant."""


class Life:
    """The tasks of one life, and whether it still lives."""

    def __init__(self, number: int, trace: Trace, doom: Doom | None) -> None:
        self.number = number
        self.name = f"node/{number}"
        self.doom = doom
        self.dead = False
        self.ended_at_point = ""
        self.tasks: list[asyncio.Task[Any]] = []
        self.stop = asyncio.Event()
        """Set by the operator."""
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the life crashed or its main task ended."""
        self.on_crash: list[Callable[[], None]] = []
        self._trace = trace
        self.passed: Counter[str] = Counter()
        """How often each failpoint was passed."""

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin: everything that `work` starts belongs to this life."""
        token = _current.set(self)
        try:
            task = asyncio.get_running_loop().create_task(work)
        finally:
            _current.reset(token)
        task.add_done_callback(lambda _: self._end())
        return task

    # Failpoints

    def point(self, name: str) -> bool:
        """Pass a failpoint; True when the life is dead, and nothing may be done any more."""
        if not self.dead:
            self.passed[name] += 1
            doom = self.doom
            if doom is not None and (doom.point, doom.count) == (name, self.passed[name]):
                (self.stop.set if doom.gently else partial(self.crash, name))()
        return self.dead

    async def at(self, name: str) -> None:
        """Pass a failpoint; does not return to the dead."""
        if self.point(name):
            await self.silence()

    async def silence(self) -> None:
        """What a dead process hears: nothing, for ever."""
        await asyncio.get_running_loop().create_future()

    # The end

    def crash(self, where: str) -> None:
        """Die, now."""
        if self.dead or self.over.done():
            return
        self.dead, self.ended_at_point = True, where
        self._trace.say(self.name, f"CRASH {where}")
        for take_away in self.on_crash:
            take_away()
        self._end()

    async def bury(self) -> None:
        """Cancel what is left until nothing is."""
        rounds = 0
        while left := [task for task in self.tasks if not task.done()]:
            rounds += 1
            if rounds > 200:
                raise Immortal(f"tasks of {self.name} do not end: {[task.get_name() for task in left]}")
            for task in left:
                task.cancel()
            await asyncio.sleep(1e-6)  # everything that is ready runs before time moves on
        for task in self.tasks:
            if not task.cancelled():
                task.exception()  # a dead node's troubles are nobody's

    def _end(self) -> None:
        if not self.over.done():
            self.over.set_result(None)
