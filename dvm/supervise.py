"""Background tasks with an arranged end. The only place in `dvm` that starts a task.

Whoever needs a loop in the background gets a `Supervisor` from the node. A task that raises takes the whole group down,
and with it the node: a half-dead node that looks alive is worse than one that systemd restarts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self


class Supervisor:
    """A task group that can be asked to end, and whose tasks have names.

    Use as an async context manager: leaving it waits for all tasks; an exception in any of them cancels the rest
    and comes out as an ExceptionGroup.
    """

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._group.__aexit__(kind, error, trace)

    def start(self, work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Run `work` until it ends; its result is dropped, its exception is everybody's."""
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cancel(self) -> None:
        """Ask every task to end."""
        for task in list(self._tasks):
            task.cancel()

    def __len__(self) -> int:
        """Tasks that have not ended."""
        return len(self._tasks)
