"""`dvm status`: how the running node stands."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from dvm.cli.asking import status
from dvm.cli.options import add_home, home_of
from dvm.cli.terminal import Voice, clock_time, print_json, safe
from relayclient.keys import npub

DESCRIPTION = "Show the sandbox and the relays of the running node, its unfinished jobs, and what it passed over."
EPILOG = """\
example:
  dvm status --json

exit codes:
  0  at least one relay is connected
  1  no node runs in this home
  3  the node runs, and no relay is connected
"""
DISCONNECTED = 3


def configure(parser: argparse.ArgumentParser) -> None:
    """Options."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    add_home(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """The command."""
    answer = status(home_of(args))
    print_json(answer) if args.json else _show(Voice.on(sys.stdout), answer)
    return 0 if any(relay["connected"] for relay in answer["relays"]) else DISCONNECTED


def _show(voice: Voice, answer: dict[str, Any]) -> None:
    voice.say(f"{voice.paint('node', 'dim')}   {npub(answer['node'])}")
    sandbox = answer["sandbox"]
    voice.say(f"{voice.paint('sandbox', 'dim')} {safe(sandbox['engine'])}, tier {safe(sandbox['tier'])}")
    if sandbox["warning"]:
        voice.say(f"  {voice.paint(safe(sandbox['warning']), 'yellow')}")
    live = ", ".join(f"{count} {state}" for state, count in sorted(answer["live"].items()))
    voice.say(f"{voice.paint('jobs', 'dim')}   {live or 'none unfinished'}")
    voice.say(f"{voice.paint('relays', 'dim')}")
    for relay in answer["relays"]:
        up = relay["connected"]
        state = voice.paint("connected", "green") if up else voice.paint("not connected", "red")
        why = "" if up or not relay["last_error"] else f" ({safe(relay['last_error'])})"
        counted = ", ".join(f"{name} {count}" for name, count in sorted(relay["counters"].items()))
        voice.say(f"  {safe(relay['url'])}  {state} since {clock_time(relay['since'])}{why}  {safe(counted)}".rstrip())
    passed = ", ".join(f"{name} {count}" for name, count in sorted(answer["passed_over"].items()))
    voice.say(f"{voice.paint('passed over', 'dim')}  {safe(passed) or 'nothing'}")
