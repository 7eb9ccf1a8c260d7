"""`dvm keys show`: who the node is. The secret is never printed; its file is the way to back it up."""

from __future__ import annotations

import argparse
import sys

from dvm.cli.options import add_home, home_of
from dvm.cli.terminal import CONFIG, Trouble, Voice, print_json
from dvm.home import HomeError
from relayclient.keys import npub

DESCRIPTION = "Show the node's public key. To back the secret up, copy the file key.nsec of its home to a safe place."
EPILOG = """\
example:
  dvm keys show --home ~/second-node

exit codes:
  0   shown
  78  there is no usable key
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Options."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("action", nargs="?", choices=["show"], default="show", help="what to do (default: show)")
    add_home(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """The command."""
    try:
        public = home_of(args).read_key().public
    except HomeError as error:
        raise Trouble(str(error), CONFIG) from None
    if args.json:
        print_json({"npub": npub(public), "pubkey": public})
    else:
        voice = Voice.on(sys.stdout)
        voice.say(f"{voice.paint('npub', 'dim')}  {npub(public)}")
        voice.say(f"{voice.paint('hex', 'dim')}   {public}")
    return 0
