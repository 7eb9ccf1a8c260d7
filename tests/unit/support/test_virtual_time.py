"""The loop that the simulations stand on."""

from __future__ import annotations

import asyncio
import itertools
import math
import threading
from collections.abc import Callable

import pytest

from tests.support.virtual_time import Deadlock, Livelock, OutOfTime, VirtualClock, VirtualTimeLoop, run


def test_hours_pass_at_once_and_timers_fire_in_order() -> None:
    async def main() -> list[tuple[str, float]]:
        loop, log = asyncio.get_running_loop(), []

        async def sleeper(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            log.append((name, loop.time()))

        async with asyncio.TaskGroup() as group:
            for name, seconds in (
                ("day", 86_400.0),
                ("hour", 3_600.0),
                ("now", 0.0),
                ("tenth", 0.1),
                ("week", 604_800.0),
            ):
                group.create_task(sleeper(name, seconds))
        return log

    expected = [("now", 0.0), ("tenth", 0.1), ("hour", 3_600.0), ("day", 86_400.0), ("week", 604_800.0)]
    assert run(main()) == expected
    assert run(main(), seed=3) == expected


async def shuffled() -> str:
    order = []

    async def worker(name: str) -> None:
        for _ in range(3):
            order.append(name)
            await asyncio.sleep(0)
        order.append(name.upper())

    async with asyncio.TaskGroup() as group:
        for name in "abcd":
            group.create_task(worker(name))
    return "".join(order)


def test_a_seed_fixes_the_order_and_another_seed_is_another_order() -> None:
    runs = [run(shuffled(), seed=seed) for seed in range(20)]
    assert runs == [run(shuffled(), seed=seed) for seed in range(20)]
    assert len(set(runs)) > 10
    for order in runs:
        assert [order.count(c) for c in "abcdABCD"] == [3] * 4 + [1] * 4
    assert run(shuffled()) == "abcdabcdabcdABCD"


def test_tasks_in_a_set_are_in_the_order_of_their_creation() -> None:
    """A task group cancels its tasks in the order of a set; by address that order would differ from run to run."""

    async def main() -> list[int]:
        log: list[int] = []

        async def worker(number: int) -> None:
            try:
                await asyncio.sleep(10)
            finally:
                log.append(number)

        async def fail() -> None:
            await asyncio.sleep(1)
            raise ZeroDivisionError

        async def group_that_fails() -> None:
            async with asyncio.TaskGroup() as group:
                for number in range(20):
                    group.create_task(worker(number))
                group.create_task(fail())

        with pytest.raises(ExceptionGroup):
            await group_that_fails()
        return log

    assert run(main()) == list(range(20))


def test_a_timer_a_rounding_error_ahead_is_reached() -> None:
    """While something else is ready, BaseEventLoop fires it early; whoever then waits again must not do so for ever."""

    async def main() -> int:
        await asyncio.sleep(10)
        time = asyncio.get_running_loop().time
        goal, waits = math.nextafter(time(), math.inf), 0

        async def busy() -> None:
            while time() < goal:
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            group.create_task(busy())
            while time() < goal:
                await asyncio.sleep(goal - time())
                waits += 1
        return waits

    assert run(main()) == 1


def test_plain_callbacks_keep_their_order_under_any_seed() -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        log: list[int] = []
        for i in range(20):
            loop.call_soon(log.append, i)
        await asyncio.sleep(0.1)
        return log

    for seed in range(20):
        assert run(main(), seed=seed) == list(range(20))


def test_asyncio_itself_works_under_any_seed() -> None:
    async def main() -> tuple[list[int], str]:
        queue: asyncio.Queue[int] = asyncio.Queue(2)
        got: list[int] = []

        async def produce() -> None:
            for i in range(10):
                await queue.put(i)

        async def consume() -> None:
            while len(got) < 10:
                got.append(await queue.get())

        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            group.create_task(consume())
        try:
            async with asyncio.timeout(5):
                await asyncio.sleep(10)
        except TimeoutError:
            return got, f"timeout at {asyncio.get_running_loop().time()}"
        return got, "no timeout"

    for seed in range(50):
        assert run(main(), seed=seed) == (list(range(10)), "timeout at 5.0")


def test_waiting_for_nothing_is_a_deadlock_that_names_who_waits() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(forever(), name="the one who waits")

    with pytest.raises(Deadlock, match="the one who waits"):
        run(main())


def test_work_without_end_is_a_livelock() -> None:
    async def main() -> None:
        for _ in itertools.count():
            await asyncio.sleep(0)

    loop = VirtualTimeLoop(max_steps=1000)
    with asyncio.Runner(loop_factory=lambda: loop) as runner, pytest.raises(Livelock):
        runner.run(main())


def test_timers_without_end_run_out_of_time() -> None:
    async def main() -> None:
        for _ in itertools.count():
            await asyncio.sleep(60)

    with pytest.raises(OutOfTime):
        run(main(), max_virtual_s=86_400)


def test_executor_work_is_done_here_and_its_result_or_error_comes_back() -> None:
    threads = []

    def work(x: int) -> float:
        threads.append(threading.get_ident())
        return 1 / x

    async def main() -> float:
        loop = asyncio.get_running_loop()
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, work, 0)
        return await asyncio.to_thread(work, 4)

    for seed in (None, 1):
        assert run(main(), seed=seed) == 0.25
    assert set(threads) == {threading.get_ident()}


def test_executor_work_takes_a_seeded_moment() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        return [await loop.run_in_executor(None, loop.time) for _ in range(5)]

    assert run(main(), seed=1) == run(main(), seed=1) != run(main(), seed=2)
    assert run(main()) == [0.0] * 5


def test_other_threads_are_refused() -> None:
    errors: list[BaseException] = []

    def thread(call: Callable[[], object]) -> None:
        try:
            call()
        except RuntimeError as e:
            errors.append(e)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        other = threading.Thread(target=thread, args=[lambda: loop.call_soon_threadsafe(print)])
        other.start()
        other.join()

    run(main())
    assert len(errors) == 1


def test_there_is_no_network() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises((OSError, NotImplementedError)):
            await loop.create_connection(asyncio.Protocol, "127.0.0.1", 1)

    run(main())


def test_what_nobody_caught_fails_the_run() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(1)

    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        run(main())


def test_the_wall_clock_jumps_and_the_monotonic_one_does_not() -> None:
    async def main() -> None:
        clock = VirtualClock(unix=1000)
        await asyncio.sleep(2.5)
        assert (clock.now(), clock.monotonic()) == (1002, 2.5)
        clock.jump(-500)
        assert (clock.now(), clock.monotonic()) == (502, 2.5)

    run(main())


def test_small_steps_do_not_lose_timers_to_rounding() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        for _ in range(10_000):
            await asyncio.sleep(0.1)
        return loop.time()

    assert run(main()) == pytest.approx(1000.0)
