"""The components port, fulfilled from a cache, the hints of a request and the operator's mirrors.

Orchestrates only: `hints` says where, the gate connects, `http` transfers, `download` and `cache` keep. All
waits are bounded: places per host and in total, time per source and per call.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from dvm.components.cache import Cache
from dvm.components.download import Download
from dvm.components.failure import (
    FAILED,
    HASH_MISMATCH,
    REFUSED,
    SIZE_MISMATCH,
    TIMEOUT,
    TOO_LARGE,
    Failure,
    SourceFailed,
    combine,
)
from dvm.components.hints import Source, sources
from dvm.components.http import Bounds, Timeouts, get
from dvm.components.tls import default_tls
from dvm.gate import Gate, Refused, Target, Unreachable
from dvm.ports import Fetched, FetchFailed
from jobs.component import ComponentRef

logger = logging.getLogger(__name__)

T = TypeVar("T")

NOT_CONTACTED = "cannot be contacted by this node"
"""Said of a private address and of a name without address alike: a customer must not learn which it was."""


class RunBlocking(Protocol):
    """Calls a blocking function off the event loop, as `asyncio.to_thread` does."""

    def __call__(self, func: Callable[..., T], /, *args: object) -> Awaitable[T]: ...


class StorageFailed(Exception):
    """Our own disk did not take the bytes; no source is to blame."""


@dataclass(slots=True)
class _Flight:
    """The calls for one digest: one works, the others wait for it."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    calls: int = 0
    failed: tuple[ComponentRef, FetchFailed] | None = None


@dataclass(slots=True)
class _Host:
    places: asyncio.Semaphore
    calls: int = 0


