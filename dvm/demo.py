"""The stage of `dvm demo`: a relay, a node and a component's bytes on this machine, gone without trace afterwards.

The node is the real one: `dvm init` and `dvm run` as child processes, in a home that is thrown away. Nothing here
prints; what cannot be set up is one `DemoFailed` sentence.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import dvm
from dvm.blobs import BlobServer
from dvm.control import NotRunning, ask
from dvm.home import Home

READY_S = 20.0
STOP_S = 10.0
POLL_S = 0.02
LOG_BYTES = 4_096
LOG_LINES = 8


class DemoFailed(Exception):
    """The stage could not be set up or fell down; the message says what is wrong, and the node's last words."""


@dataclass(frozen=True, slots=True)
class Example:
    """A component that is delivered with the program, and an input to show it with."""

    name: str
    component: Path
    sample: Path
    args: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """What stands while the demo runs."""

    relay: str
    node: str
    """Public key."""
    home: Home
    digest: str
    place: str
    """URL of the component."""
    log: Path
    """What the node says."""


EXAMPLES = {
    "thumbnail": ("thumbnail.wasm", "sample.png", ("--width", "48")),
    "markdown": ("markdown.wasm", "sample.md", ()),
}


def find_example(name: str) -> Example:
    """The files of an example, from the installed package or from a checkout; raises DemoFailed."""
    component, sample, args = EXAMPLES[name]
    packages = [Path(place) for place in dvm.__path__]
    # The checkout first: an editable installation holds copies that may be older.
    folders = [p.parent / "examples" / name for p in packages] + [p / "_examples" / name for p in packages]
    for folder in folders:
        if (folder / component).is_file() and (folder / sample).is_file():
            return Example(name, folder / component, folder / sample, args)
    raise DemoFailed(f"the example {name} is missing from this installation")


@asynccontextmanager
async def stage(component: bytes) -> AsyncIterator[Stage]:
    """Relay, node and blob server, ready for requests. Whatever ends it, nothing is left behind."""
    digest = hashlib.sha256(component).hexdigest()
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="dvm-demo-"))
        relay = await stack.enter_async_context(_relay())
        base = await stack.enter_async_context(BlobServer([component]))
        home, log = Home(Path(folder, "home")), Path(folder, "log")
        words = ("init", "--home", str(home.path), "--relay", relay, "--local", "--lowest-tier", "D", "--yes")
        await _command(*words, log=log.with_name("init.log"))
        node = await stack.enter_async_context(_node(home, log))
        yield Stage(relay, node, home, digest, f"{base}/{digest}.wasm", log)


@asynccontextmanager
async def _relay() -> AsyncIterator[str]:
    """An embedded relay on a free port of loopback; its URL."""
    try:
        import nostr_sdk
    except ImportError:
        raise DemoFailed("the demo's relay is not installed: pip install 'dvm[demo]' brings it") from None
    limit = nostr_sdk.RateLimit(max_reqs=10_000, notes_per_minute=100_000)
    port = _free_port()
    relay = nostr_sdk.LocalRelayBuilder().addr("127.0.0.1").port(port).rate_limit(limit).build()
    try:
        await relay.run()
    except Exception as error:
        raise DemoFailed(f"the demo's relay does not start on port {port}: {error}") from None
    try:
        yield f"ws://127.0.0.1:{port}"
    finally:
        relay.shutdown()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def _node(home: Home, log: Path) -> AsyncIterator[str]:
    """`dvm run` as a child, until it serves; its public key."""
    process = await _start("run", "--home", str(home.path), log=log)
    try:
        yield await _ready(process, home, log)
    finally:
        await _stop(process)


async def _command(*words: str, log: Path) -> None:
    process = await _start(*words, log=log)
    try:
        async with asyncio.timeout(READY_S):
            code = await process.wait()
    except TimeoutError:
        raise DemoFailed(f"dvm {words[0]} does not come to an end") from None
    finally:
        await _stop(process)
    if code:
        raise DemoFailed(f"dvm {words[0]} failed: {last_words(log)}")


async def _start(*words: str, log: Path) -> asyncio.subprocess.Process:
    with log.open("ab") as out:
        # A session of its own: Ctrl-C reaches the demo alone, which then stops the node in order.
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dvm.cli", *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


async def _ready(process: asyncio.subprocess.Process, home: Home, log: Path) -> str:
    try:
        async with asyncio.timeout(READY_S):
            while process.returncode is None:
                with contextlib.suppress(NotRunning, OSError):
                    status = await ask(home.socket, "status")
                    if any(relay["connected"] for relay in status["relays"]):
                        return str(status["node"])
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise DemoFailed(f"the node did not get ready; it said: {last_words(log)}") from None
    raise DemoFailed(f"the node stopped at once; it said: {last_words(log)}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, and SIGKILL when that is not enough. Leaves no process behind when it is cancelled either."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def last_words(log: Path) -> str:
    """The end of the node's log, on one line."""
    try:
        data = log.read_bytes()[-LOG_BYTES:]
    except OSError:
        return "nothing"
    lines = [line.strip() for line in data.decode(errors="replace").splitlines() if line.strip()]
    return " | ".join(lines[-LOG_LINES:]) or "nothing"
