"""`dvm submit`: publish a job to relays and wait for what comes of it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path

from dvm.blobs import BlobServer
from dvm.cli import showing
from dvm.cli.options import add_relays, checked_relays, number
from dvm.cli.reach import gate, network, public_key, secret_key
from dvm.cli.terminal import USAGE, Trouble, Voice, complain, print_json, safe
from dvm.cli.wish import Code, add_job, code_of, env_of, stdin_of
from dvm.client import (
    Answer,
    CannotAsk,
    Failure,
    Happening,
    Network,
    NoAnswer,
    Published,
    Result,
    Wish,
    build_request,
    check_request,
    submit,
)
from dvm.home import new_key
from jobs.component import ComponentRef
from relayclient.event import Event
from relayclient.keys import LocalSigner

DESCRIPTION = "Publish a job and wait. The result's bytes go to stdout; on a terminal, text and pictures are shown."
EPILOG = """\
examples:
  dvm submit --relay wss://nos.lol --component https://example.com/<sha256>.wasm --text hello
  dvm submit --relay ws://127.0.0.1:7777 --local --component thumbnail.wasm \\
             --stdin photo.png --output small.png -- --width 64

exit codes:
  0  the component ran and exited with 0
  1  the component ran and exited with 1
  2  wrong options, or a request that no node could take; nothing was published
  3  the node sent an error
  4  no answer in time
  5  no relay took the request
"""
ERROR, NO_ANSWER, UNSENT = 3, 4, 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Options."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.usage = "dvm submit --relay URL [--to NPUB] --component WHAT [options] [-- ARGUMENT ...]"
    add_relays(parser, required=True)
    parser.add_argument("--to", metavar="NPUB", help="the node to ask, npub or hex; without it, all nodes are asked")
    parser.add_argument("--key", metavar="FILE", type=Path, help="file with the customer's nsec (default: a fresh key)")
    add_job(parser)
    parser.add_argument(
        "--wait", metavar="S", type=number(1, 86_400), default=120, help="wait S seconds (default: 120)"
    )
    parser.add_argument("--output", metavar="FILE", type=Path, help="write the output to FILE")
    parser.add_argument("--json", action="store_true", help="print request, answer and receipt as one JSON object")


def run(args: argparse.Namespace) -> int:
    """The command."""
    relays = checked_relays(args.relay, local=args.local)
    return asyncio.run(_exchange(args, code_of(args), relays))


async def _exchange(args: argparse.Namespace, code: Code, relays: tuple[str, ...]) -> int:
    voice = Voice.on(sys.stderr)
    said: dict[str, Published] = {}
    start = time.monotonic()

    def tell(what: Happening) -> None:
        if isinstance(what, Published):
            said[what.relay] = what
        ms = (time.monotonic() - start) * 1000
        voice.progress(f"{voice.paint(f'{ms:7.0f} ms', 'dim')}  {showing.happening(voice, what)}")

    reach = network(relays, gate(local=args.local))
    async with contextlib.AsyncExitStack() as stack:
        ref = code.ref
        if code.served is not None:
            base = await stack.enter_async_context(BlobServer([code.served]))
            ref = ComponentRef(ref.digest, ref.size, (f"{base}/{ref.digest}.wasm", *ref.hints))
        try:
            request = check_request(_signed(args, ref, relays, reach), _to(args))
        except CannotAsk as error:
            raise Trouble(str(error), USAGE) from None
        answer = await submit(request, _to(args), reach, wait_s=args.wait, tell=tell)
    return _report(args, voice, answer, showing.as_json(answer, request.event.to_wire(), said))


def _to(args: argparse.Namespace) -> str | None:
    return public_key(args.to) if args.to else None


def _signed(args: argparse.Namespace, ref: ComponentRef, relays: tuple[str, ...], reach: Network) -> Event:
    now = reach.clock.now()
    wish = Wish(
        component=ref,
        to=_to(args),
        stdin=stdin_of(args),
        args=(*args.arg, *args.args),
        env=env_of(args),
        fuel=args.fuel,
        memory_mib=args.memory_mib,
        timeout_ms=args.timeout_ms,
        seed=args.seed,
        bid_msat=args.bid,
        expiration=None if args.expire is None else now + args.expire,
        relays=relays,
    )
    key = secret_key(args.key) if args.key else new_key()
    return LocalSigner(key, os.urandom).sign(build_request(wish, now))


def _report(args: argparse.Namespace, voice: Voice, answer: Answer, whole: dict[str, object]) -> int:
    if isinstance(answer, Result) and args.output:
        try:
            args.output.write_bytes(answer.output)
        except OSError as error:
            raise Trouble(f"{args.output}: {error.strerror}", USAGE) from None
    if args.json:
        print_json(whole)
    match answer:
        case Result():
            if not args.json:
                _show(args, voice, answer)
            return min(answer.receipt.exit_code, 1)
        case Failure(event=event, code=code, sentence=sentence):
            complain(f"{showing.short(event.pubkey)} says: {code}: {sentence}")
            return ERROR
        case NoAnswer():
            complain(f"no answer within {args.wait} s; the request is still published")
            return NO_ANSWER
        case _:
            complain(
                "no relay took the request: " + "; ".join(f"{p.relay}: {p.text or 'no answer'}" for p in answer.said)
            )
            return UNSENT


def _show(args: argparse.Namespace, voice: Voice, result: Result) -> None:
    if not args.output:
        out = Voice.on(sys.stdout)
        if out.live:
            for line in showing.output_lines(out, result.output):
                out.say(line)
        else:
            sys.stdout.buffer.write(result.output)
            sys.stdout.buffer.flush()
    if voice.live or result.receipt.exit_code:
        for line in showing.log_lines(result):
            voice.say(f"{voice.paint('log', 'dim')}  {line}")
    voice.progress(voice.paint(safe(showing.summary(result)), "green" if result.receipt.exit_code == 0 else "red"))
