"""`dvm init`: a folder becomes a node's home. What is there is kept: a key is never replaced, nor an edited file."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from dvm.cli.options import add_home, add_relays, checked_relays, home_of
from dvm.cli.terminal import USAGE, Trouble, Voice, print_json
from dvm.config import TIERS, Config, load
from dvm.home import Home, HomeError, new_key
from relayclient.keys import npub

DESCRIPTION = "Make a home for a node: a commented configuration and a fresh key. What is there already is kept."
EPILOG = """\
examples:
  dvm init --relay wss://relay.damus.io wss://nos.lol
  dvm init --home ~/second-node --relay ws://127.0.0.1:7777 --local --yes

exit codes:
  0  the home is ready
  1  it could not be made
  2  wrong options
"""
LOCAL = ("127.0.0.1", "::1")

COMMENTS = {
    "node": "",
    "node.relays": "where requests are heard and answers are published",
    "node.kind": "request kind; results have this plus 1000",
    "node.slots": "jobs that run at one time; without this line, one for each processor",
    "node.open_jobs": "take requests that name no node",
    "node.drain_s": "seconds that running jobs get at shutdown",
    "network": "",
    "network.local": "loopback addresses that may be contacted, also without TLS",
    "sandbox": "",
    "sandbox.engine": "auto, native or pulley: machine code, or the slow interpreter; auto heeds engine advisories",
    "sandbox.lowest_tier": "A to D, see `dvm doctor`; the node does not start where guests are held less well",
    "components": "",
    "components.max_mib": "largest component taken",
    "components.cache_mib": "components kept on disk",
    "components.mirrors": "Blossom servers asked when a request's own places fail",
    "jobs": "",
    "jobs.oldest_s": "older requests are not looked at",
    "jobs.patience_s": "an accepted job that has not started by then fails",
    "jobs.live_max": "unfinished jobs at one time",
    "jobs.live_per_customer_max": "of these, from one customer",
    "jobs.retention_days": "how long ended jobs are kept",
    "default": "What a job gets that asks for nothing.",
    "default.fuel": "WebAssembly instructions, as the engine counts them",
    "default.memory_mib": "",
    "default.timeout_ms": "",
    "ceiling": "What a job can get at most.",
    "ceiling.fuel": "",
    "ceiling.memory_mib": "",
    "ceiling.timeout_ms": "",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Options."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    add_home(parser)
    add_relays(parser, required=False)
    parser.add_argument("--lowest-tier", choices=TIERS, help="start also where the sandbox is no better than this tier")
    parser.add_argument("--yes", action="store_true", help="ask nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """The command."""
    home = home_of(args)
    asking = sys.stdin.isatty() and not args.yes
    urls = args.relay or (_ask_relays(home) if asking and not home.config.exists() else [])
    relays = checked_relays(urls, local=args.local)
    chosen = {"sandbox.lowest_tier": args.lowest_tier} if args.lowest_tier else {}
    if not relays and not home.config.exists():
        raise Trouble("name at least one relay: dvm init --relay wss://...", USAGE)
    if asking and not _confirm(home):
        raise Trouble("nothing was changed")
    made = _make(home, render(relays, LOCAL if args.local else (), chosen))
    _report(home, made, relays, as_json=args.json)
    return 0


def render(relays: tuple[str, ...], local: tuple[str, ...], more: Mapping[str, str] | None = None) -> str:
    """The text of a new config.toml: what was chosen, and every other key as a comment with its default."""
    chosen: dict[str, Any] = {"node.relays": relays} | ({"network.local": local} if local else {}) | dict(more or {})
    lines = ["# Configuration of this node. A line with a leading # shows the default; remove the # to change it."]
    for section in fields(Config):
        default = getattr(Config(), section.name)
        assert is_dataclass(default)
        lines += ["", f"[{section.name}]"]
        if COMMENTS[section.name]:
            lines.append(f"# {COMMENTS[section.name]}")
        for key in fields(default):
            name = f"{section.name}.{key.name}"
            line = f"{key.name} = {_toml(chosen.get(name, getattr(default, key.name)))}"
            line = line if name in chosen else f"# {line}"
            lines.append(f"{line:40}  # {COMMENTS[name]}" if COMMENTS[name] else line)
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'  # the names of choices
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{item}"' for item in value) + "]"  # URLs and addresses: printable ASCII
    return f"{value:_}" if value >= 100_000 else str(value)


def _make(home: Home, text: str) -> list[str]:
    """Create what is missing; returns the names of what was created."""
    made = []
    try:
        home.create()
        if _write_new(home.config, text):
            made.append(home.config.name)
        key = new_key()
        try:
            home.write_key(key)
            made.append(home.key.name)
        except FileExistsError:
            home.read_key()
    except OSError as error:
        raise Trouble(f"{home.path} cannot be made a home: {error.strerror}") from None
    except HomeError as error:
        raise Trouble(str(error)) from None
    load(home.config)
    return made


def _write_new(path: Path, text: str) -> bool:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
    return True


def _report(home: Home, made: list[str], relays: tuple[str, ...], *, as_json: bool) -> None:
    key = home.read_key()
    if as_json:
        print_json({"home": str(home.path), "npub": npub(key.public), "pubkey": key.public, "made": made})
        return
    voice = Voice.on(sys.stdout)
    voice.say(f"{voice.paint('home', 'dim')}  {home.path}")
    voice.say(f"{voice.paint('node', 'dim')}  {npub(key.public)}")
    for name in (home.config.name, home.key.name):
        voice.say(f"      {name} {'made' if name in made else 'kept as it is'}")
    if home.config.name not in made and relays and set(relays) != set(load(home.config).node.relays):
        voice.say(f"      its relays differ from those named here; edit {home.config}")
    voice.say(f"next: edit {home.config} if you like, then: dvm run --home {home.path}")


def _ask_relays(home: Home) -> list[str]:
    print(f"A node's home will be made in {home.path}.", file=sys.stderr)
    print("Relays to use, separated by spaces: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().split()


def _confirm(home: Home) -> bool:
    print(f"Make {home.path} a node's home? [Y/n] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("", "y", "yes")
