"""`dvm jobs` and `dvm jobs show ID`: what the node was asked, and the story of each job."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any

from dvm.answers import JOBS_MAX, list_jobs, show_job
from dvm.cli.asking import answer
from dvm.cli.options import add_home, home_of, number
from dvm.cli.terminal import Voice, clock_time, print_json, safe
from jobs.model import JobState
from relayclient.keys import npub

DESCRIPTION = "List the newest jobs, or show the story of one. Works whether or not the node is running."
EPILOG = """\
examples:
  dvm jobs --state failed --limit 50
  dvm jobs show 3fa2c1

exit codes:
  0  shown
  1  there is no such job, or this is no node's home
  2  wrong options
"""
COLOURS = {"done": "green", "failed": "red", "declined": "yellow"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Options."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument(
        "action", nargs="?", choices=["list", "show"], default="list", help="what to do (default: list)"
    )
    parser.add_argument("id", nargs="?", help="with show: the job's id, or its first digits (at least 4)")
    add_home(parser)
    parser.add_argument(
        "--limit", type=number(1, JOBS_MAX), default=20, metavar="N", help="at most N jobs (default: 20)"
    )
    states = [state.value for state in JobState]
    parser.add_argument("--state", choices=states, metavar="STATE", help="only these: " + ", ".join(states))
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """The command."""
    home, voice = home_of(args), Voice.on(sys.stdout)
    if args.action == "show":
        prefix = (args.id or "").lower()
        record = answer(home, "job", lambda store: show_job(store, prefix), id=prefix)
        print_json(record) if args.json else _show(voice, record)
        return 0
    details = {"limit": args.limit, "state": args.state}
    rows = answer(home, "jobs", lambda store: list_jobs(store, args.limit, args.state), **details)
    print_json(rows) if args.json else _list(voice, rows)
    return 0


def _list(voice: Voice, rows: list[dict[str, Any]]) -> None:
    if not rows:
        voice.progress("no jobs yet")
        return
    voice.say(voice.paint(f"{'JOB':14}{'STATE':12}{'TAKEN':21}{'CUSTOMER':18}{'COMPONENT':14}", "dim"))
    for row in rows:
        state = voice.paint(f"{row['state']:12}", *([COLOURS[row["state"]]] if row["state"] in COLOURS else ["cyan"]))
        customer = npub(row["customer"])[:14] + "..."
        line = f"{row['id'][:12]:14}{state}{clock_time(row['born_at']):21}{customer:18}{row['component'][:12]:14}"
        voice.say((line + safe(row["code"])).rstrip())


def _show(voice: Voice, record: dict[str, Any]) -> None:
    state = record["state"] + (f" ({safe(record['code'])})" if record["code"] else "")
    facts = [
        ("job", record["id"]),
        ("state", voice.paint(state, COLOURS.get(record["state"], "cyan"))),
        ("customer", npub(record["customer"])),
        ("component", record["component"] or "not named"),
        ("attempts", str(record["attempt"])),
    ]
    for name, value in facts:
        voice.say(f"{voice.paint(f'{name:11}', 'dim')}{value}")
    voice.say()
    for line in record["story"]:
        voice.say(_story_line(voice, line))
    for said in record["answers"]:
        told = f"said {said['purpose']:11} kind {said['event']['kind']}, event {said['event']['id']}"
        voice.say(f"{clock_time(said['event']['created_at'])}  {voice.paint(told, 'bold')}")


def _story_line(voice: Voice, line: dict[str, Any]) -> str:
    fact = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", line["fact"]).lower()
    move = "" if line["before"] == line["after"] else f"-> {line['after']}"
    orders = f"; {line['orders']}" if line["orders"] else ""
    detail = f"  {voice.paint(safe(line['detail']), 'dim')}" if line["detail"] else ""
    return f"{clock_time(line['at'])}  {fact:16} {safe(move + orders)}{detail}".rstrip()
