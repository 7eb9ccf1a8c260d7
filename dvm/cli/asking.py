"""Questions about a node: put to the node when it runs, else to its store. Both give the same plain values."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from dvm.cli.terminal import Trouble
from dvm.control import BadQuestion, NotRunning, ask
from dvm.home import Home, HomeError
from dvm.ports import Store


def answer(home: Home, question: str, offline: Callable[[Store], Awaitable[Any]], **details: Any) -> Any:
    """The answer to `question`; `offline` gives it from the store of a node that is not running."""

    async def put() -> Any:
        try:
            return await ask(home.socket, question, **details)
        except NotRunning:
            # Imported here: the rooms are heavy, and a running node needs none of them in this process.
            from dvm.node import offline_store

            if not home.database.exists():
                raise Trouble(f"no node has run in {home.path} yet") from None
            async with offline_store(home) as store:
                return await offline(store)

    try:
        return asyncio.run(put())
    except (BadQuestion, HomeError) as error:
        raise Trouble(str(error)) from None


def status(home: Home) -> Any:
    """How the running node stands."""
    try:
        return asyncio.run(ask(home.socket, "status"))
    except NotRunning:
        raise Trouble(f"no node is running in {home.path}") from None
