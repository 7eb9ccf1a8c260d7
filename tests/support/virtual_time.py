"""An asyncio event loop whose clock jumps to the next timer when nothing is left to do: hours pass in milliseconds.

Nothing real happens in it: no sockets, no threads, no wall clock. With a seed the order in which ready tasks run is
drawn from it; the same seed gives the same run, to the last step. What could make a run hang ends it with an
exception instead: nothing to wait for (`Deadlock`), no end of work at one instant (`Livelock`), a virtual time that no
test means (`OutOfTime`).

    async def main() -> None:
        await asyncio.sleep(3600)

    run(main(), seed=7)
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

MAX_STEPS = 1_000_000
MAX_VIRTUAL_S = 30 * 86_400.0
EXECUTOR_DELAY_S = 0.01
CLEANUP_S = 3_600.0
"""What cancelled tasks may still take when the time has run out."""


class Deadlock(RuntimeError):
    """Every task waits, and no timer is set: nothing can ever happen again."""


class Livelock(RuntimeError):
    """Work without end at one instant of virtual time."""


class OutOfTime(RuntimeError):
    """More virtual time has passed than the loop was made for."""


class VirtualTimeLoop(asyncio.BaseEventLoop):
    """Drop-in for `asyncio.Runner(loop_factory=...)`; `time()` starts at 0."""

    _scheduled: list[asyncio.TimerHandle]
    """BaseEventLoop's heap of timers."""
    _clock_resolution: float

    def __init__(
        self, seed: int | None = None, *, max_virtual_s: float = MAX_VIRTUAL_S, max_steps: int = MAX_STEPS
    ) -> None:
        super().__init__()
        self.failures: list[dict[str, Any]] = []
        """What nobody caught: contexts handed to the exception handler."""
        self._now = 0.0
        self._max_virtual_s = max_virtual_s
        self._max_steps = max_steps
        self._steps = 0
        self._thread = threading.get_ident()
        self._executor_rng = None if seed is None else Random(f"executor {seed}")
        # BaseEventLoop works on these two.
        self._ready: deque[asyncio.Handle] = deque() if seed is None else _ShuffledTasks(Random(f"order {seed}"))
        self._selector = _NoSelector(self)
        numbers = itertools.count(1)
        self.set_task_factory(lambda loop, coro, **options: _NumberedTask(next(numbers), coro, loop=loop, **options))
        self.set_exception_handler(lambda _loop, context: self.failures.append(context))

    def time(self) -> float:
        return self._now

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Runs `func` in the loop's own thread, a seeded moment later; like a thread's, it cannot be cancelled."""
        future: asyncio.Future[T] = self.create_future()

        def work() -> None:
            try:
                result = func(*args)
            except Exception as e:
                if not future.done():
                    future.set_exception(e)
            else:
                if not future.done():
                    future.set_result(result)

        delay = self._executor_rng.uniform(0, EXECUTOR_DELAY_S) if self._executor_rng else 0.0
        self.call_later(delay, work)
        return future

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise OSError("there is no network in virtual time")

    async def getnameinfo(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise OSError("there is no network in virtual time")

    # What BaseEventLoop asks of a concrete loop

    def _process_events(self, event_list: list[object]) -> None:
        assert not event_list

    def _write_to_self(self) -> None:
        if threading.get_ident() != self._thread:
            raise RuntimeError("a thread called into virtual time: its moment would differ from run to run")

    def _idle(self, timeout: float | None) -> None:
        """Called once per round with the time until the next timer: 0 when something is ready, None without timer."""
        if timeout is None:
            raise Deadlock(f"nothing left to wait for at {self._now:.3f} s: {_waiting(self)}")
        if timeout > 0:
            self._steps = 0
            next_timer: float = self._scheduled[0].when()
            # Straight to the timer: adding the difference up would leave rounding errors.
            self._now = next_timer if next_timer - self._now <= timeout else self._now + timeout
            if self._now > self._max_virtual_s:
                self._max_virtual_s = self._now + CLEANUP_S
                raise OutOfTime(f"{self._now:.0f} virtual seconds: {_waiting(self)}")
        else:
            # BaseEventLoop fires timers that lie less than the clock's resolution ahead. Somebody who finds them early
            # and waits again would do so for ever, were it not time by then.
            if self._scheduled and self._now < self._scheduled[0].when() < self._now + self._clock_resolution:
                self._now = self._scheduled[0].when()
            self._steps += 1
            if self._steps > self._max_steps:
                self._steps = 0
                raise Livelock(f"no end of work at {self._now:.3f} s: {_waiting(self)}")


class _NumberedTask(asyncio.Task[Any]):
    """Hashes by its number instead of its address: asyncio keeps tasks in sets, and a set's order is that of hashes."""

    def __init__(self, number: int, coro: Coroutine[Any, Any, Any], **options: Any) -> None:
        self._number = number
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self._number


class _NoSelector:
    """Where a real loop would wait for sockets, virtual time passes."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[object]:
        self._loop._idle(timeout)
        return []


class _ShuffledTasks(deque[asyncio.Handle]):
    """Ready callbacks, of which tasks are taken in any order.

    A task is ready at most once, so this is what a scheduler may do. Other callbacks keep their order among
    themselves, which asyncio promises and its parts rely on.
    """

    def __init__(self, rng: Random) -> None:
        super().__init__()
        self._rng = rng

    def popleft(self) -> asyncio.Handle:
        if len(self) > 1:
            chosen = self._rng.randrange(len(self))
            if not _is_task_step(self[chosen]):
                chosen = next(i for i, handle in enumerate(self) if not _is_task_step(handle))
            self.rotate(-chosen)
            handle = super().popleft()
            self.rotate(chosen)
            return handle
        return super().popleft()


def _is_task_step(handle: asyncio.Handle) -> bool:
    return isinstance(getattr(handle._callback, "__self__", None), asyncio.Task)  # type: ignore[attr-defined]


def _waiting(loop: asyncio.AbstractEventLoop) -> str:
    lines = []
    for task in sorted(asyncio.all_tasks(loop), key=lambda t: t.get_name()):
        frames = task.get_stack(limit=1)
        where = f"{frames[0].f_code.co_qualname}:{frames[0].f_lineno}" if frames else "?"
        lines.append(f"{task.get_name()} in {where}")
    return "; ".join(lines) or "no tasks"


class VirtualClock:
    """The clocks of a node that lives in virtual time: monotonic is the loop's, the wall clock can be made to jump."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None, *, unix: int = 1_700_000_000) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self._unix = float(unix)

    def now(self) -> int:
        return int(self._unix + self._loop.time())

    def monotonic(self) -> float:
        return self._loop.time()

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or, with a negative number, back."""
        self._unix += seconds


def run(main: Coroutine[Any, Any, T], *, seed: int | None = None, max_virtual_s: float = MAX_VIRTUAL_S) -> T:
    """Run to the end in virtual time; raises what `main` raises, and AssertionError for what nobody caught."""
    loops: list[VirtualTimeLoop] = []

    def factory() -> VirtualTimeLoop:
        loops.append(VirtualTimeLoop(seed, max_virtual_s=max_virtual_s))
        return loops[0]

    with asyncio.Runner(loop_factory=factory) as runner:
        result = runner.run(main)
    if loops[0].failures:
        raise AssertionError(f"uncaught in virtual time: {loops[0].failures}")
    return result
