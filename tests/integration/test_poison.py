"""What a hostile relay sends: every poison is dropped, and a good job then runs on the same connection."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from dvm.blobs import BlobServer
from relayclient.event import Draft, Event, Tags
from relayclient.keys import SecretKey
from tests.support.commands import RunningNode, dvm, new_home
from tests.support.customer import Customer, customer
from tests.support.plain_relay import PlainRelay

ECHO = (Path(__file__).parents[2] / "examples" / "echo" / "echo.wasm").read_bytes()
DIGEST = hashlib.sha256(ECHO).hexdigest()
KEY = SecretKey(bytes([9]) * 32)


@dataclass(frozen=True, slots=True)
class Rig:
    """A node whose only relay is ours, and a customer on it."""

    relay: PlainRelay
    node: RunningNode
    customer: Customer
    component: Tags

    def sign(self, *tags: tuple[str, ...], content: str = "") -> Event:
        draft = Draft(5850, content, (*self.component, *tags), int(time.time()))
        return self.customer.key.sign(draft, os.urandom(32))

    async def good_job(self) -> None:
        text = os.urandom(8).hex()
        event = self.sign(content=text)
        await self.customer.publish(event)
        answer = await self.customer.answer(event.id)
        assert (answer.kind, answer.content) == (6850, text)


@asynccontextmanager
async def rig(folder: Path) -> AsyncIterator[Rig]:
    async with PlainRelay() as relay, BlobServer([ECHO]) as base:
        # In threads: the relay lives in this loop, and the node is not ready before it has answered.
        node = RunningNode(await asyncio.to_thread(new_home, folder / "home", relay.url))
        await asyncio.to_thread(node.start)
        try:
            async with customer(relay.url, KEY) as someone:
                place = ("i", f"{base}/{DIGEST}.wasm", "url", "", "component")
                yield Rig(relay, node, someone, (place, ("x", DIGEST, "component")))
            await asyncio.to_thread(node.stop)
        finally:
            if node.process is not None:
                node.process.kill()
                node.process.wait()


def told(event: str) -> str:
    return f'["EVENT","SUB",{event}]'


GOOD = KEY.sign(Draft(5850, "poison", (("x", DIGEST, "component"),), 1_700_000_000))
WIRE = GOOD.to_json()


def with_field(name: str, raw: str) -> str:
    """The event with one field replaced by this JSON text."""
    wire = GOOD.to_wire()
    rest = {k: v for k, v in wire.items() if k != name}
    return told(json.dumps(rest)[:-1] + f',"{name}":{raw}}}')


POISON: dict[str, str | bytes] = {
    "no JSON": "hello",
    "empty": "",
    "not a list": "{}",
    "empty list": "[]",
    "unknown word": '["HELLO","SUB"]',
    "word is a number": "[1,2,3]",
    "nested": "[" * 60_000,
    "nested in an event": with_field("tags", "[" * 20_000 + "]" * 20_000),
    "many brackets": with_field("tags", "[" + ",".join(["[]"] * 20_000) + "]"),
    "endless number": with_field("created_at", "9" * 5_000),
    "too late for SQL": with_field("created_at", str(2**63)),
    "negative": with_field("created_at", "-1"),
    "a float": with_field("created_at", "1700000000.5"),
    "not a number": with_field("created_at", "NaN"),
    "infinite": with_field("created_at", "1e999"),
    "a boolean": with_field("kind", "true"),
    "a kind out of range": with_field("kind", "65536"),
    "lone surrogate": with_field("content", '"\\ud800"'),
    "NUL": with_field("content", '"a\\u0000b"'),
    "content is a list": with_field("content", "[]"),
    "tags of numbers": with_field("tags", "[[1,2]]"),
    "empty tag": with_field("tags", "[[]]"),
    "tags is text": with_field("tags", '"x"'),
    "id of another event": with_field("id", f'"{"ab" * 32}"'),
    "upper case id": with_field("id", f'"{GOOD.id.upper()}"'),
    "id is null": with_field("id", "null"),
    "signature of nobody": with_field("sig", f'"{"00" * 64}"'),
    "short signature": with_field("sig", '"00"'),
    "key off the curve": with_field("pubkey", f'"{"ff" * 32}"'),
    "another key": with_field("pubkey", f'"{"79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"}"'),
    "duplicate fields": told(WIRE[:-1] + f',"id":"{GOOD.id}"' + "}"),
    "event is a list": told("[]"),
    "event is missing": '["EVENT","SUB"]',
    "for a stranger's subscription": f'["EVENT","not-yours",{WIRE}]',
    "a kind nobody asked for": told(KEY.sign(Draft(1, "spam", (), 1_700_000_000)).to_json()),
    "larger than an event": with_field("content", '"' + "a" * 70_000 + '"'),
    "bytes that are no UTF-8": b'["NOTICE","\xff\xfe"]',
    "OK for nothing": f'["OK","{"ab" * 32}",true,""]',
    "OK of odd types": '["OK",1,"yes",null]',
    "EOSE of nobody": '["EOSE","not-yours"]',
    "EOSE again and again": '["EOSE","SUB"]',
    "CLOSED of nobody": '["CLOSED","not-yours","error: x"]',
    "NOTICE with escapes": '["NOTICE","\\u001b[2J\\u0007"]',
    "NOTICE of odd type": '["NOTICE",{}]',
    "AUTH": '["AUTH","challenge"]',
    "AUTH of odd type": '["AUTH",[]]',
    "a binary frame": b"\x00\x01\x02",
}


def test_every_poison_is_dropped_and_a_good_job_runs_on_the_same_connection(tmp_path: Path) -> None:
    async def test() -> None:
        async with rig(tmp_path) as r:
            await r.good_job()
            for name, frame in POISON.items():
                await r.relay.say(frame)
                try:
                    await r.good_job()
                except (AssertionError, TimeoutError) as error:
                    raise AssertionError(f"after {name!r}: {error}") from error
            assert r.relay.connections == 2, "the node or the customer had to connect again"
            assert b"\x1b" not in r.node.log.read_bytes()
            status = await asyncio.to_thread(dvm, "status", "--home", r.node.home, "--json")
            dropped = json.loads(status.out)["relays"][0]["counters"]
            assert {"not-json", "id-mismatch", "signature-mismatch", "nul", "surrogate"} <= dropped.keys()

    asyncio.run(test())


ENDS: dict[str, str | bytes] = {
    "a giant frame": '["NOTICE","' + "a" * 3_000_000 + '"]',
    "the subscription is closed": '["CLOSED","SUB","error: go away"]',
}


@pytest.mark.parametrize("frame", ENDS.values(), ids=ENDS)
def test_what_ends_a_subscription_is_mended(frame: str | bytes, tmp_path: Path) -> None:
    async def test() -> None:
        async with rig(tmp_path) as r:
            await r.good_job()
            await r.relay.say(frame)
            await r.good_job()

    asyncio.run(test())


def test_a_request_that_expired_before_it_arrived_gets_one_error(tmp_path: Path) -> None:
    async def test() -> None:
        async with rig(tmp_path) as r:
            event = r.sign(("expiration", "1000"))
            await r.customer.publish(event)
            assert (await r.customer.answer(event.id)).content.startswith("expired:")
            await r.good_job()
            assert len(r.customer.final(event.id)) == 1

    asyncio.run(test())
