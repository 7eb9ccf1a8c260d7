"""The node as a whole: names the concrete classes, starts them in order and stops them in reverse.

Start: lock, store, sandbox, components, unfinished jobs, relays; ready when one relay is there. Stop, on SIGTERM or
SIGINT: no new requests, runs may end within the grace time, answers go out, everything closes. A loop that dies takes
the node down with it, and systemd starts a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

from dvm import control, systemd
from dvm.answers import answers
from dvm.components import ComponentSource
from dvm.config import Config, ConfigError
from dvm.core import Core, Terms, World
from dvm.gate import Gate, GatePolicy, Refused, Unreachable, parse_url
from dvm.home import Home
from dvm.ports import Components, Sandbox, Store
from dvm.sandbox import Tier, ZygoteSandbox
from dvm.store import UnusableDatabase, open_store
from dvm.supervise import Supervisor
from relayclient.clock import SystemClock
from relayclient.connection import Dial, Transport, dial_websocket
from relayclient.keys import LocalSigner, SecretKey
from relayclient.news import Connected, News
from relayclient.pool import Pool
from relayclient.urls import normalise

log = logging.getLogger(__name__)

CONNECT_S = 10.0
FIRST_RELAY_S = 30.0
"""After this time the node calls itself ready even if no relay could be reached: it goes on trying."""
MIB = 1 << 20


def outbound_gate(relays: Iterable[str], *, local: Iterable[str] = (), mirrors: Iterable[str] = ()) -> Gate:
    """The gate of somebody who chose these relays and mirrors: their ports are open beside 443. Raises Refused.

    What strangers name is reached on these ports too, but on no other; `local` are loopback addresses that may be
    spoken to in plain text.
    """
    chosen = [parse_url(url, ("ws", "wss")) for url in relays]
    chosen += [parse_url(url, ("http", "https")) for url in mirrors]
    ports = frozenset({443} | {target.port for target in chosen})
    return Gate(GatePolicy(local=frozenset(local), ports=ports))


def operators_gate(config: Config, path: Path) -> Gate:
    """The gate of a node with this configuration; raises ConfigError, which names the file `path`."""
    try:
        mirrors = config.components.mirrors
        return outbound_gate(config.node.relays, local=config.network.local, mirrors=mirrors)
    except (Refused, ValueError) as error:
        raise ConfigError(path, [str(error)]) from None


def relay_dial(gate: Gate) -> Dial:
    """Relays are dialled like everything else: through the gate, to the address that it judged."""

    async def dial(url: str) -> Transport:
        try:
            connection = await gate.connect(parse_url(url, ("ws", "wss")), timeout_s=CONNECT_S)
        except (Refused, Unreachable) as error:
            raise ConnectionError(str(error)) from error
        return await dial_websocket(url, sock=connection, open_timeout=CONNECT_S)

    return dial


def component_source(home: Home, config: Config, gate: Gate) -> ComponentSource:
    """The components room with the operator's settings."""
    section = config.components
    return ComponentSource(
        home.components,
        gate,
        size_cap=section.max_mib * MIB,
        cache_bytes=section.cache_mib * MIB,
        mirrors=section.mirrors,
    )


@asynccontextmanager
async def workbench(home: Home, config: Config, gate: Gate) -> AsyncIterator[tuple[Components, Sandbox]]:
    """Components and sandbox without a node round them: for running a job again."""
    home.create()
    async with ZygoteSandbox(home.sandbox, engine=config.sandbox.engine) as sandbox:
        yield component_source(home, config, gate), sandbox


@asynccontextmanager
async def offline_store(home: Home) -> AsyncIterator[Store]:
    """The store of a node that is not running; raises HomeError while it is."""
    with home.locked():
        async with open_store(home.database, me=home.read_key().public, clock=SystemClock()) as store:
            yield store


