"""A customer on one websocket: publishes what the test signs, keeps every answer in order of arrival.

Uses none of the node's own client code beyond the connection, so that it sees what any client would see.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from relayclient.connection import Transport, dial_websocket
from relayclient.event import Event
from relayclient.keys import SecretKey

ANSWER_S = 30.0


class Customer:
    """Made by `customer`. `answers` holds every event of kind 6850 and 7000 that names this customer."""

    def __init__(self, connection: Transport, key: SecretKey) -> None:
        self.key = key
        self.answers: list[Event] = []
        self.oks: dict[str, bool] = {}
        self._connection = connection
        self._news = asyncio.Condition()

    async def listen(self) -> None:
        while True:
            message = json.loads(await self._connection.recv())
            async with self._news:
                if message[0] == "EVENT":
                    self.answers.append(Event.from_wire(message[2]))
                elif message[0] == "OK":
                    self.oks[message[1]] = message[2]
                self._news.notify_all()

    async def publish(self, event: Event) -> None:
        """Returns when the relay has said OK."""
        await self._connection.send(f'["EVENT",{event.to_json()}]')
        async with asyncio.timeout(ANSWER_S), self._news:
            await self._news.wait_for(lambda: event.id in self.oks)
        assert self.oks[event.id], f"the relay refused {event.to_json()[:200]}"

    async def answer(self, request: str) -> Event:
        """The first answer to the request that ends it."""
        async with asyncio.timeout(ANSWER_S), self._news:
            await self._news.wait_for(lambda: self.final(request))
        return self.final(request)[0]

    def final(self, request: str) -> list[Event]:
        """All answers so far that end this request; a second one is a fault."""
        about = [event for event in self.answers if ("e", request) in [tag[:2] for tag in event.tags]]
        return [event for event in about if ("status", "processing") not in [tag[:2] for tag in event.tags]]


@asynccontextmanager
async def customer(relay: str, key: SecretKey) -> AsyncIterator[Customer]:
    """A customer on this relay while the block lasts."""
    connection = await dial_websocket(relay)
    filters = json.dumps({"kinds": [6850, 7000], "#p": [key.public]})
    await connection.send(f'["REQ","answers",{filters}]')
    someone = Customer(connection, key)
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(someone.listen())
        yield someone
        listening.cancel()
    await connection.close()
