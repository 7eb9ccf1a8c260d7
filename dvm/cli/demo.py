"""`dvm demo`: one job from a Nostr event to a signed, re-run result, on this machine, told as it happens."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Protocol

from dvm import verify
from dvm.cli import picture, showing
from dvm.cli.reach import gate, network
from dvm.cli.terminal import Trouble, Voice, print_json, safe, size
from dvm.client import (
    Answer,
    Failure,
    Happening,
    NoAnswer,
    Published,
    Result,
    Wish,
    build_request,
    check_request,
    submit,
)
from dvm.config import Config
from dvm.demo import EXAMPLES, DemoFailed, Example, Stage, find_example, last_words, stage
from dvm.home import Home, new_key
from dvm.node import workbench
from jobs.component import ComponentRef
from jobs.request import JobRequest
from relayclient.clock import SystemClock
from relayclient.event import Event
from relayclient.keys import LocalSigner, npub

DESCRIPTION = """\
Start a relay and a node on this machine, publish a real job, show the events as they pass, the result and its receipt,
run the job again to verify the receipt, and clean up. Nothing leaves this machine, nothing stays on it."""
EPILOG = """\
examples:
  dvm demo
  dvm demo --example markdown --stay

exit codes:
  0  the result was verified
  1  something failed; the message says what
"""
WAIT_S = 30.0
LINES_SHOWN = 40


class Tell(Protocol):
    """Says one line, or nothing when a program listens."""

    def __call__(self, line: str = "") -> None: ...


def configure(parser: argparse.ArgumentParser) -> None:
    """Options."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument(
        "--example", choices=sorted(EXAMPLES), default="thumbnail", help="which component to run (default: thumbnail)"
    )
    parser.add_argument("--stay", action="store_true", help="keep relay and node up until Ctrl-C, for jobs of your own")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the story")


def run(args: argparse.Namespace) -> int:
    """The command."""
    try:
        return asyncio.run(_until_told(args))
    except DemoFailed as failed:
        raise Trouble(str(failed)) from None


