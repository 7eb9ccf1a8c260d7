"""`dvm verify`: is this result true? Its job is run again here, within the limits of its receipt."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from dvm import verify
from dvm.cli import showing
from dvm.cli.names import event_id
from dvm.cli.options import add_relays, checked_relays, number
from dvm.cli.reach import gate, network
from dvm.cli.terminal import USAGE, Trouble, Voice, print_json, safe
from dvm.client import find_event
from dvm.config import Config
from dvm.home import Home
from dvm.node import workbench
from dvm.ports import Components
from relayclient import tags
from relayclient.errors import Invalid, InvalidEvent
from relayclient.event import MAX_EVENT_BYTES, Event
from relayclient.keys import npub
from relayclient.strictjson import parse_json

DESCRIPTION = "Run a result's job again in the same sandbox and compare output, exit and fuel with its receipt."
EPILOG = """\
examples:
  dvm submit ... --json > answer.json; dvm verify answer.json
  dvm verify nevent1... --relay wss://nos.lol
  dvm verify answer.json --component thumbnail.wasm

RESULT is a file with the result event, or with what `dvm submit --json` printed; - for standard input; or an event id
(hex, note1..., nevent1...), which is looked up on the relays.

exit codes:
  0  equal
  1  different: the result contradicts its request, its receipt, or the second run
  2  wrong options
  3  it cannot be checked here
"""
DIFFERENT, UNCHECKABLE = 1, 3
FILE_MAX = 8 * MAX_EVENT_BYTES
COMPONENT_MAX = 64 << 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Options."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("result", metavar="RESULT", help="the result event, or where it is found; see below")
    add_relays(parser, required=False)
    parser.add_argument(
        "--component", metavar="FILE", type=Path, help="the component (default: from where the request says)"
    )
    parser.add_argument("--wait", metavar="S", type=number(1, 600), default=15, help="seconds to look up (default: 15)")
    parser.add_argument("--json", action="store_true", help="print the verdict as one JSON object")


def run(args: argparse.Namespace) -> int:
    """The command."""
    return asyncio.run(_verify(args))


async def _verify(args: argparse.Namespace) -> int:
    relays = checked_relays(args.relay, local=args.local)
    result = await _result(args, relays)
    request = verify.request_in(result) or await _request(args, relays, result)
    claim = verify.claim_of(result, request)
    verdict = await _examine(args, claim) if isinstance(claim, verify.Claim) else claim
    return _report(args, result, verdict)


async def _examine(args: argparse.Namespace, claim: verify.Claim) -> verify.Verdict:
    with tempfile.TemporaryDirectory(prefix="dvm-verify-") as folder:
        async with workbench(Home(Path(folder)), Config(), gate(local=args.local)) as (source, sandbox):
            components: Components = source
            if args.component:
                components = verify.OneFile(args.component.absolute(), _bytes(args.component, COMPONENT_MAX))
            return await verify.examine(claim, components, sandbox)


async def _result(args: argparse.Namespace, relays: tuple[str, ...]) -> Event:
    if args.result == "-":
        return _event(sys.stdin.buffer.read(FILE_MAX + 1), "standard input")
    if Path(args.result).is_file():
        return _event(_bytes(Path(args.result), FILE_MAX), args.result)
    wanted = event_id(args.result)
    if wanted is None:
        raise Trouble(f"{args.result[:80]}: no such file, and no event id", USAGE)
    return await _found(args, relays, wanted, "the result")


async def _request(args: argparse.Namespace, relays: tuple[str, ...], result: Event) -> Event:
    wanted = event_id(tags.first(result.tags, "e") or "")
    if wanted is None:
        raise Trouble("the result names no request", UNCHECKABLE)
    return await _found(args, relays, wanted, "its request")


async def _found(args: argparse.Namespace, relays: tuple[str, ...], wanted: str, what: str) -> Event:
    if not relays:
        raise Trouble(f"{what} has to be looked up: name a relay with --relay", USAGE)
    event = await find_event(wanted, network(relays, gate(local=args.local)), wait_s=args.wait)
    if event is None:
        raise Trouble(f"{what} {wanted[:12]}... is not on these relays", UNCHECKABLE)
    return event


def _event(data: bytes, name: str) -> Event:
    """The event in a file: itself, or as the answer in what `dvm submit --json` printed."""
    try:
        value = parse_json(data, max_bytes=FILE_MAX)
        if isinstance(value, dict) and "answer" in value:
            value = value["answer"]
        return Event.from_wire(value)
    except InvalidEvent as error:
        raise Trouble(f"{name}: the result is no valid event ({error})", DIFFERENT) from None
    except Invalid as error:
        raise Trouble(f"{name}: no JSON that could hold a result ({error})", USAGE) from None


def _bytes(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise Trouble(f"{path}: {error.strerror}", USAGE) from None
    if len(data) > most:
        raise Trouble(f"{path} has more than {most} bytes", USAGE)
    return data


def _report(args: argparse.Namespace, result: Event, verdict: verify.Verdict) -> int:
    voice = Voice.on(sys.stdout)
    match verdict:
        case verify.Equal(receipt=receipt, again=again):
            if args.json:
                print_json({"verdict": "equal", "result": result.id, "by": result.pubkey})
            else:
                for line in showing.receipt_lines(voice, receipt) if voice.live else ():
                    voice.say(line)
                voice.say(f"{voice.paint(showing.verified(receipt, again), 'green')} (in {again.wall_ms} ms)")
                voice.say(f"signed by {npub(result.pubkey)}")
            return 0
        case verify.Different(points=points):
            if args.json:
                print_json({"verdict": "different", "result": result.id, "by": result.pubkey, "points": list(points)})
            else:
                voice.say(voice.paint(f"not equal; the result is signed by {showing.short(result.pubkey)}", "red"))
                for point in points:
                    voice.say(f"  {safe(point)}")
            return DIFFERENT
        case verify.Uncheckable(why=why):
            if args.json:
                print_json({"verdict": "uncheckable", "result": result.id, "by": result.pubkey, "why": why})
            advice = "" if args.component else "; --component FILE gives the component by hand"
            raise Trouble(f"the result cannot be checked: {why}{advice}", UNCHECKABLE)
