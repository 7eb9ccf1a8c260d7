"""A relay that checks nothing, and says to its clients whatever a test wants it to say.

What is published goes to every subscription as it came, stored or live; so a test can publish what honest relays
refuse (expired requests), and send what no honest relay sends (`say`).
"""

from __future__ import annotations

import contextlib
import json

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed


class PlainRelay:
    """An async context manager that gives its URL. Serves on loopback only."""

    def __init__(self) -> None:
        self.connections = 0
        self._events: list[dict[str, object]] = []
        self._clients: dict[ServerConnection, set[str]] = {}
        self._server: Server | None = None

    async def __aenter__(self) -> PlainRelay:
        self._server = await serve(self._converse, "127.0.0.1", 0, compression=None, ping_interval=None)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def say(self, frame: str | bytes) -> None:
        """Send one frame to the client that came first. `SUB` in a text stands for each of its subscription ids."""
        client, subs = next(iter(self._clients.items()))
        for sub in sorted(subs):
            with contextlib.suppress(ConnectionClosed):
                await client.send(frame.replace("SUB", sub) if isinstance(frame, str) else frame)

    async def _converse(self, client: ServerConnection) -> None:
        self.connections += 1
        self._clients[client] = set()
        try:
            async for frame in client:
                await self._answer(client, json.loads(frame))
        except ConnectionClosed:
            pass
        finally:
            del self._clients[client]

    async def _answer(self, client: ServerConnection, message: list[object]) -> None:
        match message:
            case ["REQ", str(sub), *_]:
                self._clients[client].add(sub)
                for event in self._events:
                    await client.send(json.dumps(["EVENT", sub, event]))
                await client.send(json.dumps(["EOSE", sub]))
            case ["CLOSE", str(sub)]:
                self._clients[client].discard(sub)
            case ["EVENT", {"id": str(event_id)} as event]:
                self._events.append(event)
                await client.send(json.dumps(["OK", event_id, True, ""]))
                for other, subs in list(self._clients.items()):
                    for sub in subs:
                        with contextlib.suppress(ConnectionClosed):
                            await other.send(json.dumps(["EVENT", sub, event]))