class Node:
    """One node. `run` returns after a clean stop, and raises when a part of it failed."""

    def __init__(self, home: Home, config: Config) -> None:
        """Raises HomeError or ConfigError when it cannot be started like this."""
        if not config.node.relays:
            raise ConfigError(home.config, ["node.relays is empty: a node needs a relay to hear requests from"])
        self._home, self._config = home, config
        self._relays = tuple(dict.fromkeys(map(normalise, config.node.relays)))
        self._gate = operators_gate(config, home.config)
        self._key: SecretKey = home.read_key()
        self._clock = SystemClock()
        self._rng = Random(os.urandom(16))
        self._stopping = asyncio.Event()
        self._connected = asyncio.Event()

    async def run(self) -> None:
        """From start to stop; raises ConfigError when this machine is below the tier that was demanded."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._stop)
        async with AsyncExitStack() as rooms:
            rooms.enter_context(self._home.locked())
            store = await self._store(rooms)
            made = ZygoteSandbox(self._home.sandbox, engine=self._config.sandbox.engine)
            sandbox = await rooms.enter_async_context(made)
            self._holds = await self._judge(sandbox)
            async with Supervisor() as tasks:
                await self._serve(tasks, store, sandbox)
                tasks.cancel()

    async def _judge(self, sandbox: ZygoteSandbox) -> dict[str, Any]:
        """How the sandbox stands, for `dvm status`; raises ConfigError when that is less than the operator wants."""
        standing, lowest = await sandbox.standing(), Tier(self._config.sandbox.lowest_tier)
        if not standing.tier.reaches(lowest):
            sentence = (
                f"this machine holds guests by tier {standing.tier.value} only, and sandbox.lowest_tier is "
                f"{lowest.value}: no stranger's job runs here; `dvm doctor` says what is missing"
            )
            raise ConfigError(self._home.config, [sentence])
        if sandbox.warning:
            log.warning(sandbox.warning, extra={"action": "advisory", "engine": sandbox.engine})
        return {
            "engine": sandbox.engine,
            "tier": standing.tier.value,
            "layers": dict(await sandbox.layers()),
            "warning": sandbox.warning,
        }

    async def _store(self, rooms: AsyncExitStack) -> Store:
        try:
            opened = open_store(self._home.database, me=self._key.public, clock=self._clock)
            return await rooms.enter_async_context(opened)
        except UnusableDatabase as error:
            raise ConfigError(self._home.database, [str(error)]) from error

    def _stop(self) -> None:
        self._stopping.set()
        self._connected.set()  # nobody needs to wait for a relay any more

    async def _serve(self, tasks: Supervisor, store: Store, sandbox: ZygoteSandbox) -> None:
        gate = self._gate
        pool = Pool(dial=relay_dial(gate), clock=self._clock, rng=self._rng, news=self._hear)
        world = World(
            store=store,
            signer=LocalSigner(self._key, os.urandom),
            clock=self._clock,
            rng=self._rng,
            components=component_source(self._home, self._config, gate),
            sandbox=sandbox,
            relays=pool,
        )
        self._core = core = Core(world, self._terms(), tasks)
        await core.start()
        await core.listen(pool)
        async with control.serve(self._home.socket, answers(core, pool.states, store, self._key.public, self._holds)):
            tasks.start(pool.run(), name="relays")
            tasks.start(self._feed_watchdog(), name="watchdog")
            await self._say_ready()
            await self._stopping.wait()
            systemd.notify("STOPPING=1", "STATUS=draining")
            log.info("draining", extra={"action": "draining", "live": len(core.engine.live)})
            await core.drain(self._config.node.drain_s)

    async def _hear(self, news: News) -> None:
        if isinstance(news, Connected):
            self._connected.set()
        await self._core.intake.hear(news)

    async def _say_ready(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_RELAY_S):
                await self._connected.wait()
        told = "serving" if self._connected.is_set() else "no relay could be reached yet; trying"
        systemd.notify("READY=1", f"STATUS={told}")
        log.info("ready", extra={"action": "ready", "node": self._key.public, "status": told})

    async def _feed_watchdog(self) -> None:
        """Fed only while the engine still commits."""
        interval = systemd.watchdog_interval_s()
        while interval is not None:
            await self._core.engine.pulse()
            systemd.notify("WATCHDOG=1")
            await asyncio.sleep(interval)

    def _terms(self) -> Terms:
        return Terms(
            kind=self._config.node.kind,
            policy=self._config.policy(),
            own_relays=self._relays,
            slots=self._config.node.slots,
            retention_s=self._config.jobs.retention_days * 86_400,
        )
