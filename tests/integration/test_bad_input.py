"""Bad input: exactly one error with its code for a request that is ours, silence for one that is not.

A real node behind a real relay; after each case a good job runs on the same connections, and at the end the node has
never lost its relay.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from relayclient.event import Draft, Event, Tags
from relayclient.keys import SecretKey
from tests.support.blob_server import FaultyBlobServer
from tests.support.commands import RunningNode, dvm, new_home, running
from tests.support.customer import Customer, customer
from tests.support.guests import guest
from tests.support.relays import local_relay

ECHO = (Path(__file__).parents[2] / "examples" / "echo" / "echo.wasm").read_bytes()
TOO_LARGE = guest("hello") + bytes([0, 1 << 7 | 0, 0x80, 0x60]) + bytes(1_200_000)


@dataclass(frozen=True, slots=True)
class Rig:
    """What stands during one test."""

    relay: str
    node: str
    customer: Customer
    blobs: FaultyBlobServer

    def component(self, data: bytes, served: bytes | None = None) -> Tags:
        """Tags that name a component; `served` is what the server gives in its place."""
        digest = hashlib.sha256(data).hexdigest()
        url = self.blobs.put(f"/{digest}.wasm", data if served is None else served)
        return ("i", url, "url", "", "component"), ("x", digest, "component")

    def sign(self, *tags: tuple[str, ...], content: str = "", kind: int = 5850, to: str = "") -> Event:
        addressed = ("p", to or self.node)
        return self.customer.key.sign(Draft(kind, content, (addressed, *tags), int(time.time())), os.urandom(32))

    async def good_job(self) -> None:
        """One more job, which has to work."""
        text = os.urandom(8).hex()
        event = self.sign(*self.component(ECHO), content=text)
        await self.customer.publish(event)
        answer = await self.customer.answer(event.id)
        assert (answer.kind, answer.content) == (6850, text), answer.content


@pytest.fixture(scope="module")
def relay() -> Iterator[str]:
    with local_relay() as url:
        yield url


@pytest.fixture(scope="module")
def node(relay: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with running(new_home(tmp_path_factory.mktemp("node") / "home", relay, max_mib=1)) as node:
        yield node
        (link,) = json.loads(dvm("status", "--home", node.home, "--json").out)["relays"]
        assert (link["connected"], link["last_error"]) == (True, "")


@asynccontextmanager
async def rig(relay: str, node: RunningNode) -> AsyncIterator[Rig]:
    me = json.loads((node.home / "public.json").read_text()) if (node.home / "public.json").exists() else None
    if me is None:
        me = json.loads(dvm("keys", "--home", node.home, "--json").out)
        (node.home / "public.json").write_text(json.dumps(me))
    async with FaultyBlobServer() as blobs, customer(relay, SecretKey.generate(os.urandom)) as someone:
        yield Rig(relay, me["pubkey"], someone, blobs)


def param(*words: str) -> tuple[str, ...]:
    return ("param", *words)


OTHER = ("x", "cd" * 32, "component")

CASES: dict[str, tuple[str, Callable[[Rig], Event]]] = {
    "no hash": ("no-hash", lambda r: r.sign(("i", f"{r.blobs.base}/x.wasm", "url", "", "component"))),
    "two hashes": ("hash-conflict", lambda r: r.sign(*r.component(ECHO), OTHER)),
    "bad hash": ("bad-hash", lambda r: r.sign(("x", "xyz", "component"))),
    "unknown world": ("unknown-world", lambda r: r.sign(*r.component(ECHO), param("world", "wasi:http/proxy"))),
    "unknown param": ("unknown-param", lambda r: r.sign(*r.component(ECHO), param("feul", "1"))),
    "fuel zero": ("bad-param", lambda r: r.sign(*r.component(ECHO), param("fuel", "0"))),
    "fuel negative": ("bad-param", lambda r: r.sign(*r.component(ECHO), param("fuel", "-1"))),
    "fuel endless": ("bad-param", lambda r: r.sign(*r.component(ECHO), param("fuel", "9" * 4000))),
    "memory not a number": ("bad-param", lambda r: r.sign(*r.component(ECHO), param("memory_mib", "much"))),
    "two stdins": (
        "stdin-conflict",
        lambda r: r.sign(*r.component(ECHO), ("i", "a", "text"), ("i", "b", "text"), content="c"),
    ),
    "broken base64": ("bad-encoding", lambda r: r.sign(*r.component(ECHO), ("encoding", "base64"), content="*")),
    "component too large": ("component-too-large", lambda r: r.sign(*r.component(TOO_LARGE))),
    "hash mismatch": ("hash-mismatch", lambda r: r.sign(*r.component(guest("hello"), served=ECHO))),
    "nowhere": ("not-found", lambda r: r.sign(("x", "ef" * 32, "component"), ("server", r.blobs.base))),
    "no component": ("invalid-component", lambda r: r.sign(*r.component(b"this is no WebAssembly"))),
    "core module": ("invalid-component", lambda r: r.sign(*r.component(guest("core-module")))),
    "refused import": ("refused-import", lambda r: r.sign(*r.component(guest("wants-http")))),
    "trap": ("trap", lambda r: r.sign(*r.component(guest("trap")))),
    "stack": ("trap", lambda r: r.sign(*r.component(guest("recurse")))),
    "out of fuel": ("out-of-fuel", lambda r: r.sign(*r.component(guest("spin")), param("fuel", "1000000"))),
    "out of time": (
        "out-of-time",
        lambda r: r.sign(*r.component(guest("spin")), param("fuel", "99999999999"), param("timeout_ms", "300")),
    ),
    "out of memory": ("out-of-memory", lambda r: r.sign(*r.component(guest("swell")), param("memory_mib", "8"))),
    "output too large": ("output-too-large", lambda r: r.sign(*r.component(guest("flood-stdout")))),
}


@pytest.mark.parametrize(("code", "request_"), CASES.values(), ids=CASES)
def test_ours_but_wrong_gets_one_error(
    code: str, request_: Callable[[Rig], Event], relay: str, node: RunningNode
) -> None:
    async def test() -> None:
        async with rig(relay, node) as r:
            event = request_(r)
            await r.customer.publish(event)
            answer = await r.customer.answer(event.id)
            assert answer.kind == 7000
            assert (answer.pubkey, answer.content.partition(":")[0]) == (r.node, code), answer.content
            assert ("p", r.customer.key.public) in answer.tags
            await r.good_job()
            await r.customer.publish(event)  # once more: seen before, so it is not answered again
            await r.good_job()
            assert len(r.customer.final(event.id)) == 1
        story = json.loads(dvm("jobs", "show", event.id, "--home", node.home, "--json").out)
        assert (story["code"], story["state"]) in ((code, "declined"), (code, "failed"))
        assert story["story"][0]["fact"] == "Requested"

    asyncio.run(test())


SILENT: dict[str, Callable[[Rig], Event]] = {
    "another kind": lambda r: r.sign(*r.component(ECHO), kind=5851),
    "for another node": lambda r: r.sign(*r.component(ECHO), to="ab" * 32),
    "encrypted": lambda r: r.sign(("encrypted",), content="x"),
}


@pytest.mark.parametrize("request_", SILENT.values(), ids=SILENT)
def test_not_ours_is_silence(request_: Callable[[Rig], Event], relay: str, node: RunningNode) -> None:
    async def test() -> None:
        async with rig(relay, node) as r:
            event = request_(r)
            await r.customer.publish(event)
            await r.good_job()  # published after it and answered: the node has passed it over
            assert r.customer.final(event.id) == []
        assert "not exactly one" in dvm("jobs", "show", event.id, "--home", node.home, code=1).err

    asyncio.run(test())


def test_a_hundred_bad_requests_at_once_get_a_hundred_errors(relay: str, node: RunningNode) -> None:
    async def test() -> None:
        async with rig(relay, node) as r:
            events = [r.sign(param("fuel", str(-n)), *r.component(ECHO)) for n in range(100)]
            await asyncio.gather(*(r.customer.publish(event) for event in events))
            answers: list[Awaitable[Event]] = [r.customer.answer(event.id) for event in events]
            assert {answer.content.partition(":")[0] for answer in await asyncio.gather(*answers)} == {"bad-param"}
            await r.good_job()
            assert [len(r.customer.final(event.id)) for event in events] == [1] * 100

    asyncio.run(test())
