"""The node dies at the worst time, as often as it likes: one result, and always the same event."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from pathlib import Path
from random import Random

import pytest

from relayclient.clock import SystemClock
from relayclient.connection import dial_websocket
from relayclient.event import Event
from relayclient.filters import Filter
from relayclient.news import CaughtUp, EventSeen, News
from relayclient.pool import Pool
from tests.support.commands import DVM, PATIENCE_S, dvm, environment, new_home, running
from tests.support.guests import guest
from tests.support.relays import local_relay

LABOUR_FUEL = "50000000000"


def answers_on(relay: str, request: str) -> list[Event]:
    """Every result and error about the request that the relay has."""
    found: list[Event] = []

    async def ask() -> None:
        done = asyncio.Event()

        async def hear(news: News) -> None:
            if isinstance(news, EventSeen):
                found.append(news.event)
            elif isinstance(news, CaughtUp):
                done.set()

        pool = Pool(dial=dial_websocket, clock=SystemClock(), rng=Random(1), news=hear)
        pool.add(relay)
        pool.subscribe("all", (Filter(tags={"e": (request,)}),))
        running = asyncio.get_running_loop().create_task(pool.run())
        async with asyncio.timeout(PATIENCE_S):
            await done.wait()
        running.cancel()

    asyncio.run(ask())
    return [event for event in found if _status(event) != ("status", "processing")]


def _status(event: Event) -> tuple[str, ...]:
    return next((tag[:2] for tag in event.tags if tag[0] == "status"), ())


@pytest.fixture
def labour(tmp_path: Path) -> Path:
    path = tmp_path / "labour.wasm"
    path.write_bytes(guest("labour"))
    return path


def submitted(relay: str, home: Path, component: Path) -> subprocess.Popen[bytes]:
    npub = json.loads(dvm("keys", "--home", home, "--json").out)["npub"]
    words = ["submit", "--relay", relay, "--local", "--to", npub, "--component", component, "--wait", "60", "--json"]
    words += ["--fuel", LABOUR_FUEL, "--timeout-ms", "60000"]
    return subprocess.Popen([DVM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())


def answer_of(process: subprocess.Popen[bytes]) -> dict[str, object]:
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    told: dict[str, object] = json.loads(out)["answer"]
    return told


def test_killed_while_a_job_runs_it_answers_once(labour: Path, tmp_path: Path) -> None:
    with local_relay() as relay, running(new_home(tmp_path / "home", relay)) as node:
        with submitted(relay, node.home, labour) as customer:
            node.wait_for_log("state=running")
            node.signal(signal.SIGKILL)
            assert node.wait() == -signal.SIGKILL
            node.start()
            result = answer_of(customer)
        assert result["content"] == "done\n"
        request = next(tag[1] for tag in result["tags"] if tag[0] == "e")  # type: ignore[attr-defined]

        for _ in range(2):
            node.signal(signal.SIGKILL)
            node.wait()
            node.start()
        assert [event.id for event in answers_on(relay, request)] == [result["id"]]
        (story,) = [json.loads(dvm("jobs", "show", request, "--home", node.home, "--json").out)]
        assert (story["state"], story["attempt"]) == ("done", 2)
        assert [said["event"]["id"] for said in story["answers"] if said["purpose"] == "result"] == [result["id"]]


def test_a_job_that_kills_its_node_again_and_again_is_given_up(labour: Path, tmp_path: Path) -> None:
    with local_relay() as relay, running(new_home(tmp_path / "home", relay)) as node:
        with submitted(relay, node.home, labour) as customer:
            for attempt in range(1, 4):
                node.wait_for_log("state=running", attempt)
                node.signal(signal.SIGKILL)
                node.wait()
                node.start()
            _, err = customer.communicate(timeout=PATIENCE_S)
        assert customer.returncode == 3
        assert b"stopped 3 times" in err


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_lets_the_job_end(labour: Path, tmp_path: Path, which: signal.Signals) -> None:
    with local_relay() as relay, running(new_home(tmp_path / "home", relay)) as node:
        with submitted(relay, node.home, labour) as customer:
            node.wait_for_log("state=running")
            node.signal(which)
            result = answer_of(customer)
        assert node.wait() == 0
        assert result["content"] == "done\n"
        assert "draining" in node.log.read_text()


def test_what_does_not_end_in_time_is_run_again_after_the_start(labour: Path, tmp_path: Path) -> None:
    with local_relay() as relay, running(new_home(tmp_path / "home", relay, drain_s=1)) as node:
        component = tmp_path / "spin.wasm"
        component.write_bytes(guest("spin"))
        with submitted(relay, node.home, component) as customer:
            node.wait_for_log("state=running")
            node.stop()
            node.start()
            node.wait_for_log("state=running", 2)
            customer.kill()
            customer.communicate()
        (row,) = json.loads(dvm("jobs", "--home", node.home, "--json").out)
        assert (row["state"], row["attempt"]) == ("running", 2)
        node.stop()
