"""One run: a node, its relays and customers, troubled for a while, then left in peace, then looked at."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

from relayclient.connection import Transport
from relayclient.errors import ConnectFailed
from tests.sim import judge
from tests.sim.customers import Asking, Customers, Publication, key
from tests.sim.database import Database
from tests.sim.life import POINTS, Doom, Life, book_tasks
from tests.sim.node import Surroundings, serve, settings
from tests.sim.relay import Relay, temper
from tests.sim.rooms import Book, Components, Sandbox
from tests.sim.trace import Trace
from tests.support.virtual_time import VirtualClock, VirtualTimeLoop

UNIX = 1_800_000_000
MAILBOX = "wss://mailbox.example"
PATIENCE_S = 2 * 3_600.0
"""In a world without trouble everything must be settled after this time."""
AFTERMATH_S = 90.0


@dataclass(frozen=True, slots=True)
class Report:
    """What came of one seed."""

    seed: int
    digest: str
    wrongs: tuple[str, ...]
    """Broken promises; empty when all is well."""
    hours: float
    counts: Counter[str] = field(default_factory=Counter)
    """Requests, jobs, runs, re-runs, crashes, clean stops, statements by kind."""
    crashed_at: Counter[str] = field(default_factory=Counter)


def memory() -> Path | None:
    """A folder in memory, where commits cost nothing; None for the usual place for temporary files."""
    shared = Path("/dev/shm")
    return shared if shared.is_dir() else None


def run(seed: int, *, echo: bool = False, within: Path | None = None) -> Report:
    """Everything that follows from a seed; the same every time, in every process. Files go to a new folder `within`."""
    loop = VirtualTimeLoop(seed, max_virtual_s=200_000.0, max_steps=100_000)
    loop.set_debug(False)  # it would cost more than the run
    book_tasks(loop)
    folder = Path(tempfile.mkdtemp(prefix="dvm-sim-", dir=within or memory()))
    story = _Run(seed, folder, echo=echo)
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            wrongs = runner.run(story.run())
    except Exception as error:
        wrongs = [*story.wrongs(), f"the run ended early: {_innermost(error)!r}"]
    finally:
        story.close()
        shutil.rmtree(folder)
    wrongs += [f"nobody caught {failure.get('exception')!r}" for failure in loop.failures]
    told = tuple(dict.fromkeys(wrongs))
    return Report(seed, story.trace.digest(), told, loop.time() / 3_600, story.counts, story.crashed_at)


class _Run:
    def __init__(self, seed: int, folder: Path, *, echo: bool) -> None:
        self.rng = Random(f"world {seed}")
        self.trace = Trace(echo=echo)
        self.book = Book()
        self.counts: Counter[str] = Counter()
        self.crashed_at: Counter[str] = Counter()
        self.path = folder / "dvm.db"
        self.folder, self.seed = folder, seed
        urls = tuple(f"wss://relay{i}.example" for i in range(self.rng.choice((1, 1, 2, 3))))
        self.own = [Relay(url, Random(f"relay {seed} {url}"), self.trace, temper(self.rng)) for url in urls]
        mailbox = Relay(MAILBOX, Random(f"mailbox {seed}"), self.trace, temper(self.rng))
        self.relays = {relay.url: relay for relay in (*self.own, mailbox)}
        self.settings = settings(seed, key(seed, "node"), urls)
        self.span = self.rng.choice((60.0, 300.0, 1_500.0))
        self.crashes_left = self.rng.choice((0, 1, 2, 3, 4, 5, 6))
        self.calm = asyncio.Event()
        self.last = False
        self.lives = 0
        self.database: Database | None = None
        self.sent = judge.Sent(self.settings.key.public)

    async def run(self) -> list[str]:
        """Live through all of it; returns the broken promises."""
        self.clock = VirtualClock(unix=UNIX)
        self.asked = asked = self._requests()
        self.counts["requests"] = len(asked)
        async with asyncio.TaskGroup() as group:
            trouble = [group.create_task(self._customers(asked))]
            trouble += [group.create_task(self._outages(relay)) for relay in self.relays.values()]
            keeper = group.create_task(self._keep_node())
            await asyncio.gather(*trouble)
            await self._rest()
            self.last = True
            self._stop()
            await keeper
        self.counts.update(judge.totals(self.book, self.path))
        return [*self.wrongs(), *judge.final(self._evidence(asked))]

    def wrongs(self) -> list[str]:
        """What was seen to be wrong on the way."""
        return [*self.book.wrongs, *self.sent.wrongs]

    def close(self) -> None:
        """Let go of the files of a run that ended early."""
        if self.database is not None:
            self.database.close()

    def _evidence(self, asked: list[Asking]) -> judge.Evidence:
        return judge.Evidence(
            node=self.settings.key.public,
            path=self.path,
            asked=asked,
            own=self.own,
            relays=list(self.relays.values()),
            book=self.book,
            interruptions=self.counts["crashes"] + self.counts["clean stops"],
            slots=self.settings.slots,
            counts=self.counts,
            minutes=asyncio.get_running_loop().time() / 60,
        )

    # Trouble

    def _requests(self) -> list[Asking]:
        customers = Customers(
            self.seed,
            node=self.settings.key.public,
            relays=len(self.own),
            mailbox=MAILBOX,
            unix=UNIX,
            span=self.span,
        )
        few = self.rng.randint(3, 12)
        return customers.requests(self.rng.choice((few, few, few, 24)))

    async def _customers(self, asked: list[Asking]) -> None:
        publications = [publication for asking in asked for publication in asking.publications]
        for publication in sorted(publications, key=_when):
            await asyncio.sleep(publication.at - asyncio.get_running_loop().time())
            self.own[publication.relay].publish(publication.event)

    async def _outages(self, relay: Relay) -> None:
        for _ in range(relay.rng.choice((0, 0, 1, 2))):
            await asyncio.sleep(relay.rng.uniform(0.0, self.span / 2))
            relay.go_away()
            await asyncio.sleep(relay.rng.uniform(1.0, 400.0))
            relay.come_back()

    # The node

    async def _keep_node(self) -> None:
        """Start it again and again, as systemd does."""
        while not self.last:
            await self._live()
            if not self.last:
                await self._pause()

    async def _pause(self) -> None:
        """While the node is down, the customers go on; but peace wakes it."""
        down = self.rng.choice((0.1, 5.0, 5.0, 60.0, 1_500.0))
        try:
            async with asyncio.timeout(self.rng.uniform(0.0, down)):
                await self.calm.wait()
        except TimeoutError:
            pass

    def _doom(self) -> Doom | None:
        if self.calm.is_set() or not self.crashes_left:
            return None
        point, gently = self.rng.choice(POINTS), self.rng.random() < 0.15
        early = self.rng.random() < 0.4  # also while it comes up again
        return Doom(point, 1 if early else 1 + int(self.rng.expovariate(1 / 6)), gently)

    async def _live(self) -> None:
        self.lives += 1
        life = Life(self.lives, self.trace, self._doom())
        name = f"{self.seed} {life.number}"
        self.database = Database(life, self.path, Random(f"database {name}"), self.trace, self.counts)
        life.on_crash.append(self._rescue)
        around = Surroundings(
            life=life,
            database=self.database,
            clock=self.clock,
            components=Components(life, Random(f"components {name}"), self.book, self.trace),
            sandbox=Sandbox(life, Random(f"sandbox {name}"), self.book, self.trace, self.database),
            dial=lambda url: self._dial(life, url),
            rng=Random(f"node {name}"),
        )
        self.trace.say(life.name, f"starts, doomed to {life.doom}")
        task = life.start(serve(self.settings, around, life.stop))
        timers = self._timers(life)
        await life.over
        self.counts["starts"] += 1
        self.counts["heard"] += life.passed["request:heard"]
        for timer in timers:
            timer.cancel()
        if life.dead:
            await life.bury()
            self.counts["crashes"] += 1
            self.crashed_at[life.ended_at_point] += 1
            self.crashes_left -= 1
        else:
            self._stopped(life, task)

    def _stopped(self, life: Life, task: asyncio.Task[None]) -> None:
        error = task.exception()
        if error is not None:
            self.trace.say(life.name, f"FAILED {error!r}")
            raise judge.Broken(f"life {life.number} of the node failed: {_innermost(error)!r}") from error
        left = [other.get_name() for other in life.tasks if not other.done()]
        if left:
            raise judge.Broken(f"a clean stop left tasks behind: {left}")
        self.trace.say(life.name, "stopped cleanly")
        self.counts["clean stops"] += 1
        assert self.database is not None
        self.book.wrongs += judge.settled_means_held(self.database, self.own)
        self.database.close()

    def _timers(self, life: Life) -> list[asyncio.TimerHandle]:
        """An end that no failpoint brings: a crash out of nothing, or the operator's hand."""
        loop = asyncio.get_running_loop()
        if self.calm.is_set():
            return []
        after = self.rng.uniform(0.0, self.span)
        if self.rng.random() < 0.2:
            return [loop.call_later(after, self._unless_calm, life.stop.set)]
        if not self.crashes_left:
            return []
        return [loop.call_later(after, self._unless_calm, partial(life.crash, "anywhere"))]

    def _unless_calm(self, trouble: Callable[[], None]) -> None:
        if not self.calm.is_set():
            trouble()

    def _stop(self) -> None:
        assert self.database is not None
        self.database.life.stop.set()

    def _rescue(self) -> None:
        assert self.database is not None
        self.book.wrongs += judge.settled_means_held(self.database, self.own)
        self.path = self.database.rescue(self.folder / f"after-{self.lives}")

    async def _dial(self, life: Life, url: str) -> Transport:
        relay = self.relays.get(url)
        if relay is None:
            raise ConnectFailed("no such host")
        return await relay.dial(life, self._sending)

    def _sending(self, frame: str) -> None:
        assert self.database is not None
        self.sent.check(frame, self.database)

    # Peace

    async def _rest(self) -> None:
        """No more trouble; wait until everything is settled, then see whether a last start stirs anything."""
        self.trace.say("world", "peace")
        self.crashes_left = 0
        self.calm.set()
        assert self.database is not None
        self.database.life.doom = None
        for relay in self.relays.values():
            relay.heal()
        await self._all_settled()
        await asyncio.sleep(AFTERMATH_S)
        runs, sent = len(self.book.runs), self.sent.count
        self._stop()
        await asyncio.sleep(AFTERMATH_S)  # and it is started again
        if (len(self.book.runs), self.sent.count) != (runs, sent):
            self.book.wrongs.append("a restart stirred what was settled")

    async def _all_settled(self) -> None:
        assert self.database is not None
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(30.0)
            if not self.database.life.over.done() and judge.quiet(self.database, self.asked):
                return
        self.book.wrongs.append(f"not settled after {PATIENCE_S / 3_600:.0f} hours of peace")


def _when(publication: Publication) -> tuple[float, str, int]:
    return publication.at, publication.event.id, publication.relay


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
