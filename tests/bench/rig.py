"""A real relay in a process of its own, a real node as a child process, and a customer in this one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from relayclient.connection import Transport, dial_websocket
from relayclient.event import Event
from relayclient.messages import EventMessage, parse_relay_frame

PATIENCE_S = 60.0

RELAY = """
import asyncio, sys
import nostr_sdk as n
async def main():
    limit = n.RateLimit(max_reqs=100_000, notes_per_minute=10_000_000)
    relay = n.LocalRelayBuilder().addr("127.0.0.1").port(int(sys.argv[1])).rate_limit(limit).build()
    await relay.run()
    print("up", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def child(*command: str, first_line: bool = False) -> Iterator[subprocess.Popen[str]]:
    """A child process that ends with the block."""
    out = subprocess.PIPE if first_line else subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, text=True)
    try:
        if process.stdout is not None:
            process.stdout.readline()
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def relay() -> Iterator[str]:
    port = free_port()
    with child(sys.executable, "-c", RELAY, str(port), first_line=True):
        yield f"ws://127.0.0.1:{port}"


@contextmanager
def node(home: Path, relay_url: str) -> Iterator[subprocess.Popen[str]]:
    """`dvm run` in `home`; returns when its control socket answers."""
    dvm = [sys.executable, "-m", "dvm.cli"]
    init = [*dvm, "init", "--home", str(home), "--relay", relay_url, "--local", "--lowest-tier", "D", "--yes"]
    subprocess.run(init, check=True, stdout=subprocess.DEVNULL)
    config = home / "config.toml"
    config.write_text(config.read_text().replace("# live_per_customer_max = 100 ", "live_per_customer_max = 1000 "))
    with child(*dvm, "run", "--home", str(home)) as process:
        until = time.monotonic() + 20
        while not (home / "control.sock").exists():
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit("the node did not start")
            time.sleep(0.05)
        time.sleep(0.5)  # it has a relay by now
        yield process


class Customer:
    """Publishes requests on one connection and notes when each result arrives."""

    def __init__(self, connection: Transport) -> None:
        self._connection = connection
        self.waiting: dict[str, asyncio.Future[Event]] = {}

    async def listen(self) -> None:
        while True:
            message = parse_relay_frame(await self._connection.recv())
            if not isinstance(message, EventMessage):
                continue
            event = Event.from_wire(message.raw)
            self._hear(event)

    def _hear(self, event: Event) -> None:
        statuses = [tag[1] for tag in event.tags if tag[0] == "status"]
        asked = [tag[1] for tag in event.tags if tag[0] == "e"]
        if statuses != ["processing"] and asked:
            future = self.waiting.pop(asked[0], None)
            if future is not None and not future.done():
                future.set_result(event)

    async def run(self, request: Event) -> Event:
        future: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self.waiting[request.id] = future
        await self._connection.send(f'["EVENT",{request.to_json()}]')
        async with asyncio.timeout(PATIENCE_S):
            return await future


@asynccontextmanager
async def customer(relay_url: str, public_key: str) -> AsyncIterator[Customer]:
    connection = await dial_websocket(relay_url)
    await connection.send(f'["REQ","answers",{{"kinds":[6850,7000],"#p":["{public_key}"]}}]')
    someone = Customer(connection)
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(someone.listen())
        yield someone
        listening.cancel()
    await connection.close()


def pss_mib(root: int) -> dict[str, float]:
    """Proportional memory of a process and its descendants, by command."""
    found: dict[str, float] = {}
    for pid in _family(root):
        with contextlib.suppress(OSError, StopIteration):
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            kib = next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            found[f"{pid} {' '.join(w for w in words[1:4] if not w.startswith('/'))}".strip()] = kib / 1024
    return found


def _family(root: int) -> list[int]:
    family = [root]
    for pid in family:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                children = Path(f"/proc/{pid}/task/{task}/children").read_text().split()
                family.extend(int(c) for c in children if int(c) not in family)
    return family
