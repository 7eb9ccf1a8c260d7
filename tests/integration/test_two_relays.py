"""Two relays of different make, two customers of different make: every relay brings the same signed result."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dvm.blobs import BlobServer
from relayclient.event import Event
from tests.support.commands import RunningNode, dvm, new_home, running
from tests.support.relays import local_relay, python_relay

ECHO = Path(__file__).parents[2] / "examples" / "echo" / "echo.wasm"
NODE_CLIENT = Path(__file__).parents[1] / "support" / "node"


@pytest.fixture(scope="module")
def relays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with local_relay() as one, python_relay(tmp_path_factory.mktemp("relay")) as other:
        yield one, other


@pytest.fixture(scope="module")
def node(relays: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with running(new_home(tmp_path_factory.mktemp("node") / "home", *relays)) as node:
        yield node


def public_key(node: RunningNode) -> str:
    key: str = json.loads(dvm("keys", "--home", node.home, "--json").out)["pubkey"]
    return key


def ask_with_nostr_tools(job: Mapping[str, object]) -> dict[str, Any]:
    """What submit.mjs prints; skips the test, saying why, where it cannot run."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node is missing: sudo apt install nodejs npm")
    if not (NODE_CLIENT / "node_modules" / "nostr-tools").exists():
        pytest.skip("nostr-tools is not installed; `make node` installs it")
    run = subprocess.run(
        [program, "submit.mjs", json.dumps({**job, "wait_s": 30})],
        cwd=NODE_CLIENT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    told: dict[str, Any] = json.loads(run.stdout)
    return told


@pytest.mark.parametrize("text", ["hello from JavaScript", "größer als 1024 Zeichen, 日本語 " * 60, ""])
def test_nostr_tools_gets_the_same_result_from_both(text: str, relays: tuple[str, str], node: RunningNode) -> None:
    async def ask() -> dict[str, Any]:
        component = ECHO.read_bytes()
        digest = hashlib.sha256(component).hexdigest()
        async with BlobServer([component]) as base:
            tags = [["i", f"{base}/{digest}.wasm", "url", "", "component"], ["x", digest, "component"]]
            job = {"relays": relays, "to": public_key(node), "tags": tags, "content": text}
            return await asyncio.to_thread(ask_with_nostr_tools, job)

    told = asyncio.run(ask())
    assert told["published"] == dict.fromkeys(relays, "")
    answers = [Event.from_wire(told["answers"][relay]) for relay in relays]
    assert answers[0] == answers[1]
    assert (answers[0].kind, answers[0].content) == (6850, text)
    assert [tag[1] for tag in answers[0].tags if tag[0] == "e"] == [told["request"]]
    story = json.loads(dvm("jobs", "show", str(told["request"]), "--home", node.home, "--json").out)
    assert story["attempt"] == 1


def test_an_error_reaches_nostr_tools_on_both(relays: tuple[str, str], node: RunningNode) -> None:
    told = ask_with_nostr_tools({"relays": relays, "to": public_key(node), "tags": [], "content": ""})
    answers = [Event.from_wire(told["answers"][relay]) for relay in relays]
    assert answers[0] == answers[1]
    assert (answers[0].kind, answers[0].content.partition(":")[0]) == (7000, "no-hash")


def test_dvm_submit_works_over_both_and_over_each(relays: tuple[str, str], node: RunningNode) -> None:
    for chosen in (relays, relays[:1], relays[1:]):
        words = ("submit", "--relay", *chosen, "--local", "--to", public_key(node), "--component", ECHO)
        told = json.loads(dvm(*words, "--text", "both", "--json").out)
        assert told["answer"]["content"] == "both"
        assert told["relays"].keys() <= set(chosen)  # the result may come before the other relay's OK
        assert {said["verdict"] for said in told["relays"].values()} <= {"accepted"}
        assert dvm("verify", told["answer"]["id"], "--relay", chosen[0], "--local", "--component", ECHO).code == 0
