"""Relays played by the test itself: what the client sends is read with `next_sent`, what the relay says is `says`.

relays = ScriptedRelays()
pool = Pool(dial=relays.dial, ...)
relay = await relays.accept("wss://one.example")
_, sub, _ = await relay.next_sent()
relay.says(["EOSE", sub])
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from typing import Any

from relayclient.errors import ConnectFailed, ConnectionLost


class ScriptedTransport:
    """A `Transport` and, on its other end, the relay."""

    def __init__(self) -> None:
        self.closed = False
        self.reading = asyncio.Event()
        """Cleared by a test, the relay takes nothing that is sent."""
        self.reading.set()
        self._to_client: asyncio.Queue[str | bytes | ConnectionLost] = asyncio.Queue()
        self._to_relay: asyncio.Queue[str] = asyncio.Queue()

    # The client's end

    async def send(self, text: str) -> None:
        if self.closed:
            raise ConnectionLost("closed")
        await self.reading.wait()
        self._to_relay.put_nowait(text)

    async def recv(self) -> str | bytes:
        said = await self._to_client.get()
        if isinstance(said, ConnectionLost):
            raise said
        return said

    async def close(self) -> None:
        self.closed = True

    # The relay's end

    def says(self, message: object) -> None:
        """Send to the client: text and bytes as they are, anything else as JSON."""
        self._to_client.put_nowait(message if isinstance(message, str | bytes) else json.dumps(message))

    def hangs_up(self, why: str = "gone") -> None:
        self._to_client.put_nowait(ConnectionLost(why))

    @property
    def unread(self) -> int:
        """Messages of the relay that the client has not taken yet."""
        return self._to_client.qsize()

    async def next_sent(self) -> list[Any]:
        """The client's next message."""
        message = json.loads(await self._to_relay.get())
        assert isinstance(message, list)
        return message

    def sent_nothing(self) -> bool:
        return self._to_relay.empty()


class ScriptedRelays:
    """The world of relays behind `dial`: every address answers, unless it was told to refuse."""

    def __init__(self) -> None:
        self.dialled: list[str] = []
        self.refusing: set[str] = set()
        self.hanging: set[str] = set()
        self._accepted: dict[str, asyncio.Queue[ScriptedTransport]] = defaultdict(asyncio.Queue)

    async def dial(self, url: str) -> ScriptedTransport:
        self.dialled.append(url)
        if url in self.hanging:
            await asyncio.Event().wait()
        if url in self.refusing:
            raise ConnectFailed("refused")
        transport = ScriptedTransport()
        self._accepted[url].put_nowait(transport)
        return transport

    async def accept(self, url: str) -> ScriptedTransport:
        """The next connection to this address."""
        return await self._accepted[url].get()
