"""The node's wiring in the simulated world: what `dvm.node` does with real rooms, around the same `Core`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from dvm.core import Core, Terms, World
from dvm.ports import Components, Sandbox
from dvm.store import open_store
from dvm.supervise import Supervisor
from jobs.admission import Policy
from relayclient.backoff import BackoffLimits
from relayclient.connection import Transport
from relayclient.keys import LocalSigner, SecretKey
from relayclient.limits import PoolLimits, SessionLimits
from relayclient.pool import Pool
from tests.sim.database import Database
from tests.sim.life import Life
from tests.support.virtual_time import VirtualClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the operator of this run's node chose."""

    key: SecretKey
    relays: tuple[str, ...]
    slots: int
    policy: Policy
    overlap_s: int
    drain_s: float
    remembers: int
    """Events that the pool recognises when they come again."""


def settings(seed: int, key: SecretKey, relays: tuple[str, ...]) -> Settings:
    """A seeded operator."""
    rng = Random(f"settings {seed}")
    policy = Policy(patience_s=rng.choice((30, 600)), live_max=rng.choice((3, 1_000, 1_000)))
    return Settings(
        key=key,
        relays=relays,
        slots=rng.randint(1, 3),
        policy=policy,
        overlap_s=rng.choice((120, 600)),
        drain_s=rng.choice((0.5, 30.0)),
        remembers=rng.choice((1, 3, 8_192)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What one life of the node touches."""

    life: Life
    database: Database
    clock: VirtualClock
    components: Components
    sandbox: Sandbox
    dial: Callable[[str], Awaitable[Transport]]
    rng: Random


async def serve(chosen: Settings, around: Surroundings, stop: asyncio.Event) -> None:
    """Live until `stop`, then drain; the order of `dvm.node.Node`."""
    me, clock, rng = chosen.key.public, around.clock, around.rng
    async with (
        open_store(around.database.path, me=me, clock=clock, connect=around.database.connect) as store,
        Supervisor() as tasks,
    ):
        pool = Pool(
            dial=around.dial,
            clock=clock,
            rng=rng,
            news=lambda news: core.intake.hear(news),
            limits=PoolLimits(
                session=SessionLimits(overlap_s=chosen.overlap_s),
                reconnect=BackoffLimits(longest_s=60.0),
                verified=chosen.remembers,
            ),
        )
        world = World(
            store=store,
            signer=LocalSigner(chosen.key, rng.randbytes),
            clock=clock,
            rng=rng,
            components=around.components,
            sandbox=around.sandbox,
            relays=pool,
        )
        terms = Terms(
            kind=5850,
            policy=chosen.policy,
            own_relays=chosen.relays,
            slots=chosen.slots,
            retention_s=30 * 86_400,
        )
        core = Core(world, terms, tasks)
        await core.start()
        await core.listen(pool)
        tasks.start(pool.run(), name="relays")
        await stop.wait()
        await core.drain(chosen.drain_s)
        tasks.cancel()
