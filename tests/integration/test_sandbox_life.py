"""The life of the sandbox: deaths and restarts, cancellation, nothing left over."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from dvm.sandbox import SandboxError, SandboxLimits, ZygoteSandbox
from jobs.outcome import Outcome, RunReport
from tests.support.guests import guest
from tests.support.sandboxes import Bench, narrowed, with_sandbox

FOREVER = narrowed(fuel=1 << 62, wall_ms=30_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sandbox")


def family(root: int) -> dict[int, tuple[int, str]]:
    """Of each process below `root`: its parent, and its state as one letter."""
    seen: dict[int, tuple[int, str]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            seen[int(entry)] = (int(fields[1]), fields[0])
    found: dict[int, tuple[int, str]] = {}
    wave = {root}
    while wave:
        wave = {pid for pid, (parent, _state) in seen.items() if parent in wave}
        found |= {pid: seen[pid] for pid in wave}
    return found


def descendants(root: int) -> set[int]:
    return set(family(root))


def zygotes() -> list[int]:
    """Live children of this process: there is one."""
    return [pid for pid, (parent, state) in family(os.getpid()).items() if parent == os.getpid() and state != "Z"]


def workers() -> list[int]:
    """Live processes below the zygote."""
    return [pid for pid, (parent, state) in family(os.getpid()).items() if parent != os.getpid() and state != "Z"]


async def until(condition: object, *, tries: int = 500) -> None:
    """Poll; fails after `tries` looks of 20 ms."""
    assert callable(condition)
    for _ in range(tries):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came true")


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def settle() -> None:
    """Wait until two workers are in stock, and the daemon holds all it gets of them."""
    seen: list[int] = []

    def settled() -> bool:
        seen.append(open_files() if len(descendants(os.getpid())) == 3 else -1)
        return len(seen) > 10 and seen[-1] > 0 and len(set(seen[-10:])) == 1

    await until(settled)


def burning() -> list[int]:
    """Workers that have used more than 50 ms of processor time: those with a guest that spins."""
    tick = os.sysconf("SC_CLK_TCK")
    busy = []
    for pid in workers():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[11]) / tick > 0.05:
            busy.append(pid)
    return busy


async def start(bench: Bench, name: str, count: int = 1) -> list[asyncio.Task[RunReport]]:
    tasks = [asyncio.create_task(bench.run(guest(name), grant=FOREVER)) for _ in range(count)]
    await until(lambda: len(burning()) >= count)
    return tasks


def test_cancelled_run_kills_the_guest(folder: Path) -> None:
    async def act(bench: Bench) -> None:
        (task,) = await start(bench, "spin")
        (busy,) = burning()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: busy not in descendants(os.getpid()))
        assert (await bench.run(guest("hello"))).output == b"hello\n"

    with_sandbox(folder, act)


def test_killed_worker_is_our_failure_and_no_more(folder: Path) -> None:
    async def act(bench: Bench) -> None:
        (task,) = await start(bench, "spin")
        os.kill(burning()[0], signal.SIGKILL)
        assert (await task).outcome is Outcome.SANDBOX_FAILURE
        assert (await bench.run(guest("hello"))).output == b"hello\n"

    with_sandbox(folder, act)


def test_a_worker_that_died_in_stock_is_passed_over(folder: Path) -> None:
    async def act(bench: Bench) -> None:
        await until(lambda: len(workers()) >= 2)
        doomed = workers()
        for pid in doomed:
            os.kill(pid, signal.SIGKILL)
        await until(lambda: not set(doomed) & descendants(os.getpid()))
        assert (await bench.run(guest("hello"))).output == b"hello\n"

    with_sandbox(folder, act)


def test_killed_zygote_takes_its_workers_along_and_is_replaced(folder: Path) -> None:
    async def act(bench: Bench) -> None:
        tasks = await start(bench, "spin", 2)
        before, (zygote,) = workers(), zygotes()
        os.kill(zygote, signal.SIGKILL)
        for task in tasks:
            assert (await task).outcome is Outcome.SANDBOX_FAILURE
        await until(lambda: not set(before) & set(workers()))
        assert (await bench.run(guest("hello"))).output == b"hello\n"
        assert zygotes() != [zygote]

    with_sandbox(folder, act)


def test_killed_again_and_again(folder: Path) -> None:
    async def act(bench: Bench) -> None:
        for _ in range(3):
            doomed = descendants(os.getpid())
            os.kill(zygotes()[0], signal.SIGKILL)
            await until(lambda doomed=doomed: not doomed & descendants(os.getpid()))
            assert (await bench.run(guest("hello"))).output == b"hello\n"

    with_sandbox(folder, act)


def test_leaving_ends_everything_even_a_guest_at_work(folder: Path) -> None:
    async def main() -> None:
        async with ZygoteSandbox(folder / "state") as sandbox:
            bench = Bench(folder / "components", sandbox)
            (task,) = await start(bench, "spin")
        assert (await task).outcome is Outcome.SANDBOX_FAILURE
        await until(lambda: not descendants(os.getpid()))
        assert (await bench.run(guest("hello"))).outcome is Outcome.SANDBOX_FAILURE

    (folder / "components").mkdir(exist_ok=True)
    asyncio.run(main())


def test_everything_dies_with_the_daemon(folder: Path, tmp_path: Path) -> None:
    """kill -9 of the process that runs the sandbox, while a guest spins."""
    (folder / "components").mkdir(exist_ok=True)
    code = (
        "import asyncio, pathlib\n"
        "from dvm.sandbox import ZygoteSandbox\n"
        "from tests.support.guests import guest\n"
        "from tests.support.sandboxes import Bench, narrowed\n"
        "async def main():\n"
        f"    async with ZygoteSandbox(pathlib.Path({str(folder / 'state')!r})) as sandbox:\n"
        f"        bench = Bench(pathlib.Path({str(folder / 'components')!r}), sandbox)\n"
        "        await bench.run(guest('spin'), grant=narrowed(fuel=1 << 62, wall_ms=50_000))\n"
        "asyncio.run(main())\n"
    )

    async def main() -> None:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=Path(__file__).parents[2])
        await until(lambda: len(descendants(process.pid)) >= 3)
        below = descendants(process.pid)
        process.kill()
        await process.wait()
        await until(lambda: not any(alive(pid) for pid in below))

    asyncio.run(main())


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def resident(pid: int | str) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_two_hundred_runs_leave_nothing_behind(folder: Path) -> None:
    async def act(bench: Bench) -> None:
        for _ in range(20):
            await bench.run(guest("hello"))
        await settle()
        (zygote,) = zygotes()
        fds, zygote_fds = open_files(), len(os.listdir(f"/proc/{zygote}/fd"))
        memory, zygote_memory = resident("self"), resident(zygote)
        for _ in range(200):
            assert (await bench.run(guest("hello"))).output == b"hello\n"
        await settle()
        assert zygotes() == [zygote]
        assert len(os.listdir(f"/proc/{zygote}/fd")) == zygote_fds
        assert open_files() == fds
        assert resident("self") - memory < 4 << 20
        assert resident(zygote) - zygote_memory < 2 << 20

    with_sandbox(folder, act)


def test_many_at_once_do_not_mix(folder: Path) -> None:
    async def act(bench: Bench) -> None:
        async def one(index: int) -> None:
            report = await bench.run(guest("surroundings"), args=(f"job {index}",))
            assert report.output == f"arg component\narg job {index}\n".encode(), report
            if index % 5 == 0:
                assert (await bench.run(guest("trap"))).outcome is Outcome.TRAPPED

        slots = asyncio.Semaphore(8)

        async def queued(index: int) -> None:
            async with slots:
                await one(index)

        await asyncio.gather(*(queued(index) for index in range(80)))
        await until(lambda: len(descendants(os.getpid())) == 3)

    with_sandbox(folder, act)


def test_cancellation_at_any_moment_leaves_nothing_behind(folder: Path) -> None:
    async def act(bench: Bench) -> None:
        await bench.run(guest("hello"))
        await settle()
        fds = open_files()
        for turns in range(40):
            task = asyncio.create_task(bench.run(guest("hello")))
            for _ in range(turns // 4):
                await asyncio.sleep(0)
            await asyncio.sleep(turns % 4 * 0.001)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await settle()
        assert open_files() == fds

    with_sandbox(folder, act)


def test_a_python_that_is_none(tmp_path: Path) -> None:
    async def main() -> None:
        async with ZygoteSandbox(tmp_path, python="/bin/false"):
            pass

    with pytest.raises(SandboxError, match="cannot start"):
        asyncio.run(main())


def test_a_zygote_that_says_nothing(tmp_path: Path) -> None:
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o755)

    async def main() -> None:
        async with ZygoteSandbox(tmp_path, python=str(silent), limits=SandboxLimits(start_s=0.3)):
            pass

    with pytest.raises(SandboxError, match="did not start"):
        asyncio.run(main())
    assert not descendants(os.getpid())