class ComponentSource:
    """Implements `dvm.ports.Components`.

    `size_cap`: bytes of the largest component taken. `mirrors`: base URLs of Blossom servers that the
    operator trusts to be worth asking, tried last. `cache_bytes`: room on disk; at least 8 components of the
    largest size. `downloads` and `downloads_per_host`: how many at a time. `tls`: another context than the
    system's CA store. Raises OSError when the cache directory cannot be used, ValueError when the sizes do
    not fit together.
    """

    def __init__(
        self,
        cache_dir: Path,
        gate: Gate,
        *,
        size_cap: int,
        mirrors: Sequence[str] = (),
        cache_bytes: int = 2 << 30,
        downloads: int = 4,
        downloads_per_host: int = 2,
        timeouts: Timeouts | None = None,
        tls: ssl.SSLContext | None = None,
        run_blocking: RunBlocking = asyncio.to_thread,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        if cache_bytes < 8 * size_cap:
            raise ValueError("the component cache must have room for 8 components of the largest size")
        self._cache = Cache(cache_dir, max_bytes=cache_bytes, now_ns=now_ns)
        self._gate = gate
        self._size_cap = size_cap
        self._mirrors = tuple(mirrors)
        self._timeouts = timeouts or Timeouts()
        self._tls = tls
        self._run_blocking = run_blocking
        self._places = asyncio.Semaphore(downloads)
        self._per_host = downloads_per_host
        self._hosts: dict[str, _Host] = {}
        self._flights: dict[str, _Flight] = {}

    async def fetch(self, ref: ComponentRef) -> Fetched | FetchFailed:
        """As the port promises. Calls for one digest share one download, and equal calls its failure."""
        size = self._cache.recognise(ref.digest)
        if size is not None:
            return self._answer(ref, size)
        failures: list[Failure] = []
        flight = self._flights.setdefault(ref.digest, _Flight())
        flight.calls += 1
        before = flight.failed
        try:
            async with asyncio.timeout(self._timeouts.fetch_s), flight.turn:
                if flight.failed is not None and flight.failed is not before and flight.failed[0] == ref:
                    return flight.failed[1]
                result = await self._obtain(ref, failures)
                if isinstance(result, FetchFailed):
                    flight.failed = (ref, result)
                return result
        except TimeoutError:
            return combine(ref.digest, [*failures, Failure("the fetch", TIMEOUT, "took too long")])
        finally:
            flight.calls -= 1
            if not flight.calls:
                del self._flights[ref.digest]

    async def _obtain(self, ref: ComponentRef, failures: list[Failure]) -> Fetched | FetchFailed:
        size = await self._run_blocking(self._cache.verify, ref.digest)
        if size is not None:
            return self._answer(ref, size)
        if ref.size is not None and ref.size > self._size_cap:
            return self._too_large(ref)
        found, unusable = sources(ref, self._mirrors)
        failures += unusable
        hopeless: set[str] = set()
        for source in found:
            place = source.target.authority
            if place in hopeless:
                continue
            try:
                return self._answer(ref, await self._from(source, ref.digest))
            except SourceFailed as failed:
                failures.append(Failure(place, failed.code, failed.told))
                if failed.code in (REFUSED, TIMEOUT):
                    hopeless.add(place)
                logger.info(
                    "No component from %s: it %s.",
                    place,
                    failed.told,
                    extra={"action": "source_failed", "component": ref.digest, "code": failed.code},
                )
            except StorageFailed as failed:
                logger.error(
                    "The cache cannot take component %s: %s.",
                    ref.digest[:8],
                    failed,
                    extra={"action": "component_not_stored", "component": ref.digest},
                )
                return FetchFailed(FAILED, "this node could not store the component; it may work later")
        return combine(ref.digest, failures)

    def _answer(self, ref: ComponentRef, size: int) -> Fetched | FetchFailed:
        if size > self._size_cap:
            return self._too_large(ref)
        if ref.size is not None and ref.size != size:
            told = f"component {ref.digest[:8]} has {size} bytes, not {ref.size} as stated"
            return FetchFailed(SIZE_MISMATCH, told)
        return Fetched(self._cache.path(ref.digest), size)

    def _too_large(self, ref: ComponentRef) -> FetchFailed:
        told = f"component {ref.digest[:8]} is larger than the {self._size_cap} bytes that this node takes"
        return FetchFailed(TOO_LARGE, told)

    async def _from(self, source: Source, digest: str) -> int:
        """Bring the component from one source to the cache; returns its size."""
        if source.size is not None and source.size > self._size_cap:
            raise SourceFailed(TOO_LARGE, f"has more than the {self._size_cap} bytes that this node takes")
        download = Download(self._cache, digest)
        async with self._place(source.target.host):
            try:
                async with asyncio.timeout(self._timeouts.source_s):
                    return await self._transfer(source, download)
            except TimeoutError:
                raise SourceFailed(TIMEOUT, "was too slow") from None
            finally:
                await self._run_blocking(download.discard)

    async def _transfer(self, source: Source, download: Download) -> int:
        target = source.target
        tls = await self._tls_context() if target.tls else None

        async def write(data: bytes) -> None:
            await self._store(download.write, data)

        connection = await self._connected(target)
        bounds = Bounds(self._size_cap, source.size)
        size = await get(connection, target, tls=tls, bounds=bounds, timeouts=self._timeouts, write=write)
        if not await self._store(download.finish):
            raise SourceFailed(HASH_MISMATCH, "sent bytes with another sha256")
        return size

    async def _connected(self, target: Target) -> socket.socket:
        try:
            return await self._gate.connect(target, timeout_s=self._timeouts.connect_s)
        except Refused as refused:
            logger.info("%s is refused: %s.", target.authority, refused.sentence, extra={"action": "source_refused"})
            told = f"cannot be contacted: {refused.sentence}" if refused.code == "scheme" else NOT_CONTACTED
            raise SourceFailed(REFUSED, told) from None
        except Unreachable as unreachable:
            if unreachable.code == "no-such-host":
                raise SourceFailed(REFUSED, NOT_CONTACTED) from None
            if unreachable.code == "timeout":
                raise SourceFailed(TIMEOUT, "was too slow") from None
            raise SourceFailed(FAILED, "could not be reached or broke off") from None

    async def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = await self._run_blocking(default_tls)
        return self._tls

    async def _store(self, act: Callable[..., T], *args: bytes) -> T:
        try:
            return await self._run_blocking(act, *args)
        except OSError as error:
            raise StorageFailed(error.strerror or str(error)) from None

    @contextlib.asynccontextmanager
    async def _place(self, name: str) -> AsyncGenerator[None]:
        """A place to download. The host's places come first: a slow host blocks only itself."""
        host = self._hosts.setdefault(name, _Host(asyncio.Semaphore(self._per_host)))
        host.calls += 1
        try:
            async with host.places, self._places:
                yield
        finally:
            host.calls -= 1
            if not host.calls:
                del self._hosts[name]
