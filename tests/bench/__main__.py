"""`python -m tests.bench`: figures of a free, trivial, cached job, everything durable, and the floors under them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import time
from pathlib import Path

from dvm.blobs import BlobServer
from relayclient.event import Draft, Event
from relayclient.keys import SecretKey
from tests.bench import floors, kernels, rig

ECHO = Path(__file__).parents[2] / "examples" / "echo" / "echo.wasm"
WARM, ALONE, OUTSTANDING, TOTAL = 20, 300, 32, 1500


def request(key: SecretKey, digest: str, base: str, text: str) -> Event:
    tags = (
        ("i", f"{base}/{digest}.wasm", "url", "", "component"),
        ("x", digest, "component"),
        ("i", text, "text", "", "stdin"),
    )
    return key.sign(Draft(5850, "", tags, int(time.time())), os.urandom(32))


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def timed(someone: rig.Customer, event: Event) -> float:
    start = time.perf_counter()
    answer = await someone.run(event)
    if answer.kind != 6850:
        raise SystemExit(f"the job failed: {answer.content}")
    return (time.perf_counter() - start) * 1000


async def whole_node() -> None:
    component = ECHO.read_bytes()
    digest = hashlib.sha256(component).hexdigest()
    key = SecretKey.generate(os.urandom)
    with tempfile.TemporaryDirectory() as home, rig.relay() as url, rig.node(Path(home, "node"), url) as process:
        async with BlobServer([component]) as base, rig.customer(url, key.public) as someone:
            events = (request(key, digest, base, f"job {n}") for n in range(WARM + ALONE + TOTAL))
            for _ in range(WARM):
                await timed(someone, next(events))
            alone = [await timed(someone, next(events)) for _ in range(ALONE)]
            print(f"published to result, one at a time   p50 {percentile(alone, 0.5):6.1f} ms   "
                  f"p99 {percentile(alone, 0.99):6.1f} ms   ({ALONE} jobs)")  # fmt: skip

            async def worker() -> list[float]:
                took = []
                for event in events:
                    took.append(await timed(someone, event))
                return took

            start = time.perf_counter()
            many = [took for each in await asyncio.gather(*(worker() for _ in range(OUTSTANDING))) for took in each]
            rate = len(many) / (time.perf_counter() - start)
            print(f"with {OUTSTANDING} outstanding                  {rate:10.1f} jobs/s   "
                  f"p50 {percentile(many, 0.5):6.1f} ms   p99 {percentile(many, 0.99):6.1f} ms")  # fmt: skip
            await asyncio.sleep(2)
        memory = rig.pss_mib(process.pid)
        total = sum(memory.values())
        print(f"idle memory of the node's {len(memory)} processes {total:10.1f} MiB (proportional set size)")
        for name, mib in memory.items():
            print(f"    {mib:6.1f}  {name}")


def main() -> None:
    print(f"cores {os.cpu_count()}, load {os.getloadavg()[0]:.1f}; the relay and the customer run on the same machine")
    asyncio.run(whole_node())
    asyncio.run(floors.sandbox(ECHO))
    asyncio.run(floors.deadline())
    asyncio.run(floors.memory())
    kernels.compare()
    floors.parts()


if __name__ == "__main__":
    main()
