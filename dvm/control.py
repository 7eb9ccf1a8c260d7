"""How the command line asks a running node: a unix socket in the node's home, one JSON line each way.

Nobody but the node opens its database. Whoever may open the socket (mode 0600) may ask; questions change nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

Answer = Callable[[dict[str, Any]], Awaitable[Any]]

QUESTION_MAX = 65_536
ANSWER_MAX = 64 << 20
PATIENCE_S = 10.0


class NotRunning(Exception):
    """No node answers at this home."""


class BadQuestion(Exception):
    """The node did not understand, or refuses; the message says what is wrong."""


@asynccontextmanager
async def serve(path: Path, answers: dict[str, Answer]) -> AsyncIterator[None]:
    """Answer questions at `path`. Each names one of `answers`, which gets the whole question."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                writer.write(await _reply(await reader.readline(), answers))
                await writer.drain()
        except (TimeoutError, ValueError, ConnectionError):
            pass  # a question that never ends or is too long gets no answer
        finally:
            writer.close()

    with _short(path) as address:
        Path(address).unlink(missing_ok=True)
        door = socket.socket(socket.AF_UNIX)
        door.bind(address)
        os.chmod(address, 0o600)  # before anybody can connect; a umask would be the other threads' too
    server = await asyncio.start_unix_server(converse, sock=door, limit=QUESTION_MAX)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


async def ask(path: Path, question: str, **details: Any) -> Any:
    """Ask the node whose socket is `path`. Raises NotRunning or BadQuestion."""
    try:
        with _short(path) as address:
            reader, writer = await asyncio.open_unix_connection(address, limit=ANSWER_MAX)
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotRunning(str(path)) from None
    try:
        async with asyncio.timeout(PATIENCE_S):
            writer.write(json.dumps({"ask": question, **details}).encode() + b"\n")
            reply = json.loads(await reader.readline())
    except (TimeoutError, ConnectionError, ValueError):
        raise NotRunning(f"{path}: the node does not answer") from None
    finally:
        writer.close()
    if "error" in reply:
        raise BadQuestion(reply["error"])
    return reply["answer"]


async def _reply(line: bytes, answers: dict[str, Answer]) -> bytes:
    try:
        question = json.loads(line)
        answer = answers.get(question["ask"])
        if answer is None:
            raise BadQuestion("unknown question; known are " + ", ".join(sorted(answers)))
        reply = {"answer": await answer(question)}
    except BadQuestion as refusal:
        reply = {"error": str(refusal)}
    except (ValueError, TypeError, KeyError, RecursionError) as wrong:
        reply = {"error": f"malformed question: {wrong}"}
    return json.dumps(reply).encode() + b"\n"


class _short:
    """The socket's path by way of its folder's descriptor: the kernel takes at most 107 bytes for the whole path."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> str:
        self._folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._folder}/{self._path.name}"

    def __exit__(self, *_: object) -> None:
        os.close(self._folder)
