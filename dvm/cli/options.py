"""Options that several commands share, and the checks behind them. Wrong ones raise Trouble with code 2."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from dvm.cli.terminal import USAGE, Trouble
from dvm.gate import Refused, parse_url
from dvm.gate.address import is_loopback
from dvm.home import Home
from relayclient.errors import InvalidUrl
from relayclient.urls import normalise


def add_home(parser: argparse.ArgumentParser) -> None:
    """`--home`."""
    parser.add_argument(
        "--home",
        metavar="DIR",
        type=Path,
        default=default_home(),
        help="the folder that is the node: configuration, key, database, caches "
        "(default: $DVM_HOME, under systemd the state folder, else ~/.local/share/dvm)",
    )


def default_home() -> Path:
    """Where a node lives unless told otherwise. Read from the environment, because a path is no secret."""
    for name in ("DVM_HOME", "STATE_DIRECTORY"):
        if os.environ.get(name):
            return Path(os.environ[name])
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share", "dvm")


def home_of(args: argparse.Namespace) -> Home:
    """The home that was named, by its absolute path."""
    path: Path = args.home
    return Home(path.expanduser().absolute())


def add_relays(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """`--relay` and `--local`."""
    parser.add_argument(
        "--relay",
        metavar="URL",
        action="extend",
        nargs="+",
        default=[],
        required=required,
        help="relay to use, wss://...; give it several times for several relays",
    )
    parser.add_argument(
        "--local",
        action="store_true",
        help="permit ws:// and http:// to loopback addresses (127.0.0.1, [::1]), for use on one machine",
    )


def checked_relays(urls: Sequence[str], *, local: bool) -> tuple[str, ...]:
    """Normalised relay URLs that the gate would let through as far as can be told without a look-up."""
    found = []
    for url in urls:
        try:
            url = normalise(url)
            target = parse_url(url, ("ws", "wss"))
        except (InvalidUrl, Refused) as error:
            sentence = error.detail if isinstance(error, InvalidUrl) else error.sentence
            raise Trouble(f"{url}: {sentence}{_hint(url)}", USAGE) from None
        loopback = target.address is not None and is_loopback(target.address)
        if loopback and not local:
            raise Trouble(f"{url} is on this machine: add --local to permit loopback addresses", USAGE)
        if not loopback and not target.tls:
            raise Trouble(f"{url}: ws:// is permitted to loopback addresses only; use wss://", USAGE)
        if not loopback and target.port != 443:
            raise Trouble(f"{url}: public relays are contacted on port 443 only", USAGE)
        found.append(url)
    return tuple(dict.fromkeys(found))


def _hint(url: str) -> str:
    return "; write 127.0.0.1 in the place of localhost" if "localhost" in url else ""


def number(low: int, high: int) -> Callable[[str], int]:
    """A type for argparse: whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) <= 20 and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"a whole number from {low} to {high} is wanted, not {text[:40]!r}")
        return int(text)

    return parse
