"""`dvm.client` over a real relay, with nodes played by the test: who is believed, and when it ends."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from dvm.client import (
    Answer,
    Failure,
    Happening,
    Ignored,
    Network,
    NoAnswer,
    Progress,
    Published,
    Result,
    Unsent,
    Wish,
    build_request,
    check_request,
    find_event,
    submit,
)
from jobs import reply
from jobs.component import ComponentRef
from jobs.grant import DEFAULT
from jobs.model import Job, JobState, Msat, Offer
from jobs.request import JobRequest
from relayclient.clock import SystemClock
from relayclient.connection import dial_websocket
from relayclient.event import Draft, Event
from relayclient.keys import SecretKey
from tests.support.customer import Customer, customer
from tests.support.relays import local_relay
from tests.support.requests import DIGEST, run_report

A, B = (SecretKey.generate(os.urandom) for _ in range(2))


@pytest.fixture(scope="module")
def relay() -> Iterator[str]:
    with local_relay() as url:
        yield url


def network(*relays: str) -> Network:
    return Network(dial=dial_websocket, clock=SystemClock(), rng=Random(1), relays=relays)


def ask(to: SecretKey | None) -> JobRequest:
    wish = Wish(component=ComponentRef(DIGEST, None, ()), to=to.public if to else None, stdin=os.urandom(8))
    return check_request(
        SecretKey.generate(os.urandom).sign(build_request(wish, SystemClock().now())), to.public if to else None
    )


def result(request: JobRequest, key: SecretKey) -> Event:
    job = Job(request=request, offer=Offer(Msat(0), DEFAULT, 0), state=JobState.RUNNING, seen_on="", born_at=0)
    draft = reply.result(job, run_report(output=b"done"), SystemClock().now())
    assert draft is not None
    return key.sign(draft)


def error(request: JobRequest, key: SecretKey) -> Event:
    return key.sign(reply.error(request.event, "", "busy", "try later", SystemClock().now()))


def processing(request: JobRequest, key: SecretKey) -> Event:
    return key.sign(reply.processing(request, "", SystemClock().now()))


def altered(event: Event, key: SecretKey) -> Event:
    return key.sign(Draft(event.kind, "other", event.tags, event.created_at))


@asynccontextmanager
async def nodes(relay: str) -> AsyncIterator[Customer]:
    async with customer(relay, A) as connection:
        yield connection


async def exchange(
    relay: str, request: JobRequest, to: SecretKey | None, *said: Event, wait_s: float = 20
) -> tuple[Answer, list[Happening]]:
    """What the nodes say comes live and in this order: stored events have no order that a relay must keep."""
    heard: list[Happening] = []

    async with nodes(relay) as connection, asyncio.TaskGroup() as group:

        async def speak() -> None:
            for event in said:
                await connection.publish(event)

        def tell(what: Happening) -> None:
            heard.append(what)
            if isinstance(what, Published):
                group.create_task(speak())

        answer = await submit(request, to.public if to else None, network(relay), wait_s=wait_s, tell=tell)
    return answer, heard


def test_progress_is_told_and_the_result_is_the_end(relay: str) -> None:
    request = ask(A)
    answer, heard = asyncio.run(exchange(relay, request, A, processing(request, A), result(request, A)))
    assert isinstance(answer, Result)
    assert answer.output == b"done"
    assert any(isinstance(what, Progress) for what in heard)


def test_an_impostor_is_told_and_not_believed(relay: str) -> None:
    request = ask(A)
    said = (result(request, B), error(request, B), altered(result(request, A), A))
    answer, heard = asyncio.run(exchange(relay, request, A, *said, wait_s=2))
    assert isinstance(answer, NoAnswer)
    assert sum(isinstance(what, Ignored) for what in heard) == 3


def test_an_error_of_the_node_that_was_asked_is_the_end(relay: str) -> None:
    request = ask(A)
    answer, _ = asyncio.run(exchange(relay, request, A, error(request, A)))
    assert isinstance(answer, Failure)
    assert answer.code == "busy"


def test_when_all_were_asked_another_node_may_still_do_it(relay: str) -> None:
    request = ask(None)

    async def test() -> Answer:
        async with nodes(relay) as connection:

            async def later(what: Happening) -> None:
                if isinstance(what, Failure):
                    await connection.publish(result(request, B))

            await connection.publish(error(request, A))
            async with asyncio.TaskGroup() as group:

                def tell(what: Happening) -> None:
                    group.create_task(later(what))

                return await submit(request, None, network(relay), wait_s=20, tell=tell)

    assert isinstance(asyncio.run(test()), Result)


def test_when_all_were_asked_and_one_refused_it_ends_soon(relay: str) -> None:
    request = ask(None)
    answer, _ = asyncio.run(exchange(relay, request, None, error(request, A), wait_s=50))
    assert isinstance(answer, Failure)


def test_a_node_that_works_on_it_is_waited_for(relay: str) -> None:
    request = ask(None)
    said = (processing(request, B), error(request, A))
    answer, heard = asyncio.run(exchange(relay, request, None, *said, wait_s=5))
    assert isinstance(answer, Failure)  # the time was over; nothing better had come
    assert any(isinstance(what, Progress) for what in heard)


@pytest.mark.parametrize("wait_s", [40, 0.5])
def test_no_relay_at_all(wait_s: float) -> None:
    """Also when the time is over before the last try: what no relay took is not published."""
    request = ask(A)
    with socket.socket() as held:  # bound, so that nobody else serves there, and not listening
        held.bind(("127.0.0.1", 0))
        gone = f"ws://127.0.0.1:{held.getsockname()[1]}"
        answer = asyncio.run(submit(request, A.public, network(gone), wait_s=wait_s, tell=lambda _: None))
    assert isinstance(answer, Unsent)
    assert [each.relay for each in answer.said] == [gone]


def test_one_dead_relay_does_not_matter(relay: str) -> None:
    async def test(gone: str) -> Answer:
        request = ask(A)
        async with nodes(relay) as connection:
            await connection.publish(result(request, A))
        return await submit(request, A.public, network(gone, relay), wait_s=20, tell=lambda _: None)

    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        assert isinstance(asyncio.run(test(f"ws://127.0.0.1:{held.getsockname()[1]}")), Result)


def test_an_event_is_found_or_it_is_not(relay: str) -> None:
    async def test() -> None:
        event = error(ask(A), A)
        async with nodes(relay) as connection:
            await connection.publish(event)
        assert await find_event(event.id, network(relay), wait_s=20) == event
        assert await find_event("ab" * 32, network(relay), wait_s=40) is None

    asyncio.run(test())
