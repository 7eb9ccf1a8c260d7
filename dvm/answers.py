"""What a running node tells the command line, as plain JSON values. The same shapes serve a stopped node's store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from dvm.control import Answer, BadQuestion
from dvm.core import Core
from dvm.ports import JobRecord, Store
from jobs.model import JobState

JOBS_MAX = 1_000
_STATES = tuple(state.value for state in JobState)


def answers(
    core: Core, relay_states: Callable[[], Sequence[Any]], store: Store, node: str, sandbox: Mapping[str, Any]
) -> dict[str, Answer]:
    """The questions that `dvm status` and `dvm jobs` put."""

    async def status(_: Mapping[str, Any]) -> Any:
        states = Counter(job.state.value for job in core.engine.live.values())
        return {
            "node": node,
            "sandbox": dict(sandbox),
            "live": dict(states),
            "relays": [asdict(state) for state in relay_states()],
            "passed_over": dict(core.intake.passed_over),
        }

    async def jobs(question: Mapping[str, Any]) -> Any:
        return await list_jobs(store, question.get("limit", 20), question.get("state"))

    async def job(question: Mapping[str, Any]) -> Any:
        return await show_job(store, question.get("id", ""))

    return {"status": status, "jobs": jobs, "job": job}


async def list_jobs(store: Store, limit: object, state: object) -> list[dict[str, Any]]:
    """The newest jobs; raises BadQuestion for a limit or a state that does not exist."""
    if type(limit) is not int or not 0 < limit <= JOBS_MAX:
        raise BadQuestion(f"the limit is a number from 1 to {JOBS_MAX}")
    if state is not None and state not in _STATES:
        raise BadQuestion("the states are " + ", ".join(_STATES))
    wanted = state if isinstance(state, str) else None
    return [asdict(job) for job in await store.summaries(limit=limit, state=wanted)]


async def show_job(store: Store, prefix: object) -> dict[str, Any]:
    """One job with its story; raises BadQuestion when the id fits none or several."""
    if not isinstance(prefix, str) or not 4 <= len(prefix) <= 64 or set(prefix) - set("0123456789abcdef"):
        raise BadQuestion("name the job by at least 4 hex digits of its id")
    record = await store.record(prefix)
    if record is None:
        raise BadQuestion(f"there is not exactly one job whose id begins with {prefix}")
    return _record(record)


def _record(record: JobRecord) -> dict[str, Any]:
    return {
        **asdict(record.summary),
        "request": record.request.to_wire(),
        "story": [asdict(line) for line in record.story],
        "answers": [{"purpose": o.purpose, "event": o.event.to_wire()} for o in record.outgoing],
    }