async def _until_told(args: argparse.Namespace) -> int:
    """SIGTERM ends the demo like Ctrl-C: with everything cleaned up."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await _demo(args)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _demo(args: argparse.Namespace) -> int:
    voice = Voice.on(sys.stdout)
    example = find_example(args.example)
    component, sample = example.component.read_bytes(), example.sample.read_bytes()

    def tell(line: str = "") -> None:
        if not args.json:
            voice.say(line)

    start = time.monotonic()
    async with stage(component) as standing:
        ready_ms = _ms(start)
        _introduce(voice, tell, standing, example, len(component), ready_ms)
        request = _request(standing, example, sample)
        result, took_ms = await _perform(voice, tell, standing, request)
        _show(voice, tell, sample, result)
        verdict = await _again(result)
        if not isinstance(verdict, verify.Equal):
            raise DemoFailed(f"the result could not be verified: {_why(verdict)}")
        tell()
        told = showing.verified(verdict.receipt, verdict.again)
        tell(f"{voice.paint(told, 'green', 'bold')} (in {verdict.again.wall_ms} ms)")
        if args.json:
            print_json(_as_json(standing, request, result, ready_ms, took_ms))
        if args.stay:
            await _stay(voice, standing, example)
    return 0


def _ms(start: float) -> int:
    return round((time.monotonic() - start) * 1000)


def _introduce(voice: Voice, tell: Tell, standing: Stage, example: Example, length: int, ready_ms: int) -> None:
    rows = [
        ("relay", f"{standing.relay}  embedded, in memory"),
        ("node", f"{npub(standing.node)}  ready after {ready_ms} ms"),
        ("component", f"{example.name}, {size(length)}, sha256 {standing.digest[:16]}..."),
    ]
    for name, value in rows:
        tell(f"{voice.paint(f'{name:11}', 'dim')}{value}")
    tell()


def _request(standing: Stage, example: Example, sample: bytes) -> JobRequest:
    wish = Wish(
        component=ComponentRef(standing.digest, None, (standing.place,)),
        to=standing.node,
        stdin=sample,
        args=example.args,
        relays=(standing.relay,),
    )
    draft = build_request(wish, SystemClock().now())
    return check_request(LocalSigner(new_key(), os.urandom).sign(draft), standing.node)


async def _perform(voice: Voice, tell: Tell, standing: Stage, request: JobRequest) -> tuple[Result, int]:
    """Publish and follow the job; the result, and the milliseconds until it came."""
    start = time.monotonic()

    def line(who: str, what: str) -> None:
        tell(f"{voice.paint(f'{_ms(start):5} ms', 'dim')}  {voice.paint(f'{who:9}', 'cyan')} {what}")

    def happened(what: Happening) -> None:
        if isinstance(what, Published):
            line("relay", f"{what.verdict.value} the request {safe(what.text)}".rstrip())
        else:
            line("node", _passing(what.event) + (f" {showing.happening(voice, what)}" if _odd(what) else ""))

    line("customer", _passing(request.event))
    reach = network((standing.relay,), gate(local=True))
    answer = await submit(request, standing.node, reach, wait_s=WAIT_S, tell=happened)
    took_ms = _ms(start)
    if not isinstance(answer, Result):
        told = f"the job brought no result: {_no_result(answer)}"
        raise DemoFailed(f"{told}; the node said: {last_words(standing.log)}")
    return answer, took_ms


def _odd(what: Happening) -> bool:
    return not isinstance(what, Result)


def _passing(event: Event) -> str:
    names = {5850: "request", 6850: "result", 7000: "feedback"}
    return f"kind {event.kind} {names.get(event.kind, ''):8} {event.id[:12]}...  {size(len(event.to_json().encode()))}"


def _no_result(answer: Answer) -> str:
    match answer:
        case Failure(code=code, sentence=sentence):
            return f"{code}: {sentence}"
        case NoAnswer():
            return f"no answer within {WAIT_S:.0f} s"
        case _:
            return "the relay did not take the request"


def _show(voice: Voice, tell: Tell, sample: bytes, result: Result) -> None:
    for name, data in (("before", sample), ("after", result.output)):
        tell()
        tell(f"{voice.paint(name, 'bold')}  {_described(data)}")
        if picture.read_size(data) is None or voice.colour:
            for line in showing.output_lines(voice, data)[:LINES_SHOWN]:
                tell(f"  {line}")
    tell()
    tell(voice.paint("receipt", "bold"))
    for line in showing.receipt_lines(voice, result.receipt):
        tell(f"  {line}")


def _described(data: bytes) -> str:
    dimensions = picture.read_size(data)
    return f"PNG, {dimensions[0]} x {dimensions[1]} pixels, {size(len(data))}" if dimensions else size(len(data))


async def _again(result: Result) -> verify.Verdict:
    """What `dvm verify` does: from the result event alone, with a cache and a sandbox of its own."""
    request = verify.request_in(result.event)
    if request is None:
        return verify.Uncheckable("the result does not carry its request")
    claim = verify.claim_of(result.event, request)
    if not isinstance(claim, verify.Claim):
        return claim
    with tempfile.TemporaryDirectory(prefix="dvm-demo-") as folder:
        async with workbench(Home(Path(folder)), Config(), gate(local=True)) as (components, sandbox):
            return await verify.examine(claim, components, sandbox)


def _why(verdict: verify.Verdict) -> str:
    match verdict:
        case verify.Different(points=points):
            return "; ".join(points)
        case verify.Uncheckable(why=why):
            return why
        case _:
            return ""


def _as_json(standing: Stage, request: JobRequest, result: Result, ready_ms: int, took_ms: int) -> dict[str, object]:
    return {
        "relay": standing.relay,
        "node": standing.node,
        "request": request.event.to_wire(),
        "result": result.event.to_wire(),
        "ready_ms": ready_ms,
        "job_ms": took_ms,
        "verdict": "equal",
    }


async def _stay(voice: Voice, standing: Stage, example: Example) -> None:
    program = Path(sys.executable).with_name("dvm")
    command = [str(program)] if program.exists() else [sys.executable, "-m", "dvm.cli"]
    command += ["submit", "--relay", standing.relay, "--local", "--to", npub(standing.node)]
    command += ["--component", standing.place, "--stdin", str(example.sample)]
    command += ["--", *example.args] if example.args else []
    voice.say()
    voice.say("relay and node stay up until Ctrl-C. The next job, from another terminal:")
    voice.say(f"  {shlex.join(command)}")
    await asyncio.Event().wait()
